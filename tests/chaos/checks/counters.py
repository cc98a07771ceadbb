"""I6: the counters are exact."""

from tests.chaos.jobs_seen import Job
from tests.chaos.seen import Seen
from tests.chaos.verdict import Verdict

_COUNTERS = (("processed", "acks"), ("failed", "fails"))


def check_counters(seen: Seen, verdict: Verdict) -> None:
    """Compare them with the courses of all jobs that were pushed."""
    complaints = []
    for counter, word in _COUNTERS:
        expected = sum(_expected(seen, job, word) for job in seen.jobs.values() if seen.counts_as_pushed(job))
        total = _number(seen, f"stat:{counter}")
        daily = sum(_number(seen, key) for key in seen.dump if key.startswith(f"stat:{counter}:"))
        verdict.figures |= {counter: total, f"{counter} expected": expected}
        if total != expected:
            complaints.append(f"stat:{counter} is {total:,}, {expected:,} expected")
        if daily != total:
            complaints.append(f"the daily counters of {counter} add up to {daily:,}, stat:{counter} is {total:,}")
    # What Redis forgets, or what has not come to rest, is not counted as its course says.
    is_judged = not seen.redis.is_forgetful and all(violation.invariant != "I0" for violation in verdict.violations)
    if is_judged:
        for complaint in complaints:
            verdict.violate("I6", complaint)
    verdict.figures["counters"] = "exact" if not complaints else "off" if is_judged else "not judged"


def _expected(seen: Seen, job: Job, word: str) -> int:
    if not seen.is_poisoned(job.jid):
        return int(job.course.get(word, 0))
    # It never came to its end: only its retries were settled.
    count = seen.dead[job.jid].get("retry_count")
    return count + 1 if isinstance(count, int) else 0


def _number(seen: Seen, key: str) -> int:
    entry = seen.dump.get(key)
    try:
        return int(entry.value) if entry is not None else 0
    except (TypeError, ValueError):
        return 0
