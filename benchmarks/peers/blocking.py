"""The workloads of a library whose jobs are plain functions and whose client blocks.

    program.main(blocking.workloads(Huey))

The library's own part is a `Library`: how to enqueue, and how a worker runs, in threads of this process
(`threaded.Threaded`) or started by its command (`commanded.Commanded`).
"""

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import enqueuing
import measures
import producing
import program
import scheduling
from counting import Counted
from program import Measures, Settings

NOOP, WAIT, FAILING = "noop", "wait", "failing"


def bodies(note: Callable[[float], None], wait: float) -> Mapping[str, Callable[[float], None]]:
    """Return the jobs that there are: name to a function of one argument, which is noted.

    Args:
        note: counts a call.
        wait: seconds that a waiting job takes.
    """

    # Not `note` itself: Celery wants a function with a name.
    def noop(value: float) -> None:
        note(value)

    def waiting(value: float) -> None:
        note(value)
        time.sleep(wait)

    def failing(value: float) -> None:
        note(value)
        raise RuntimeError("as it should")

    return {NOOP: noop, WAIT: waiting, FAILING: failing}


class Running(Protocol):
    """A worker that runs."""

    def wait_for_first(self) -> None:
        """Wait for the first call."""

    def wait_for_all(self) -> Counted:
        """Wait for all calls, and return them."""


class Library(Protocol):
    """A library, set up for a workload.

    Attributes:
        has_many: whether it has a call that enqueues many.
        due_in_whole_seconds: whether a job cannot be due at a fraction of a second.
    """

    has_many: bool
    due_in_whole_seconds: bool

    def __init__(self, settings: Settings) -> None:
        """Connect."""

    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""

    def enqueue_at(self, job: str, value: float, when: float) -> object:
        """Enqueue a job that is due at an instant in epoch seconds."""

    def enqueue_many(self, job: str, values: Sequence[float]) -> object:
        """Enqueue a job for each of the arguments, one by one if it has no such call."""

    def running(self, jobs: int, warm_up: int) -> AbstractContextManager[Running]:
        """Run a worker with the slots of the settings, whose calls are counted; it logs no line per job."""


Make = Callable[[Settings], Library]


def workloads(make: Make) -> dict[str, Callable[[Settings], Any]]:
    """Return everything that a library does, for `program.main`."""
    each = {
        "drain": drain,
        "io": io,
        "failing": failing,
        "threads": threads,
        "enqueue": enqueue,
        "latency": latency,
        "produce": produce,
        "schedule": schedule,
    }
    return {name: functools.partial(measure, make) for name, measure in each.items()}


def drain(make: Make, settings: Settings) -> Measures:
    """Empty a queue of jobs that do nothing."""
    return measures.pace(_emptied(make, settings, NOOP))


def io(make: Make, settings: Settings) -> Measures:
    """Empty a queue of jobs that wait."""
    return measures.share_of_ideal(_emptied(make, settings, WAIT), settings)


def failing(make: Make, settings: Settings) -> Measures:
    """Empty a queue of jobs that fail, and are to run again in an hour."""
    return measures.plain_pace(_emptied(make, settings, FAILING))


def threads(make: Make, settings: Settings) -> Measures:
    """Do as in `drain`: all jobs of such a library are plain functions."""
    return measures.plain_pace(_emptied(make, settings, NOOP))


def _emptied(make: Make, settings: Settings, job: str) -> Counted:
    """Fill the queue, let a worker empty it, and return its calls."""
    library, jobs = make(settings), settings["jobs"]
    library.enqueue_many(job, range(jobs))
    with library.running(jobs, jobs // 10) as worker:
        return worker.wait_for_all()


def enqueue(make: Make, settings: Settings) -> Measures:
    """Enqueue jobs."""
    library = make(settings)
    enqueuing.decline_ways(settings, has_loop=False, has_many=library.has_many)
    return enqueuing.pace_without_a_loop(
        settings,
        lambda number: library.enqueue(NOOP, number),
        lambda numbers: library.enqueue_many(NOOP, numbers),
    )


def latency(make: Make, settings: Settings) -> Measures:
    """Run an idle worker and let another process enqueue."""
    producing.decline_load(settings)
    library = make(settings)
    library.enqueue(NOOP, 0.0)
    with library.running(producing.jobs_of(settings), producing.WARM_UP) as worker:
        worker.wait_for_first()
        producer = producing.start_producer(settings)
        calls = worker.wait_for_all()
        producer.wait()
    return measures.delays(calls)


def produce(make: Make, settings: Settings) -> None:
    """Be the other process."""
    library = make(settings)
    producing.produce_without_a_loop(settings, lambda at: library.enqueue(NOOP, at))


def schedule(make: Make, settings: Settings) -> Measures:
    """Store jobs that are all due at one instant, with an idle worker beside."""
    library, jobs = make(settings), settings["jobs"]
    library.enqueue(NOOP, 0.0)
    with library.running(1 + jobs, 1) as worker:
        worker.wait_for_first()
        due = scheduling.due_when_stored(settings)
        if library.due_in_whole_seconds:
            due = float(math.ceil(due))
        for number in range(jobs):
            library.enqueue_at(NOOP, number, due)
        if time.time() > due:
            program.decline("it cannot store so many jobs before they are due")
        return measures.lateness(worker.wait_for_all(), due)
