"""Running jobs, and jobs by their ids, in the JSON API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from sidelong.api.instants import as_date
from sidelong.api.processes import ProcessSet
from sidelong.api.reasons import Reasons
from sidelong.api.records import JobRecord
from sidelong.api.work import Work, WorkSet
from sidelong.web.actions import processes, running
from sidelong.web.api.endpoint import PREFIX, endpoint
from sidelong.web.api.jobs import Job, JobDetail, TimedJob, cut, detail_of, job_of, timed_job_of
from sidelong.web.api.lists import Page, page_of
from sidelong.web.api.outcomes import MatchingOutcome, matching_outcome
from sidelong.web.api.parameters import JobKeys, ListParameters, Mark, Matching
from sidelong.web.listing import COUNTS, ListQuery, find
from sidelong.web.lookup import PAGES, look_up
from sidelong.web.places import write_segment
from sidelong.web.row_keys import row_key
from sidelong.web.selection import Selection
from sidelong.web.sources import RunningSource
from sidelong.web.visit import Visit, not_found


class RunningJob(Struct, kw_only=True):
    """A job that runs, by the last heartbeat of its process.

    Attributes:
        process: the identity of the process.
        tid: what tells it from the other jobs of that process.
        run_at: when it was started; null if that is not told.
        job: the job; its key is its id.
    """

    process: str
    tid: str
    run_at: datetime | None
    job: Job


class RunningJobs(Page, kw_only=True):
    """A part of the jobs that run.

    Attributes:
        jobs: the jobs.
    """

    jobs: list[RunningJob]


class RunningJobDetail(JobDetail, kw_only=True):
    """All that is known of a job that runs.

    Attributes:
        running: the job, and where it runs.
    """

    running: RunningJob


class EntryOf(Struct, kw_only=True):
    """A job that is in one of the three sets.

    Attributes:
        section: `scheduled`, `retries` or `dead`.
        job: the job.
    """

    section: str
    job: TimedJob


class Sightings(Struct, kw_only=True):
    """Where a job is.

    Attributes:
        running: it runs; null if not.
        queued: it waits in queues.
        entries: it is scheduled, will be tried again, or is dead.
        is_complete: false if time was up, or something could not be read, before all places were looked at.
    """

    running: RunningJob | None
    queued: list[Job]
    entries: list[EntryOf]
    is_complete: bool


class RunningKeys(Struct, kw_only=True, forbid_unknown_fields=True):
    """Running jobs, one by one.

    Attributes:
        keys: their `key`.
        after: where to go on: `goes_on` of an answer before.
    """

    keys: JobKeys
    after: Mark | UnsetType = UNSET

    @property
    def selection(self) -> Selection:
        """The same as actions know it."""
        query = ListQuery(1, COUNTS[0], False, 0, {})
        return Selection(frozenset(self.keys), is_all=False, query=query, after=self.after if self.after else None)


class Cancelled(Struct, kw_only=True):
    """What became of a job that was called off.

    Attributes:
        outcome: `removed`: it was waiting, and is gone. `cancelled`: it is interrupted where it is. `told`: it runs in
            a thread and was told; it ends by itself. `unanswered`: its worker does not answer; it may still be
            cancelled, or run on.
        where: `schedule`, `retry` or `queue:<name>`, else the process that has it.
    """

    outcome: str
    where: str


async def list_running_jobs(visit: Visit, query: ListParameters) -> RunningJobs:
    """List the jobs that run, the one that has run for longest first."""
    works = [work async for work in WorkSet(visit.site.app)]
    return await _listed(visit, query, works, f"{PREFIX}/work")


async def list_jobs_of_process(visit: Visit, query: ListParameters) -> RunningJobs:
    """List the jobs that one process runs, the one that has run for longest first."""
    identity = visit.names["process"]
    if await ProcessSet(visit.site.app).get(identity) is None:
        not_found()
    works = await WorkSet(visit.site.app).of_process(identity)
    return await _listed(visit, query, works, f"{PREFIX}/processes/{write_segment(identity)}/work")


async def get_running_job(visit: Visit) -> RunningJobDetail:
    """Tell all of one job that runs."""
    work = await WorkSet(visit.site.app).find_work(visit.names["jid"]) or not_found()
    reasons = (await Reasons.of(visit.site.app)).running(work.identity, is_told=True)
    return RunningJobDetail(
        running=_running(visit, work, is_whole=True), **await detail_of(visit, work.record, reasons, work=work)
    )


async def cancel_running_jobs(visit: Visit, body: RunningKeys) -> MatchingOutcome:
    """Call off running jobs, by their keys, for a few seconds at most."""
    return matching_outcome(await running.cancel(visit, body.selection))


async def cancel_all_running_jobs(visit: Visit, body: Matching) -> MatchingOutcome:
    """Call off all running jobs that meet some conditions, for a few seconds at most."""
    return matching_outcome(await running.cancel(visit, body.selection))


async def find_job(visit: Visit) -> Sightings:
    """Look for a job by its id, wherever whoever asks may look."""
    pages = [name for name in PAGES if await visit.may("view", name)]
    seen = await look_up(visit.site.app, visit.names["jid"], pages)
    if seen.is_empty and seen.is_complete:
        not_found()
    return Sightings(
        running=None if seen.running is None else _running(visit, seen.running),
        queued=[
            job_of(visit, job, *_named(visit, f"/queues/{write_segment(job.queue)}/jobs", job)) for job in seen.queued
        ],
        entries=[
            EntryOf(section=section.name, job=timed_job_of(visit, entry, *_named(visit, f"/{section.name}", entry)))
            for section, entry in seen.entries
        ],
        is_complete=seen.is_complete,
    )


async def cancel_job(visit: Visit) -> Cancelled:
    """Call a job off: one that waits is removed, one that runs is cancelled."""
    outcome, where = await processes.cancel(visit, visit.names["jid"])
    if outcome == "not_found":
        not_found()
    return Cancelled(outcome=outcome, where=where)


async def _listed(visit: Visit, query: ListParameters, works: Sequence[Work], path: str) -> RunningJobs:
    wanted = query.list_query
    found = await find(RunningSource(works, longest_first=not wanted.is_reversed), wanted)
    return RunningJobs(**page_of(visit, wanted, found, path), jobs=[_running(visit, job.work) for job in found.jobs])


def _running(visit: Visit, work: Work, *, is_whole: bool = False) -> RunningJob:
    jid = work.record.jid
    url = visit.place.url(f"{PREFIX}/work/{write_segment(jid)}")
    return RunningJob(
        process=cut(work.identity),
        tid=cut(work.tid),
        run_at=as_date(work.run_at),
        job=job_of(visit, work.record, cut(jid), url, is_whole=is_whole),
    )


def _named(visit: Visit, path: str, record: JobRecord) -> tuple[str, str]:
    key = row_key(record)
    return key, visit.place.url(f"{PREFIX}{path}/{write_segment(key)}")


ENDPOINTS: Final = (
    endpoint("GET", "/work", "busy", list_running_jobs),
    endpoint("GET", "/work/{jid}", "busy", get_running_job, faults=[404]),
    endpoint("POST", "/work/cancel", "busy", cancel_running_jobs),
    endpoint("POST", "/work/cancel-all", "busy", cancel_all_running_jobs),
    endpoint("GET", "/processes/{process}/work", "busy", list_jobs_of_process, faults=[404]),
    endpoint("GET", "/jobs/{jid}", "dashboard", find_job, faults=[404]),
    endpoint("POST", "/jobs/{jid}/cancel", "busy", cancel_job, faults=[404]),
)
