"""I5: work goes on where it can: at full memory jobs are taken, run and settled."""

from tests.chaos.jobs_seen import Job, Mark
from tests.chaos.seen import Seen
from tests.chaos.spans import Span, nanoseconds
from tests.chaos.verdict import Verdict

_FULL = "oom"
_SETTLED_WITHIN = 2.0


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
