"""Calls of a job, counted where it runs: in this process, or in others that append to one file.

The job's first line is `calls.note(value)`, or `note(value)` of `file_noter()` in another process. All clocks are
CLOCK_MONOTONIC, which all processes of a Linux machine share (`time.perf_counter` and `time.monotonic` both read it).
"""

import itertools
import os
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import processes

_FILE = "BENCHMARK_CALLS_FILE"
_RECORD = struct.Struct("=dd")
_POLL_INTERVAL = 0.005


class Counted:
    """Calls of a job, each with its time and what it was given.

    Attributes:
        jobs: how many there will be, warm-up included.
        warm_up: how many of them come before the clock runs.
        records: time of the call and the value that it noted, in the order in which they were noted.
        cpu: seconds of processor time between the last of the warm-up and the last of all.
    """

    def __init__(self, jobs: int, warm_up: int) -> None:
        self.jobs, self.warm_up = jobs, warm_up
        self.records: list[tuple[float, float]] = []
        self.cpu = 0.0

    @property
    def counted(self) -> int:
        """How many calls the clock covers."""
        return self.jobs - self.warm_up

    @property
    def seconds(self) -> float:
        """From the last call of the warm-up to the last of all."""
        times = sorted(at for at, _ in self.records)
        return times[self.jobs - 1] - times[self.warm_up - 1]


class Calls(Counted):
    """Counts calls within this process.

    Args:
        jobs: how many there will be, warm-up included.
        warm_up: how many of them come before the clock runs.
        on_first: called in the thread of the first job.
        on_last: called in the thread of the last job.
    """

    def __init__(
        self, jobs: int, warm_up: int, *, on_first: Callable[[], object], on_last: Callable[[], object]
    ) -> None:
        super().__init__(jobs, warm_up)
        self._on_first, self._on_last = on_first, on_last
        self._numbers = itertools.count(1)

    def note(self, value: float = 0.0) -> None:
        """Count one call; any thread may do it."""
        self.records.append((time.perf_counter(), value))
        # `next` is one step for all threads, so each number is seen exactly once.
        number = next(self._numbers)
        if number == self.warm_up:
            self.cpu = -time.process_time()
        elif number == self.jobs:
            self.cpu += time.process_time()
            self._on_last()
        if number == 1:
            self._on_first()


class FileCalls(Counted):
    """Counts calls in the processes of a worker, which append to one file.

    Args:
        jobs: how many there will be, warm-up included.
        warm_up: how many of them come before the clock runs.
        path: of the file.
    """

    def __init__(self, jobs: int, warm_up: int, path: Path) -> None:
        super().__init__(jobs, warm_up)
        self._path = path
        self.environment: Mapping[str, str] = {_FILE: str(path)}
        """What the processes must have, for `file_noter`."""

    def wait(self, worker: processes.Worker, number: int) -> None:
        """Wait until that many calls were made, and read them; raises if the worker ends before."""
        has_begun, cpu_began = False, 0.0
        while (called := self._path.stat().st_size // _RECORD.size) < number:
            if not has_begun and called >= self.warm_up:
                has_begun, cpu_began = True, processes.cpu_seconds(worker.pid)
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended with status {worker.returncode}")
            time.sleep(_POLL_INTERVAL)
        self.cpu = processes.cpu_seconds(worker.pid) - cpu_began
        self.records = list(_RECORD.iter_unpack(self._path.read_bytes()))


def file_noter() -> Callable[[float], None]:
    """Return what counts one call, in a process that has the environment of `FileCalls`.

    Each call appends one record to the file, whichever process it is from.
    """
    file = os.open(os.environ[_FILE], os.O_WRONLY | os.O_APPEND)

    def note(value: float = 0.0) -> None:
        os.write(file, _RECORD.pack(time.perf_counter(), value))

    return note
