"""Libraries whose worker runs in this process, with a thread or a greenlet for each slot."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import blocking
import program
from counting import Calls, Counted
from program import Settings

_SPARE_CONNECTIONS = 20


class Threaded(ABC):
    """What a `blocking.Library` of this kind has in common; none of them has a call that enqueues many.

    Args:
        settings: those of the workload.
    """

    has_many = False
    due_in_whole_seconds = False

    def __init__(self, settings: Settings) -> None:
        self.slots = int(settings.get("slots", 10))
        self.queue = program.only_queue(settings.get("queues", ["default"]))
        # Each thread has a connection of its own, and redis-py gives no more than a hundred if it is not told.
        self.url = f"{settings['url']}?max_connections={self.slots + _SPARE_CONNECTIONS}"
        self._running: _Running | None = None
        self.connect()
        for name, body in blocking.bodies(self._note, settings.get("wait", 0.0)).items():
            self.register(name, body)

    @abstractmethod
    def connect(self) -> None:
        """Make what jobs are registered with."""

    @abstractmethod
    def register(self, name: str, body: Callable[[float], None]) -> None:
        """Make a job of a function; if it fails it is to run again in an hour."""

    @abstractmethod
    def start(self) -> None:
        """Start a worker."""

    @abstractmethod
    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""

    def enqueue_many(self, job: str, values: Sequence[float]) -> None:
        """Enqueue a job for each of the arguments, one by one."""
        for value in values:
            self.enqueue(job, value)

    @contextmanager
    def running(self, jobs: int, warm_up: int) -> "Iterator[_Running]":
        """Run a worker, which nothing stops, as this process ends soon."""
        # No line per job: what a log costs is not the question here.
        logging.disable()
        self._running = _Running(jobs, warm_up)
        self.start()
        yield self._running

    def _note(self, value: float) -> None:
        assert self._running is not None
        self._running.calls.note(value)


class _Running:
    """A worker whose calls are counted in this process."""

    def __init__(self, jobs: int, warm_up: int) -> None:
        self._has_begun, self._has_ended = threading.Event(), threading.Event()
        self.calls = Calls(jobs, warm_up, on_first=self._has_begun.set, on_last=self._has_ended.set)

    def wait_for_first(self) -> None:
        """Wait for the first call."""
        self._has_begun.wait()

    def wait_for_all(self) -> Counted:
        """Wait for all calls, and return them."""
        self._has_ended.wait()
        return self.calls
