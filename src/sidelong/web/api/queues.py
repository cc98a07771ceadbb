"""Queues, and the jobs that wait in them, in the JSON API."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from sidelong.api.queues import Queue
from sidelong.api.reasons import Reasons
from sidelong.api.stats import QueueSummary, Stats
from sidelong.web.actions import queued, queues
from sidelong.web.api.editing import Changed, Edit, Replacement, changed
from sidelong.web.api.endpoint import PREFIX, endpoint
from sidelong.web.api.jobs import QueuedJobDetail, cut, detail_of, editable_arguments, job_of
from sidelong.web.api.lists import QueuedJobs, job_url, page_of
from sidelong.web.api.outcomes import ChosenOutcome, MatchingOutcome, chosen_outcome, matching_outcome
from sidelong.web.api.parameters import Keys, ListParameters, Matching, Standing
from sidelong.web.listing import find
from sidelong.web.places import write_segment
from sidelong.web.row_keys import row_key
from sidelong.web.sources import QueueSource
from sidelong.web.visit import Visit, not_found

_MOST: Final = 1_000


class QueueState(Struct, kw_only=True):
    """A queue at a glance.

    Attributes:
        name: its name.
        url: where its jobs are listed.
        size: how many jobs wait.
        latency: seconds for which the job that is fetched next has waited.
        paused: whether workers leave it alone.
        error: what Redis said if it cannot be read.
        pause_error: what Redis said if it cannot be read which queues are paused; workers pause none then.
    """

    name: str
    url: str
    size: int
    latency: float
    paused: bool
    error: str | None
    pause_error: str | None


class QueueStates(Struct, kw_only=True):
    """All queues.

    Attributes:
        queues: the longest first, a thousand at most.
        size: how many there are.
    """

    queues: list[QueueState]
    size: int


class Held(Struct, kw_only=True):
    """A queue was paused, or its pause was ended.

    Attributes:
        changed: false if it was so before.
    """

    changed: bool


class Cleared(Struct, kw_only=True):
    """A queue was emptied.

    Attributes:
        deleted: how many jobs it had.
    """

    deleted: int


async def list_queues(visit: Visit) -> QueueStates:
    """List all queues, the longest first."""
    summaries = await Stats(visit.site.app).queue_summaries()
    return QueueStates(queues=[_state(visit, each) for each in summaries[:_MOST]], size=len(summaries))


async def get_queue(visit: Visit) -> QueueState:
    """Tell how long a queue is, and whether workers heed it."""
    app, name = visit.site.app, visit.names["queue"]
    for summary in await Stats(app).queue_summaries():
        if summary.name == name:
            return _state(visit, summary)
    # Whoever pushed to it did not put it on the list of queues.
    queue = Queue(app, name)
    size = await queue.size() or not_found()
    return _state(visit, QueueSummary(name, size, await queue.latency(), await queue.is_paused()))


async def list_queued_jobs(visit: Visit, query: ListParameters) -> QueuedJobs:
    """List the jobs that wait in a queue, the one pushed last first."""
    name, wanted = visit.names["queue"], query.list_query
    queue = Queue(visit.site.app, name)
    found = await find(QueueSource(queue, oldest_first=wanted.is_reversed), wanted)
    if not found.size and not await queued.is_known(queue):
        not_found()
    path = _jobs_path(name)
    keys = [row_key(job) for job in found.jobs]
    urls = [
        job_url(visit, f"{path}/{write_segment(key)}", wanted, place)
        for key, place in zip(keys, found.places, strict=True)
    ]
    jobs = [job_of(visit, *each) for each in zip(found.jobs, keys, urls, strict=True)]
    return QueuedJobs(**page_of(visit, wanted, found, path), jobs=jobs)


async def get_queued_job(visit: Visit, query: Standing) -> QueuedJobDetail:
    """Tell all of one job that waits in a queue."""
    name, key = visit.names["queue"], visit.names["job"]
    wanted = query.list_query
    job = await queued.look_for(key, Queue(visit.site.app, name), near=query.at, query=wanted) or not_found()
    url = job_url(visit, f"{_jobs_path(name)}/{write_segment(key)}", wanted, query.at)
    reasons = await (await Reasons.of(visit.site.app)).queued(job)
    return QueuedJobDetail(
        job=job_of(visit, job, key, url, is_whole=True),
        edit_args=editable_arguments(visit, job),
        position=await job.position(),
        **await detail_of(visit, job, reasons),
    )


async def pause_queue(visit: Visit) -> Held:
    """Let workers leave a queue alone; jobs that run go on, and pushing does."""
    return Held(changed=await queues.hold(visit, visit.names["queue"], is_paused=True))


async def unpause_queue(visit: Visit) -> Held:
    """Let workers serve a queue again."""
    return Held(changed=await queues.hold(visit, visit.names["queue"], is_paused=False))


async def clear_queue(visit: Visit) -> Cleared:
    """Delete all jobs of a queue, and the queue."""
    return Cleared(deleted=await queues.clear(visit, visit.names["queue"]))


async def edit_queued_job(visit: Visit, query: Standing, body: Edit) -> Changed:
    """Change a job that waits, and let it wait behind all others."""
    return await _edited(visit, query, changes=body.changes)


async def replace_queued_job(visit: Visit, query: Standing, body: Replacement) -> Changed:
    """Put another payload in the place of a job that waits, behind all others."""
    return await _edited(visit, query, item=body.item)


async def delete_queued_jobs(visit: Visit, body: Keys) -> ChosenOutcome:
    """Delete jobs of a queue, by their keys."""
    return chosen_outcome(await queued.delete(visit, visit.names["queue"], body.selection))


async def delete_all_queued_jobs(visit: Visit, body: Matching) -> MatchingOutcome:
    """Delete all jobs of a queue that meet some conditions, for a few seconds at most."""
    return matching_outcome(await queued.delete(visit, visit.names["queue"], body.selection))


async def _edited(
    visit: Visit, query: Standing, changes: Mapping[str, Any] | None = None, item: Mapping[str, Any] | None = None
) -> Changed:
    name, key, wanted = visit.names["queue"], visit.names["job"], query.list_query
    return await changed(queued.edit(visit, name, key, changes, item=item, near=query.at, query=wanted))


def _state(visit: Visit, summary: QueueSummary) -> QueueState:
    return QueueState(
        name=cut(summary.name),
        url=visit.place.url(_jobs_path(summary.name)),
        size=summary.size,
        latency=round(summary.latency, 3),
        paused=summary.is_paused,
        error=summary.error,
        pause_error=summary.pause_error,
    )


def _jobs_path(name: str) -> str:
    return f"{PREFIX}/queues/{write_segment(name)}/jobs"


_QUEUE: Final = "/queues/{queue}"

ENDPOINTS: Final = (
    endpoint("GET", "/queues", "queues", list_queues),
    endpoint("GET", _QUEUE, "queues", get_queue, faults=[404]),
    endpoint("POST", f"{_QUEUE}/pause", "queues", pause_queue),
    endpoint("POST", f"{_QUEUE}/unpause", "queues", unpause_queue),
    endpoint("POST", f"{_QUEUE}/clear", "queues", clear_queue),
    endpoint("GET", f"{_QUEUE}/jobs", "queues", list_queued_jobs, faults=[404]),
    endpoint("GET", f"{_QUEUE}/jobs/{{job}}", "queues", get_queued_job, faults=[404]),
    endpoint("POST", f"{_QUEUE}/jobs/{{job}}/edit", "queues", edit_queued_job, faults=[404, 409, 422]),
    endpoint("POST", f"{_QUEUE}/jobs/{{job}}/replace", "queues", replace_queued_job, faults=[404, 409, 422]),
    endpoint("POST", f"{_QUEUE}/jobs/delete", "queues", delete_queued_jobs),
    endpoint("POST", f"{_QUEUE}/jobs/delete-all", "queues", delete_all_queued_jobs),
)
