"""Why a job may have begun again: what had happened to the process that ran it before."""

from tests.chaos.jobs_seen import Job, Run
from tests.chaos.seen import Seen
from tests.chaos.spans import has_lasted, nanoseconds

KILLED = "killed"
FROZEN = "frozen"
CUT_OFF = "cut off"
STOPPED = "stopped"
EXITED = "exited"
REDIS = "redis"
STARVED = "starved"
EXCUSES = (KILLED, FROZEN, CUT_OFF, STOPPED, EXITED, REDIS, STARVED)
"""All of them; the last is no fault of the plan, but of the machine."""


def excuse(seen: Seen, job: Job, run: Run, following: Run) -> str | None:
    """Return why a run was followed by another of the same attempt, None if there was no reason.

    Network cuts, lost replies and pauses of Redis are none: a job must not run twice for them.
    """
    process = seen.processes[run.pid]
    lease_ttl = nanoseconds(seen.facts.lease_ttl)
    between = run.ns, following.ns
    settled = {mark.word for mark in job.settles_of(run)}
    if settled <= {"back"}:
        # Who was given up for dead while it lived may have died afterwards, with other jobs.
        if has_lasted(process.stills(), lease_ttl, *between):
            return FROZEN
        if has_lasted(process.faults(), lease_ttl, *between):
            return CUT_OFF
        if process.killed is not None and process.killed <= following.ns and not settled:
            return KILLED
        # The answer to handing it back may be told later, or lost.
        if process.stopping is not None and process.stopping <= following.ns:
            return STOPPED
        if process.ended <= following.ns and not settled:
            return EXITED
    if _is_undone_by_redis(seen, job, run, following):
        return REDIS
    if settled <= {"back"} and has_lasted(seen.starvings(process), lease_ttl, *between):
        return STARVED
    return None


def _is_undone_by_redis(seen: Seen, job: Job, run: Run, following: Run) -> bool:
    """Tell whether Redis may have forgotten that the job was taken, or that it was settled."""
    told = [mark.ns for mark in (*job.ends, *job.settles) if mark.pid == run.pid]
    moments = [run.ns, *(ns for ns in told if run.ns <= ns <= following.ns)]
    return any(
        death.forgets and death.ns <= following.ns and death.undone.overlaps(ns, ns)
        for death in seen.redis.deaths
        for ns in moments
    )
