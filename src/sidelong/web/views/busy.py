"""The worker processes, and what they run."""

from itertools import islice
from typing import Final

from starlette.responses import Response

from sidelong.api.processes import Process, ProcessSet
from sidelong.api.work import WorkSet
from sidelong.web import texts
from sidelong.web.actions import processes, running
from sidelong.web.confirmation import confirmation
from sidelong.web.listing import ListQuery, find
from sidelong.web.security.bodies import read_form
from sidelong.web.sources import RunningSource
from sidelong.web.visit import Visit, bad_request, not_found

_MOST_PROCESSES: Final = 200
_MOST_JOBS: Final = 100
_LASTING: Final = ("quiet", "stop")
"""What a process does not come back from; these are asked first."""


async def busy(visit: Visit) -> Response:
    """Return the page."""
    living = [process async for process in ProcessSet(visit.site.app)]
    works = [work async for work in WorkSet(visit.site.app)]
    query = ListQuery.read(visit.query)
    found = await find(RunningSource(works, longest_first=not query.is_reversed), query)
    rows = [
        (process, [action for action in _LASTING if await _may(visit, action, process)])
        for process in islice(living, _MOST_PROCESSES)
    ]
    return await visit.page(
        "busy.html",
        rows=rows,
        processes=living,
        concurrency=sum(process.concurrency for process in living),
        busy=sum(process.busy for process in living),
        rss=sum(process.rss for process in living),
        list=query,
        found=found,
        works=[job.work for job in found.jobs],
        actions=[action for action in running.ACTIONS if await visit.may(action, processes.RUNNING)],
        now=visit.site.app.store.clock.now(),
        for_all=[action for action in _LASTING if living and await visit.may(action, processes.ALL)],
        most_processes=_MOST_PROCESSES,
    )


async def process(visit: Visit) -> Response:
    """Return the page of one process."""
    found = await ProcessSet(visit.site.app).get(visit.names["process"]) or not_found()
    works = await WorkSet(visit.site.app).of_process(found.identity)
    return await visit.page(
        "process.html",
        process=found,
        actions=[action for action in processes.SIGNALS if await _may(visit, action, found)],
        works=works[:_MOST_JOBS],
        may_cancel=await visit.may("cancel", processes.RUNNING),
        count=len(works),
        now=visit.site.app.store.clock.now(),
        most_jobs=_MOST_JOBS,
    )


async def act(visit: Visit) -> Response:
    """Quiet or stop one process, or let it log what it does."""
    form = await read_form(visit.request)
    action = form.get("action", [""])[-1]
    identity, way_back = visit.names["process"], form.get("return", [""])[-1]
    if action not in processes.SIGNALS:
        bad_request()
    if action in _LASTING and "confirmed" not in form:
        await visit.require(action, identity)
        if await ProcessSet(visit.site.app).get(identity) is None:
            visit.record(action, identity, processes.Told.GONE)
            return visit.back("", "/busy", "gone")
        return await confirmation(visit, form, texts.text(f"confirm_{action}", name=identity), action)
    told = await processes.tell(visit, identity, action)
    return visit.back(way_back, "/busy", f"{action}.1" if told is processes.Told.TOLD else told)


async def act_on_all(visit: Visit) -> Response:
    """Quiet or stop all processes that take signals."""
    form = await read_form(visit.request)
    action = form.get("action", [""])[-1]
    if action not in _LASTING:
        bad_request()
    if "confirmed" not in form:
        await visit.require(action, processes.ALL)
        question = texts.text(f"confirm_{action}", name=texts.text("all_processes"))
        return await confirmation(visit, form, question, action)
    return visit.back("", "/busy", f"{action}.{await processes.tell_all(visit, action)}")


async def _may(visit: Visit, action: str, process: Process) -> bool:
    return not process.is_embedded and await visit.may(action, process.identity)
