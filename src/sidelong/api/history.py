"""What has happened to a job so far, as its payload tells it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sidelong.api.records import JobRecord
from sidelong.api.work import Work
from sidelong.core.payload import CRASHES

EVENTS: Final = {
    "created": "created",
    "enqueued": "enqueued",
    "enqueued_again": "enqueued last",
    "failed": "attempt {attempt} failed",
    "failed_with": "attempt {attempt} failed with {error}",
    "failed_between": "attempt 2 failed; only the first and the last failure are kept",
    "failed_often": "attempts 2 to {attempt} failed; only the first and the last failure are kept",
    "crashed": "its worker died while it ran",
    "begun": "attempt {attempt} began in {process}",
    "died": "died",
}
"""What can happen, in words."""

_AN_ERROR: Final = "an error"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that has happened to a job.

    Attributes:
        at: when, in epoch seconds; None if nobody knows.
        kind: what; a key of `EVENTS`.
        values: what its words tell beside that.
    """

    at: float | None
    kind: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What, in words; names and errors in it may hold anything."""
        return EVENTS[self.kind].format(**self.values)


def history_of(record: JobRecord, *, work: Work | None = None, died_at: float | None = None) -> list[JobEvent]:
    """Return what has happened to a job, the earliest first. It asks Redis nothing.

    Sidekiq keeps the first failure and the last, not those between.

    Args:
        record: the job.
        work: what is known of it if it runs.
        died_at: its score if it is in the dead set.
    """
    count = record.failures
    events = [JobEvent(record.created_at, "created")]
    if record.enqueued_at is not None:
        events.append(JobEvent(record.enqueued_at, "enqueued_again" if count else "enqueued"))
    events += _failures(record, count)
    events += [JobEvent(at, "crashed") for at in crashes_of(record)]
    if work is not None:
        events.append(JobEvent(work.run_at, "begun", {"attempt": count + 1, "process": work.identity}))
    if died_at is not None:
        events.append(JobEvent(died_at, "died"))
    return _in_order(events)


def crashes_of(record: JobRecord) -> list[float]:
    """Return when workers have died that ran this job, in epoch seconds."""
    times = record.get(CRASHES)
    return [float(at) for at in times if type(at) in (int, float) and abs(at) < 1e12] if type(times) is list else []


def _failures(record: JobRecord, count: int) -> list[JobEvent]:
    error = record.error_text or _AN_ERROR
    if count == 0:
        return []
    if count == 1:
        return [JobEvent(record.failed_at, "failed_with", {"attempt": 1, "error": error})]
    events = [JobEvent(record.failed_at, "failed", {"attempt": 1})]
    if count == 3:
        events.append(JobEvent(None, "failed_between"))
    elif count > 3:
        events.append(JobEvent(None, "failed_often", {"attempt": count - 1}))
    return [*events, JobEvent(record.retried_at, "failed_with", {"attempt": count, "error": error})]


def _in_order(events: Sequence[JobEvent]) -> list[JobEvent]:
    """Sort by the second, as `run_at` has no more; what has no time keeps its place behind the one before."""
    latest = 0
    keyed = []
    for event in events:
        latest = latest if event.at is None or not math.isfinite(event.at) else int(event.at)
        keyed.append((latest, event))
    return [event for _, event in sorted(keyed, key=lambda pair: pair[0])]
