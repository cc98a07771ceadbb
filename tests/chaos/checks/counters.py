"""I6: the counters are exact."""

from tests.chaos.jobs_seen import Job
from tests.chaos.seen import Seen
from tests.chaos.verdict import Verdict

_COUNTERS = (("processed", "acks"), ("failed", "fails"))
_COUNTED = {
    "acks": frozenset({"done", "called-off", "dropped", "retry", "dead"}),
    "fails": frozenset({"dropped", "retry", "dead"}),
}
"""How a settle that counts as processed, or as failed, is told."""


def check_counters(seen: Seen, verdict: Verdict) -> None:
    """Compare them with the courses of all jobs that were pushed."""
    complaints, near = [], True
    for counter, word in _COUNTERS:
        least = sum(_expected(seen, job, word) for job in seen.jobs.values() if seen.counts_as_pushed(job))
        most = least + sum(_untold(job) for job in seen.jobs.values() if job.may_be_called_off)
        expected = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        total = _number(seen, f"stat:{counter}")
        daily = sum(_number(seen, key) for key in seen.dump if key.startswith(f"stat:{counter}:"))
        verdict.figures |= {counter: total, f"{counter} expected": least if least == most else expected}
        if not least <= total <= most:
            complaints.append(f"stat:{counter} is {total:,}, {expected} expected")
        if daily != total:
            complaints.append(f"the daily counters of {counter} add up to {daily:,}, stat:{counter} is {total:,}")
        near = near and max(least - total, total - most, abs(daily - total)) <= _forgettable(seen, word)
    # What has not come to rest is not counted as its course says.
    if any(violation.invariant == "I0" for violation in verdict.violations):
        verdict.figures["counters"] = "not judged" if complaints else "exact"
        return
    if not complaints:
        verdict.figures["counters"] = "exact"
        return
    verdict.figures["counters"] = "near" if near else "off"
    if not near:
        for complaint in complaints:
            verdict.violate("I6", complaint)


def _forgettable(seen: Seen, word: str) -> int:
    """Return how much the jobs that were about when Redis forgot may have added or taken away."""
    if not seen.redis.is_forgetful:
        return 0
    return sum(max(1, _expected(seen, job, word)) for job in seen.jobs.values() if _was_about(seen, job))


def _was_about(seen: Seen, job: Job) -> bool:
    """Tell whether anything happened to a job that Redis may have forgotten."""
    marks = (*job.pushes, *job.ends, *job.fails, *job.settles, *job.recoveries)
    moments = [*(run.ns for run in job.runs), *(mark.ns for mark in marks)]
    return any(map(seen.redis.may_have_undone, moments))


def _expected(seen: Seen, job: Job, word: str) -> int:
    if job.may_be_called_off:
        # Its course was broken off: what was told of its settles counts.
        return sum(mark.word in _COUNTED[word] for mark in job.settles)
    if not seen.is_poisoned(job.jid) and not seen.is_set_aside(job):
        return int(job.course.get(word, 0))
    # It never came to its end: only its retries were settled.
    count = seen.dead[job.jid].get("retry_count")
    return count + 1 if isinstance(count, int) else 0


def _untold(job: Job) -> int:
    """Return how many settles of a job that was called off nobody may have told of, as who dies does not."""
    untold = sum(not job.settles_of(run) for run in job.runs)
    # It may have been called off before it began.
    is_open = any(call.how not in ("removed", "not_found") for call in job.calls_off)
    return max(untold, int(is_open and not any(mark.word == "called-off" for mark in job.settles)))


def _number(seen: Seen, key: str) -> int:
    entry = seen.dump.get(key)
    try:
        return int(entry.value) if entry is not None else 0
    except (TypeError, ValueError):
        return 0
