"""Jobs as messages list them: by job, and by queue."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from sidelong.testing.enqueued import EnqueuedJob

_MOST: Final = 50
_LONGEST: Final = 200


def listed(jobs: Sequence[EnqueuedJob], *, now: float) -> str:
    """Return all jobs twice, in groups: each kind with its jobs, and each queue with its jobs.

    Args:
        jobs: what was enqueued.
        now: the present, in epoch seconds.
    """
    if not jobs:
        return "nothing was enqueued"
    by_job = _groups(jobs, lambda job: job.job_class, lambda job: f"{_arguments(job)} to {job.queue}{_fate(job, now)}")
    by_queue = _groups(jobs, lambda job: job.queue, lambda job: f"{job.job_class} {_arguments(job)}{_fate(job, now)}")
    return "\n".join(("enqueued, by job:", *by_job, "by queue:", *by_queue))


def time_text(seconds: float) -> str:
    """Return an instant as messages show it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _groups(
    jobs: Sequence[EnqueuedJob], heading: Callable[[EnqueuedJob], str], line: Callable[[EnqueuedJob], str]
) -> Iterator[str]:
    groups: dict[str, list[EnqueuedJob]] = {}
    for job in jobs:
        groups.setdefault(heading(job), []).append(job)
    for name, group in groups.items():
        yield f"  {name}"
        yield from (f"    {line(job)}" for job in islice(group, _MOST))
        if len(group) > _MOST:
            yield f"    and {len(group) - _MOST:,} more"


def _arguments(job: EnqueuedJob) -> str:
    text = repr(job.args)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _fate(job: EnqueuedJob, now: float) -> str:
    time = "" if job.at is None else f", for {time_text(job.at)} (in {job.at - now:.0f} s)"
    return f"{time}, has run" if job.has_run else time
