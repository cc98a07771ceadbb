"""What a worker remembers of the jobs it executed, until it is flushed to Redis.

It is on the path of every job: a job costs two appends here, and sums are made of thousands at once.
"""

import math
from collections import defaultdict

from sidelong.core.durations import BUCKETS, sort_into
from sidelong.core.job_figures import JobFigures
from sidelong.core.outcome import Dead, Dropped, Outcome, Retry

UNKNOWN_JOBS = "(unknown)"
"""Stands for all classes that no job here is called by: names in payloads are without number."""

_FOLD_AT = 4096
_LONGEST_WAIT = 366 * 86_400.0
"""Seconds; what is longer is no wait, but a time that means something else."""


class Tally:
    """The executions of one job from one queue that are not flushed yet.

    Attributes:
        took: seconds of each execution that ended well.
        waited: seconds that each job spent in its queue, where its payload says since when.
    """

    __slots__ = (
        "dead",
        "discarded",
        "executed",
        "failed",
        "histogram",
        "retried",
        "took",
        "took_ms",
        "waited",
        "waited_ms",
        "waits",
    )

    def __init__(self) -> None:
        self.took: list[float] = []
        self.waited: list[float] = []
        self.took_ms = self.waited_ms = 0.0
        self._forget()

    def fold(self) -> None:
        """Make sums of the single durations."""
        took, waited = self.took, self.waited
        if took:
            sort_into(self.histogram, took)
            self.executed += len(took)
            self.took_ms += sum(took) * 1000
            took.clear()
        if waited:
            # Clocks differ, and payloads may hold any number for a time.
            if not (min(waited) >= 0.0 and max(waited) < _LONGEST_WAIT and math.isfinite(sum(waited))):
                waited[:] = [max(wait, 0.0) for wait in waited if wait < _LONGEST_WAIT]
            self.waits += len(waited)
            self.waited_ms += sum(waited) * 1000
            waited.clear()

    def fail(self, outcome: Outcome) -> None:
        """Count an execution that failed, and what became of the job."""
        self.executed += 1
        self.failed += 1
        self.retried += type(outcome) is Retry
        self.dead += type(outcome) is Dead
        self.discarded += type(outcome) is Dropped

    def take(self) -> JobFigures | None:
        """Return the sums, None if there are none, and begin anew."""
        self.fold()
        if not self.executed:
            return None
        # What is left of a millisecond is for the next time: else the time of jobs that take less would be lost.
        milliseconds, waited_ms = int(self.took_ms), int(self.waited_ms)
        self.took_ms -= milliseconds
        self.waited_ms -= waited_ms
        figures = JobFigures(
            executed=self.executed,
            failed=self.failed,
            retried=self.retried,
            dead=self.dead,
            discarded=self.discarded,
            milliseconds=milliseconds,
            waits=self.waits,
            waited_ms=waited_ms,
            histogram=self.histogram,
        )
        self._forget()
        return figures

    def _forget(self) -> None:
        self.executed = self.failed = self.retried = self.dead = self.discarded = self.waits = 0
        self.histogram = [0] * BUCKETS


class Recorder:
    """Counts executions by class and queue; what it holds is bounded by the jobs that are registered.

    Attributes:
        tallies: by the name of the job, "" for all that is not registered, and the queue it came from.
    """

    def __init__(self) -> None:
        self.tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        self._unfolded = 0

    def fold(self, ended: int) -> None:
        """Take note that so many executions have ended, and make sums of their durations once they are many."""
        self._unfolded += ended
        if self._unfolded >= _FOLD_AT:
            self._unfolded = 0
            for tally in self.tallies.values():
                tally.fold()

    def take(self) -> tuple[dict[str, JobFigures], dict[str, JobFigures]]:
        """Return what was counted since the last time, by job class and by queue."""
        jobs: dict[str, JobFigures] = {}
        queues: dict[str, JobFigures] = {}
        for (name, queue), tally in self.tallies.items():
            figures = tally.take()
            if figures is not None:
                jobs.setdefault(name or UNKNOWN_JOBS, JobFigures()).add(figures)
                queues.setdefault(queue, JobFigures()).add(figures)
        self._unfolded = 0
        return jobs, queues
