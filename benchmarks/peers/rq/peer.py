"""Measures RQ: a pool of processes, each with one job at a time."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import blocking
import commanded
import program
from redis import Redis
from rq import Queue, Retry

_PROCESSES_PER_CORE = 5
"""With as many it is fastest: a job costs them milliseconds of processor time, so that more of them take turns."""
_FILL_AT_ONCE = 1_000
# Documented for jobs whose result nobody reads: nothing is kept of them.
_NO_RESULT = {"result_ttl": 0}
_IN_AN_HOUR = Retry(max=3, interval=3_600)

# A worker finds them here by name.
globals().update(commanded.jobs())


class Rq(commanded.Commanded):
    """RQ; its scheduler looks once a second."""

    has_many = True
    due_in_whole_seconds = True

    def __init__(self, settings: program.Settings) -> None:
        super().__init__(settings)
        self._queue = Queue(self.queue, connection=Redis.from_url(self.url))

    @property
    def command(self) -> Sequence[str]:
        """A pool of the class that is documented as fast: it does not fork for each job. Nothing is logged."""
        workers = min(self.slots, _PROCESSES_PER_CORE * (os.cpu_count() or 1))
        where = ["--url", self.url, "--logging-level", "CRITICAL", "--num-workers", str(workers)]
        return ["rq", "worker-pool", *where, "--worker-class", "rq.worker.SimpleWorker", self.queue]

    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""
        return self._queue.enqueue(f"peer.{job}", value, **_NO_RESULT)

    def enqueue_at(self, job: str, value: float, when: float) -> object:
        """Enqueue a job that is due then."""
        return self._queue.enqueue_at(datetime.fromtimestamp(when, UTC), f"peer.{job}", value, **_NO_RESULT)

    def enqueue_many(self, job: str, values: Sequence[float]) -> None:
        """Enqueue a job for each of the arguments."""
        retry = _IN_AN_HOUR if job == blocking.FAILING else None
        for first in range(0, len(values), _FILL_AT_ONCE):
            some = values[first : first + _FILL_AT_ONCE]
            prepared = [Queue.prepare_data(f"peer.{job}", (value,), retry=retry, **_NO_RESULT) for value in some]
            self._queue.enqueue_many(prepared)


def decline_io(_settings: program.Settings) -> None:
    """Decline jobs that wait: how many run at once is up to the machine, so that there is no ideal to reach."""
    program.decline("its slots are processes, of which a machine has fewer than there should be jobs at once")


def decline_threads(_settings: program.Settings) -> None:
    """Decline jobs in threads."""
    program.decline("it has no threads: each of its processes runs one job at a time")


if __name__ == "__main__":
    program.main({**blocking.workloads(Rq), "io": decline_io, "threads": decline_threads})
