"""I5: work goes on where it can: what ended is settled soon, at full memory, too."""

from tests.chaos.events import PUSHED
from tests.chaos.jobs_seen import Job, Mark
from tests.chaos.seen import Seen
from tests.chaos.spans import FOREVER, SECOND, Span, nanoseconds
from tests.chaos.verdict import Figure, Verdict

_FULL = "oom"
_SETTLED_WITHIN = 2.0
_SETTLED_SOON = 5.0
_MAY_BE_DELAYED = frozenset({"quick"})
"""Jobs of these names may have been pushed for later."""


def check_full_memory(seen: Seen, verdict: Verdict) -> None:
    """See that what ended while Redis was full was settled while it was."""
    settled = 0
    for span in seen.strikes.get(_FULL, ()):
        ends = span.ends - nanoseconds(_SETTLED_WITHIN)
        for job in seen.jobs.values():
            for mark in job.ends:
                if not span.begins < mark.ns < ends or _is_troubled(seen, mark, span):
                    continue
                if _is_settled(job, mark, span):
                    settled += 1
                else:
                    text = f"{job} ended at {seen.at(mark.ns)} and was not settled while Redis was full"
                    verdict.violate("I5", text)
    verdict.figures["settled at full memory"] = settled


def _is_settled(job: Job, end: Mark, span: Span) -> bool:
    answers = (*job.settles, *job.losts)
    return any(mark.pid == end.pid and end.ns <= mark.ns <= span.ends for mark in answers)


def _is_troubled(seen: Seen, end: Mark, span: Span) -> bool:
    """Tell whether something else was done to the process, or to Redis, meanwhile."""
    process = seen.processes[end.pid]
    if process.ended <= span.ends or seen.redis.was_away(end.ns, span.ends):
        return True
    return bool(seen.cuts) or any(fault.overlaps(*span) for fault in process.faults())


def check_settling(seen: Seen, verdict: Verdict) -> None:
    """See that what ended in a process that was left alone was settled soon."""
    most: Figure = "-"
    slowest = -1.0
    for job in seen.jobs.values():
        answers = (*job.settles, *job.losts)
        for mark in (*job.ends, *job.fails):
            answered = min((one.ns for one in answers if one.pid == mark.pid and one.ns >= mark.ns), default=FOREVER)
            seconds = (answered - mark.ns) / SECOND
            if seconds <= slowest or _is_held_up(seen, mark):
                continue
            if seconds > _SETTLED_SOON:
                settled = "never" if answered == FOREVER else f"only after {seconds:.1f} s"
                text = f"{job} was left in {mark.pid} at {seen.at(mark.ns)} and settled {settled}"
                verdict.violate("I5", text)
            else:
                slowest = seconds
                most = round(seconds, 3)
    verdict.figures |= {"settled within": most, "waited at most": _longest_wait(seen)}


def _is_held_up(seen: Seen, end: Mark) -> bool:
    """Tell whether something may keep a process from settling what it has just run."""
    process = seen.processes[end.pid]
    until = end.ns + nanoseconds(_SETTLED_SOON)
    if min(process.ended, seen.ended) <= until or seen.is_touched(end.ns, until):
        return True
    # Who is taken for dead settles nothing any more.
    if any(seen.has_given_up(who, until) for who in process.identities(end.ns, until)):
        return True
    return any(span.overlaps(end.ns, until) for span in (*process.faults(), *seen.starvings(process)))


def _longest_wait(seen: Seen) -> Figure:
    """Return the most seconds from a push until its job began; a dash if none is known to be for at once."""
    waits = [
        (job.runs[0].ns - mark.ns) / SECOND
        for job in seen.jobs.values()
        if job.runs and job.course.get("job") not in _MAY_BE_DELAYED
        for mark in job.pushes
        if mark.word == PUSHED
    ]
    return round(max(0.0, *waits), 3) if waits else "-"
