"""Delete and edit jobs that wait in a queue."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sidelong.api.bulk import BulkOutcome, Progress
from sidelong.api.filters import Filter
from sidelong.api.queues import Queue, QueuedJob
from sidelong.web.actions.one import Doing, Done, do_to_one, restored
from sidelong.web.actions.outcome import ListOutcome
from sidelong.web.actions.queues import queue_target
from sidelong.web.bounded import Counts
from sidelong.web.listing import ListQuery
from sidelong.web.row_keys import digest
from sidelong.web.selection import Selection
from sidelong.web.sources import QueueSource, look_everywhere, look_near
from sidelong.web.visit import Visit

ACTIONS: Final = ("delete",)

_WITHIN: Final = 1.0
"""Seconds for which a job is looked for: a queue knows no job by its id."""


async def delete(visit: Visit, name: str, selection: Selection) -> ListOutcome:
    """Delete jobs of a queue.

    Args:
        visit: the request.
        name: of the queue.
        selection: which jobs.

    Raises:
        HTTPException: 403 if whoever asks may not, 400 if the selection goes on where no list can be gone on with.
        StoreError, TimeoutError: Redis cannot be reached, refuses or is too slow; what was done is done.
    """
    target = queue_target(name)
    await visit.require("delete", target)
    queue = Queue(visit.site.app, name)
    if selection.is_all:
        return await _delete_all(visit, queue, selection)
    counts = Counts()
    with visit.recording("delete", target, counts):
        found, is_complete = await _look_for(set(selection.keys), queue, selection.near, selection.query)
        for job in found.values():
            counts.add(await job.delete())
        missing = len(selection.keys) - len(found)
        # In a long queue there is no time to look everywhere: nobody knows whether they are gone.
        counts.gone += missing if is_complete else 0
        counts.failed += 0 if is_complete else missing
    return ListOutcome(counts)


async def edit(
    visit: Visit,
    name: str,
    key: str,
    changes: Mapping[str, Any] | None = None,
    *,
    item: Mapping[str, Any] | None = None,
    near: int = 0,
    query: ListQuery,
    seen: str | None = None,
) -> Done:
    """Change a job, which waits behind all others then; see `QueuedJob.edit`.

    Args:
        visit: the request.
        name: of the queue.
        key: the name of the job there.
        changes: fields of the payload with their new values; the marks of `mask_arguments` in its arguments keep what
            they stand for.
        item: a whole payload instead.
        near: about where the job stood.
        query: the order of that list.
        seen: the `digest` of the job that is meant: what has run meanwhile and waits again may have its key.

    Raises:
        HTTPException: 403 if whoever asks may not.
        TypeError, ValueError: no job can be like this; it stays.
        Exception: what a client middleware raised; the job stays.
        StoreError: Redis cannot be reached, or refuses.
    """
    target = queue_target(name)
    await visit.require("edit", target)
    job = await find(key, Queue(visit.site.app, name), near=near, query=query, seen=seen)
    doing: Doing | Done = job if isinstance(job, Done) else partial(_edit, job, changes, item)
    return await do_to_one(visit, "edit", f"{target} {key}", doing)


async def find(key: str, queue: Queue, *, near: int, query: ListQuery, seen: str | None) -> QueuedJob | Done:
    """Return the job that is meant, or why it was not found; see `edit`."""
    found, is_complete = await _look_for({key}, queue, near, query)
    job = found.get(key)
    if job is None:
        return Done.GONE if is_complete else Done.UNFOUND
    return job if seen in (None, digest(job)) else Done.GONE


async def is_known(queue: Queue) -> bool:
    """Tell whether a queue is on the list of queues, be it empty."""
    return queue.name in {known.name for known in await Queue.all(queue.app)}


async def look_for(key: str, queue: Queue, *, near: int, query: ListQuery) -> QueuedJob | None:
    """Return a job that is found, first where the list has shown it, then anywhere for a moment; None if it is not."""
    found, _ = await _look_for({key}, queue, near, query)
    return found.get(key)


async def _look_for(keys: set[str], queue: Queue, near: int, query: ListQuery) -> tuple[dict[str, QueuedJob], bool]:
    """Return by key the jobs that are found, and whether those that are not are known to be gone."""
    source = QueueSource(queue, oldest_first=query.is_reversed)
    found = await look_near(source, keys, near)
    missing = keys - found.keys()
    if not missing:
        return found, True
    others, is_complete = await look_everywhere(queue, missing, _WITHIN, oldest_first=query.is_reversed)
    return {**found, **others}, is_complete


async def _edit(job: QueuedJob, changes: Mapping[str, Any] | None, item: Mapping[str, Any] | None) -> bool:
    return await job.edit(restored(job, changes), item=item)


async def _delete_all(visit: Visit, queue: Queue, selection: Selection) -> ListOutcome:
    where = selection.query.where

    async def run(progress: Progress, within: float) -> BulkOutcome:
        if where is None and selection.after is None:
            return BulkOutcome(done=await queue.clear())
        return await queue.delete_some(where=where or Filter(), within=within, after=selection.after, progress=progress)

    outcome = ListOutcome()
    with visit.recording("delete", queue_target(queue.name), outcome):
        await outcome.take(run)
    return outcome
