"""The jobs that wait in one queue, and each of them."""

from dataclasses import replace

from starlette.responses import Response

from sidelong.api.queues import Queue
from sidelong.errors import Refused
from sidelong.web.actions import queued
from sidelong.web.actions.queues import queue_target
from sidelong.web.chosen import Chosen
from sidelong.web.job_page import JobPage, reasons_of
from sidelong.web.listing import ListQuery, find
from sidelong.web.places import write_path, write_segment
from sidelong.web.row_keys import row_key
from sidelong.web.security.bodies import read_form
from sidelong.web.sources import QueueSource
from sidelong.web.visit import Visit, not_found


async def jobs(visit: Visit) -> Response:
    """Return the page."""
    name = visit.names["queue"]
    queue = Queue(visit.site.app, name)
    if not await queue.size() and not await queued.is_known(queue):
        not_found()
    query = ListQuery.read(visit.query)
    # The job pushed last comes first, as on all lists that are no timetable.
    found = await find(QueueSource(queue, oldest_first=query.is_reversed), query)
    return await visit.page(
        "queue.html",
        queue=name,
        latency=await queue.latency(),
        is_paused=await _is_paused(queue),
        list=query,
        found=found,
        rows=[(row_key(job), job) for job in found.jobs],
        actions=[action for action in queued.ACTIONS if await visit.may(action, queue_target(name))],
        may_pause=await visit.may("pause", queue_target(name)),
        may_clear=await visit.may("clear", queue_target(name)),
    )


async def _is_paused(queue: Queue) -> bool:
    """Tell whether workers leave the queue alone; none is paused where that cannot be read, as workers see it."""
    try:
        return await queue.is_paused()
    except Refused:
        return False


async def job(visit: Visit) -> Response:
    """Return the page of one job."""
    name, key = visit.names["queue"], visit.names["job"]
    query, queue = ListQuery.read(visit.query), Queue(visit.site.app, name)
    found = await queued.look_for(key, queue, near=visit.hint, query=query) or not_found()
    up = f"/queues/{write_segment(name)}"
    page = JobPage(
        up=up,
        up_name=name,
        act_at=up,
        key=key,
        actions=[action for action in queued.ACTIONS if await visit.may(action, queue_target(name))],
        reasons=await reasons_of(visit, lambda reasons: reasons.queued(found)),
        position=await found.position(),
        edit_at=await _edit_at(visit, name, key, query),
        edit_name="edit_waiting",
    )
    return await page.show(visit, found)


async def _edit_at(visit: Visit, name: str, key: str, query: ListQuery) -> str | None:
    if not await visit.may("edit", queue_target(name)):
        return None
    path = f"/queues/{write_segment(name)}/jobs/{write_segment(key)}/edit"
    return write_path(path, at=visit.hint or None, order="reversed" if query.is_reversed else None)


async def act(visit: Visit) -> Response:
    """Delete the jobs that were chosen, or all that match."""
    name = visit.names["queue"]
    home = f"/queues/{write_segment(name)}"
    chosen = Chosen.read(await read_form(visit.request), queued.ACTIONS)
    await visit.require(chosen.action, queue_target(name))
    if chosen.selection.is_empty:
        return visit.back(chosen.way_back, home, "nothing")
    if chosen.must_ask:
        return await chosen.ask(visit, await Queue(visit.site.app, name).size())
    outcome = await queued.delete(visit, name, chosen.selection)
    if chosen.selection.is_all and not chosen.selection.query.filters:
        # The queue was cleared, and its page is gone with it.
        chosen = replace(chosen, way_back="/queues")
    return await chosen.answer(visit, outcome, home)
