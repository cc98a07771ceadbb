"""Counters and sizes in the JSON API."""

from datetime import date, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from sidelong.api.instants import as_date
from sidelong.api.stats import History
from sidelong.web.api.endpoint import endpoint
from sidelong.web.api.writing import to_json
from sidelong.web.events import stream
from sidelong.web.live import Glance
from sidelong.web.visit import Visit

_MOST_DAYS: Final = 180


class Figures(Struct, kw_only=True):
    """How much was done, waits and runs at one moment.

    Attributes:
        at: when that was: at most the `interval` of the pages ago.
        processed: executions since the last reset, failed ones included.
        failed: executions that failed.
        busy: jobs that run, by the last heartbeats.
        enqueued: jobs in all queues.
        scheduled: jobs that were enqueued for later.
        retries: jobs that will be tried again.
        dead: dead jobs.
        processes: worker processes.
        default_queue_latency: seconds for which the next job of the queue `default` has waited.
        processed_per_second: how fast jobs were processed since the moment before; null if there was none.
        failed_per_second: how fast they failed; likewise.
        errors: what Redis said about keys that cannot be read, and count as empty here.
    """

    at: datetime | None
    processed: int
    failed: int
    busy: int
    enqueued: int
    scheduled: int
    retries: int
    dead: int
    processes: int
    default_queue_latency: float
    processed_per_second: float | None
    failed_per_second: float | None
    errors: list[str]


class Days(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which days are wanted.

    Attributes:
        days: how many, the last of which is today.
    """

    days: Annotated[int, Meta(ge=1, le=_MOST_DAYS)] = 30


class Day(Struct, kw_only=True):
    """What was done on one day.

    Attributes:
        day: the day, in UTC.
        processed: executions, failed ones included.
        failed: executions that failed.
    """

    day: date
    processed: int
    failed: int


class PastDays(Struct, kw_only=True):
    """What was done on each of some days.

    Attributes:
        days: the last one first.
    """

    days: list[Day]


async def get_figures(visit: Visit) -> Figures:
    """Tell how much was done, waits and runs."""
    return _figures(await visit.site.live.glance())


async def stream_figures(visit: Visit) -> Response:
    """Tell the same whenever there is something new, as server-sent events, for 20 seconds."""
    return stream(visit, lambda glance: to_json(_figures(glance)))


async def get_history(visit: Visit, query: Days) -> PastDays:
    """Tell what was done on each of the last days."""
    history = History(visit.site.app, query.days)
    processed, failed = await history.processed(), await history.failed()
    days = [Day(day=day, processed=count, failed=failed.get(day, 0)) for day, count in processed.items()]
    return PastDays(days=days)


def _figures(glance: Glance) -> Figures:
    figures = glance.figures
    return Figures(
        at=as_date(glance.at),
        processed=figures.processed,
        failed=figures.failed,
        busy=figures.workers_size or 0,
        enqueued=figures.enqueued or 0,
        scheduled=figures.scheduled_size,
        retries=figures.retry_size,
        dead=figures.dead_size,
        processes=figures.processes_size,
        default_queue_latency=round(figures.default_queue_latency, 3),
        processed_per_second=glance.processed_per_second,
        failed_per_second=glance.failed_per_second,
        errors=list(figures.errors),
    )


ENDPOINTS: Final = (
    endpoint("GET", "/stats", "dashboard", get_figures),
    endpoint("GET", "/stats/stream", "dashboard", stream_figures, media_type="text/event-stream"),
    endpoint("GET", "/stats/history", "dashboard", get_history),
)
