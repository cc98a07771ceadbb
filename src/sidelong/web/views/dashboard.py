"""The first page: what happens now, and what happened on each day."""

import json
from typing import Final

from starlette.responses import JSONResponse, Response

from sidelong.api.server import redis_facts, redis_troubles
from sidelong.api.stats import History
from sidelong.web import events
from sidelong.web.charts.days import day_chart
from sidelong.web.security.headers import PAGE
from sidelong.web.visit import Visit

DAYS: Final = (7, 30, 90, 180)


async def dashboard(visit: Visit) -> Response:
    """Return the page."""
    days = _days(visit.query.get("days", ""))
    history = History(visit.site.app, days)
    processed, failed = await history.processed(), await history.failed()
    glance = await visit.site.live.glance()
    facts = await redis_facts(visit.site.app)
    return await visit.page(
        "dashboard.html",
        glance=glance.as_json(),
        interval=visit.site.live.interval,
        days=days,
        choices=DAYS,
        chart=day_chart(processed, failed),
        facts=facts,
        troubles=redis_troubles(facts),
        may_see_redis=await visit.may("view", "redis"),
        totals=(sum(processed.values()), sum(failed.values())),
    )


async def figures(visit: Visit) -> Response:
    """Return the figures once, for browsers that cannot stream."""
    return JSONResponse((await visit.site.live.glance()).as_json(), headers=PAGE)


async def stream(visit: Visit) -> Response:
    """Return the figures whenever there are new ones, as server-sent events."""
    return events.stream(visit, lambda glance: json.dumps(glance.as_json()))


def _days(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        return 30
    return min(max(int(text), 1), DAYS[-1])
