"""All queues: how long they are, for how long the next job has waited, and whether workers heed them."""

from starlette.responses import Response

from sidelong.api.queues import Queue
from sidelong.api.stats import Stats
from sidelong.web import texts
from sidelong.web.actions import queues
from sidelong.web.confirmation import confirmation
from sidelong.web.security.bodies import read_form
from sidelong.web.visit import Visit, bad_request

_MOST: int = 1_000


async def listing(visit: Visit) -> Response:
    """Return the page."""
    summaries = await Stats(visit.site.app).queue_summaries()
    rows = [
        (
            summary,
            await visit.may("unpause" if summary.is_paused else "pause", queues.queue_target(summary.name)),
            await visit.may("clear", queues.queue_target(summary.name)),
        )
        for summary in summaries[:_MOST]
    ]
    return await visit.page("queues.html", rows=rows, left_out=len(summaries) - len(rows), most=_MOST)


async def act(visit: Visit) -> Response:
    """Pause a queue, end its pause, or clear it."""
    form = await read_form(visit.request)
    name = visit.names["queue"]
    action = form.get("action", [""])[-1]
    if action not in ("pause", "unpause", "clear"):
        bad_request()
    if action != "clear":
        await queues.hold(visit, name, is_paused=action == "pause")
        return visit.back(form.get("return", [""])[-1], "/queues", action)
    if "confirmed" not in form:
        await visit.require(action, queues.queue_target(name))
        question = texts.text("confirm_queue", n=await Queue(visit.site.app, name).size(), name=name)
        return await confirmation(visit, form, question, action)
    # The page of a queue is gone with the queue.
    return visit.back("/queues", "/queues", f"clear.{await queues.clear(visit, name)}")
