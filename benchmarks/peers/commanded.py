"""Libraries whose worker is started by their own command, and calls jobs in processes of its own."""

import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import blocking
import processes
import program
from counting import Counted, FileCalls, file_noter
from program import Settings

URL = "BENCHMARK_URL"
"""The variable that tells the worker's processes which Redis to use; this process does not have it."""
_WAIT = "BENCHMARK_WAIT"


def jobs() -> Mapping[str, Callable[[float], None]]:
    """Return the jobs; in the process that measures, which calls none, they note nothing."""
    if URL not in os.environ:
        return blocking.bodies(lambda _: None, 0.0)
    return blocking.bodies(file_noter(), float(os.environ[_WAIT]))


class Commanded(ABC):
    """What a `blocking.Library` of this kind has in common.

    Args:
        settings: those of the workload.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = str(settings["url"])
        self.slots = int(settings.get("slots", 10))
        self.queue = program.only_queue(settings.get("queues", ["default"]))
        self._wait = settings.get("wait", 0.0)

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """The name of a program of the environment, and what is said to it; it imports `peer`."""

    @contextmanager
    def running(self, jobs: int, warm_up: int) -> "Iterator[_Running]":
        """Run a worker for as long as the block lasts."""
        name, *words = self.command
        program_of_worker = str(Path(sys.executable).parent / name)
        with tempfile.NamedTemporaryFile(prefix="benchmark-calls-") as file:
            calls = FileCalls(jobs, warm_up, Path(file.name))
            own = {"PYTHONPATH": str(Path(sys.argv[0]).parent), URL: self.url, _WAIT: str(self._wait)}
            with processes.running_worker([program_of_worker, *words], {**calls.environment, **own}) as worker:
                yield _Running(worker, calls)


class _Running:
    """A worker whose calls are counted in its processes."""

    def __init__(self, worker: processes.Worker, calls: FileCalls) -> None:
        self._worker, self._calls = worker, calls

    def wait_for_first(self) -> None:
        """Wait for the first call."""
        self._calls.wait(self._worker, 1)

    def wait_for_all(self) -> Counted:
        """Wait for all calls, and return them."""
        self._calls.wait(self._worker, self._calls.jobs)
        return self._calls
