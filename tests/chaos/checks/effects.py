"""I4: who has lost a job changes nothing any more, and nobody loses one for no reason."""

from collections import defaultdict

from tests.chaos.events import LOST, ORPHAN
from tests.chaos.jobs_seen import Job, Mark
from tests.chaos.seen import Seen
from tests.chaos.spans import nanoseconds
from tests.chaos.verdict import Verdict

_LAST = frozenset({"done", "called-off", "dropped", "dead", "bury"})


def check_effects(seen: Seen, verdict: Verdict) -> None:
    """See that each attempt was settled once, and who was told that a job was not his."""
    for job in seen.jobs.values():
        # What is no job has no name, and stands for many.
        if job.jid and len(job.settles) > 1 and not _may_be_undone(seen, job):
            _check_settles(seen, job, verdict)
        for orphan in job.orphans:
            _check_orphan(seen, job, orphan, verdict)
        for lost in job.losts:
            _check_lost(seen, job, lost, verdict)
    verdict.figures |= {"lost answers": seen.counts[LOST], "orphans": seen.counts[ORPHAN]}


def _may_be_undone(seen: Seen, job: Job) -> bool:
    """Tell whether Redis may have forgotten that it was settled before."""
    return any(seen.redis.may_have_undone(mark.ns) for mark in job.settles[:-1])


def _check_settles(seen: Seen, job: Job, verdict: Verdict) -> None:
    last = [mark for mark in job.settles if mark.word in _LAST]
    if len(last) > 1:
        verdict.violate("I4", f"{job} was settled for good {len(last)} times: {_told(seen, last)}")
        return
    attempts: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in job.settles:
        run = job.run_of(mark.pid, mark.ns)
        if run is not None and mark.word != "back":
            attempts[run.attempt].append(mark)
    for attempt, marks in attempts.items():
        if len(marks) > 1:
            text = f"attempt {attempt} of {job} was settled {len(marks)} times: {_told(seen, marks)}"
            verdict.violate("I4", text)


def _told(seen: Seen, marks: list[Mark]) -> str:
    return ", ".join(f"{mark.word} by {mark.pid} at {seen.at(mark.ns)}" for mark in marks)


def _check_lost(seen: Seen, job: Job, lost: Mark, verdict: Verdict) -> None:
    if seen.redis.has_forgotten_by(lost.ns):
        return
    run = job.run_of(lost.pid, lost.ns)
    # It may have been taken a moment before it began, by an identity that had just ended.
    begins = 0 if run is None else run.ns - nanoseconds(seen.facts.lease_ttl)
    process = seen.processes.get(lost.pid)
    identities = process.identities(begins, lost.ns) if process is not None else []
    if not any(seen.given_up.get(who, lost.ns + 1) <= lost.ns for who in identities):
        verdict.violate(
            "I4",
            f"a settle of {job} by {lost.pid} was answered 'not yours' at {seen.at(lost.ns)} although nobody had "
            f"recovered it from {' or '.join(identities) or 'it'}",
        )


def _check_orphan(seen: Seen, job: Job, orphan: Mark, verdict: Verdict) -> None:
    """See that what the audit took for lost was."""
    if seen.is_untroubled:
        text = f"{job} was an orphan in {orphan.pid} at {seen.at(orphan.ns)} although nothing had touched a connection"
        verdict.violate("I4", text)
    run = job.run_of(orphan.pid, orphan.ns)
    if run is None or job.left_at(run) <= orphan.ns or seen.redis.has_forgotten_by(orphan.ns):
        return
    # It may have been taken again after it was recovered, or handed back.
    identity = seen.processes[run.pid].identity(run.ns)
    is_settled = any(mark.ns <= orphan.ns for mark in job.settles_of(run))
    if not is_settled and not seen.has_given_up(identity, orphan.ns):
        text = f"the audit of {orphan.pid} took a running job for lost: {job}, began at {seen.at(run.ns)}"
        verdict.violate("I4", f"{text}, an orphan at {seen.at(orphan.ns)}")
