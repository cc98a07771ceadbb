"""Why a job may have begun again: what had happened to the process that ran it before."""

from tests.chaos.jobs_seen import Job, Run
from tests.chaos.processes_seen import Process
from tests.chaos.seen import Seen
from tests.chaos.spans import SECOND, has_lasted, nanoseconds

KILLED = "killed"
FROZEN = "frozen"
CUT_OFF = "cut off"
STOPPED = "stopped"
EXITED = "exited"
REDIS = "redis"
STARVED = "starved"
EXCUSES = (KILLED, FROZEN, CUT_OFF, STOPPED, EXITED, REDIS, STARVED)
"""All of them; the last is no fault of the plan, but of the machine."""

_SETTLED_WITHIN = SECOND
_AT_ONCE = SECOND // 20


def excuse(seen: Seen, job: Job, run: Run, following: Run) -> str | None:
    """Return why a run was followed by another of the same attempt, None if there was no reason.

    Network cuts, lost replies and pauses of Redis are none: a job must not run twice for them. Nor is a fault of a
    process alone: others must have given it up before they may run its jobs.
    """
    process = seen.processes[run.pid]
    lease_ttl = nanoseconds(seen.facts.lease_ttl)
    between = run.ns, following.ns
    settled = {mark.word for mark in job.settles_of(run)}
    is_given_up = seen.has_given_up(process.identity(run.ns), following.ns)
    if settled <= {"back"}:
        if is_given_up:
            # Who was given up for dead while it lived may have died afterwards, with other jobs.
            if has_lasted(process.stills(), lease_ttl, *between):
                return FROZEN
            if has_lasted(process.faults(), lease_ttl, *between):
                return CUT_OFF
            if process.killed is not None and process.killed <= following.ns and not settled:
                return KILLED
        # The answer to handing it back may be told later, or lost.
        if _may_have_handed_back(seen, job, run, process, following):
            return STOPPED
        if _has_failed(process, following) and not settled:
            return EXITED
    if _is_undone_by_redis(seen, job, run, following):
        return REDIS
    if settled <= {"back"} and is_given_up and has_lasted(seen.starvings(process), lease_ttl, *between):
        return STARVED
    return FROZEN if _was_frozen_before_it_began(seen, following) else None


def _has_failed(process: Process, following: Run) -> bool:
    """Tell whether a process had ended that was neither killed nor told to stop."""
    return process.stopping is None and process.exited is not None and process.exited <= following.ns


def _may_have_handed_back(seen: Seen, job: Job, run: Run, process: Process, following: Run) -> bool:
    """Tell whether a process was told to stop before the job ran again, and had not settled it already."""
    stopping = process.stopping
    if stopping is None or stopping > following.ns:
        return False
    left = job.left_at(run)
    if left >= stopping - _SETTLED_WITHIN or seen.is_touched(left, stopping):
        return True
    return any(span.overlaps(left, stopping) for span in (*process.faults(), *seen.starvings(process)))


def _was_frozen_before_it_began(seen: Seen, run: Run) -> bool:
    """Tell whether a process was frozen after it took the job, and began it the moment it went on.

    Others had run it by then, and it could not know: it had not sent a heartbeat yet.
    """
    process = seen.processes[run.pid]
    lease_ttl = nanoseconds(seen.facts.lease_ttl)
    if not seen.has_given_up(process.identity(run.ns), run.ns):
        return False
    return any(
        span.ends - span.begins >= lease_ttl
        and span.ends <= run.ns <= span.ends + _AT_ONCE
        and not any(span.ends <= ns <= run.ns for ns in (*process.attempts, *process.beats, *process.fenced))
        for span in process.stills()
    )


def _is_undone_by_redis(seen: Seen, job: Job, run: Run, following: Run) -> bool:
    """Tell whether Redis may have forgotten that the job was taken, or that it was settled."""
    told = [mark.ns for mark in (*job.ends, *job.settles) if mark.pid == run.pid]
    moments = [run.ns, *(ns for ns in told if run.ns <= ns <= following.ns)]
    return any(
        death.forgets and death.ns <= following.ns and death.undone.overlaps(ns, ns)
        for death in seen.redis.deaths
        for ns in moments
    )
