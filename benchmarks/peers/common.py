"""What the programs of the other libraries share: counting, the clock, the producer, the measures, declining.

Only the standard library, because each `peer.py` runs in an environment of its own:

    sys.path.insert(0, str(Path(__file__).parents[1]))
    import common

    common.main({"drain": drain, "latency": latency, "produce": produce})

A workload is a function, or a coroutine function, that takes the settings and returns its measures. What is not in the
mapping is declined; `decline(reason)` declines a setting. Count like this:

- Worker in this process (event loop or threads): `calls = Calls(jobs, warm_up, on_last)`; the job's first line is
  `calls.note()`. Any thread may call it. `on_last` runs in the thread of the last job: an `asyncio.Event` is set by
  `loop.call_soon_threadsafe(event.set)` unless the job runs on that loop.
- Worker in other processes: `calls = FileCalls(jobs, warm_up)` here; `with running_worker(command, calls) as worker:`
  starts it with the path in its environment; there, `note = file_noter()` at import and `note()` as the job's first
  line: each call appends one record to one file, whichever process it is from. `calls.wait(worker)` ends when all are
  there. To know that a worker is up, enqueue one job first, `calls.wait(worker, 1)`, and count it as warm-up.

Then `pace(calls)`, `plain_pace(calls)`, `share_of_ideal(calls, settings)`, `delays(calls)` or `lateness(calls, due)`
are the measures of drain, of threads and failing, of io, of latency, and of schedule. All clocks are CLOCK_MONOTONIC,
which all processes of a Linux machine share (`time.perf_counter` and `time.monotonic` both read it).
"""

import asyncio
import inspect
import itertools
import json
import os
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

Measures = dict[str, float]
Settings = Mapping[str, Any]
Run = Callable[[Coroutine[Any, Any, Any]], Any]

DECLINED = 64
"""Exit status of a library that cannot do a workload at all; its last line says why."""
LATENCY_WARM_UP = 20
SCHEDULED_IN = 3.0
"""Seconds from storing the first job of `schedule` to the instant that all are due."""
_PAUSE = 0.005
_ONE_QUEUE = "several queues in one worker are not measured with this library"
_CALLS_FILE = "BENCHMARK_CALLS_FILE"
_RECORD = struct.Struct("=dd")
_POLL_INTERVAL = 0.005
_STOPS_WITHIN = 10.0


def main(workloads: Mapping[str, Callable[[Settings], Any]], run: Run = asyncio.run) -> None:
    """Do the workload that the command line names, print its measures, and end this process.

    Args:
        workloads: name to what measures it; `produce` is the producer of `latency` and has no measures.
        run: runs a coroutine, on the event loop that the library's documentation recommends.
    """
    measure = workloads.get(sys.argv[1])
    if measure is None:
        decline(f"{sys.argv[1]} is not measured with this library")
    measures = measure(json.loads(sys.argv[2]))
    if inspect.iscoroutine(measures):
        run(_tell_at_once(measures))
    _tell(measures)


async def _tell_at_once(measuring: Coroutine[Any, Any, Measures | None]) -> None:
    """Leave from within the event loop, so that no task of the library can refuse to be cancelled."""
    try:
        measures = await measuring
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    _tell(measures)


def _tell(measures: Measures | None) -> NoReturn:
    if measures is not None:
        print(json.dumps(measures))
    sys.stdout.flush()
    # What the library would still do on its way out is not measured, and must hold nobody up.
    os._exit(0)


def decline(reason: str) -> NoReturn:
    """End this process: the library cannot do what it is asked for. Call it before anything runs."""
    print(reason, flush=True)
    sys.exit(DECLINED)


def only_queue(queues: Sequence[str] | Mapping[str, int], reason: str = _ONE_QUEUE) -> str:
    """Return the queue if it is the only one, else decline."""
    if len(queues) > 1:
        decline(reason)
    return next(iter(queues))


class _Counted:
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


class Calls(_Counted):
    """Counts calls within this process."""

    def __init__(self, jobs: int, warm_up: int, on_last: Callable[[], object]) -> None:
        super().__init__(jobs, warm_up)
        self._on_last = on_last
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


class FileCalls(_Counted):
    """Counts calls in other processes, which append to one file."""

    def __init__(self, jobs: int, warm_up: int) -> None:
        super().__init__(jobs, warm_up)
        handle, name = tempfile.mkstemp(prefix="benchmark-calls-")
        os.close(handle)
        self.path = Path(name)
        self.environment = {_CALLS_FILE: name}

    def wait(self, worker: "subprocess.Popen[bytes]", number: int | None = None) -> None:
        """Wait until that many calls, or all, were made, and read them; raises if the worker ends before."""
        last, began, cpu_began = number or self.jobs, False, 0.0
        while (called := self.path.stat().st_size // _RECORD.size) < last:
            if not began and called >= self.warm_up:
                began, cpu_began = True, _cpu_seconds(worker.pid)
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended with status {worker.returncode}")
            time.sleep(_POLL_INTERVAL)
        self.cpu = _cpu_seconds(worker.pid) - cpu_began
        self.records = list(_RECORD.iter_unpack(self.path.read_bytes()))


def file_noter() -> Callable[[float], None]:
    """Return what counts one call in a process that `running_worker` started; its argument may be left out."""
    file = os.open(os.environ[_CALLS_FILE], os.O_WRONLY | os.O_APPEND)

    def note(value: float = 0.0) -> None:
        os.write(file, _RECORD.pack(time.perf_counter(), value))

    return note


@contextmanager
def running_worker(
    command: Sequence[str], calls: FileCalls, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker's command for as long as the block lasts, and leave none of its processes behind.

    Args:
        command: its words; a program of the environment stands in `Path(sys.executable).parent`.
        calls: where it counts.
        environment: further variables.
    """
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            command,
            env={**os.environ, **calls.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield worker
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-5_000:])
            raise
        finally:
            _stop(worker)
            calls.path.unlink(missing_ok=True)


def _stop(worker: "subprocess.Popen[bytes]") -> None:
    tree = _tree(worker.pid)
    worker.terminate()
    try:
        worker.wait(_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    for pid in tree:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tree(pid: int) -> list[int]:
    found: list[int] = []
    # A process may end while it is looked at.
    with suppress(FileNotFoundError, ProcessLookupError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found += [child, *_tree(child)]
    return found


def _cpu_seconds(pid: int) -> float:
    """Return what a process, all its descendants and those that have ended have used so far."""
    ticks = 0
    for one in [pid, *_tree(pid)]:
        try:
            # The name of the program, in parentheses, may hold spaces.
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Its own time, and that of children that it has waited for.
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def plain_pace(calls: _Counted) -> Measures:
    """Return how many jobs a second were called after the warm-up."""
    return {"jobs/s": calls.counted / calls.seconds}


def pace(calls: _Counted) -> Measures:
    """Return the same with the processor time of one job."""
    return {**plain_pace(calls), "CPU µs/job": calls.cpu / calls.counted * 1e6}


def share_of_ideal(calls: _Counted, settings: Settings) -> Measures:
    """Return the pace of jobs that wait, and how near it comes to all slots waiting all the time."""
    per_second = plain_pace(calls)["jobs/s"]
    return {"jobs/s": per_second, "% of ideal": per_second * settings["wait"] / settings["slots"] * 100}


def delays(calls: _Counted) -> Measures:
    """Return how long jobs took to begin, given that each noted when it was enqueued."""
    cuts = statistics.quantiles([at - enqueued_at for at, enqueued_at in calls.records[calls.warm_up :]], n=100)
    return {"p50 µs": cuts[49] * 1e6, "p95 µs": cuts[94] * 1e6, "p99 µs": cuts[98] * 1e6}


def lateness(calls: _Counted, due: float) -> Measures:
    """Return how long after the instant that all were due, in epoch seconds, the jobs began."""
    due_on_the_clock = time.perf_counter() + due - time.time()
    late = sorted((at - due_on_the_clock) * 1e3 for at, _ in calls.records[calls.warm_up :])
    return {"first ms": late[0], "median ms": statistics.median(late), "last ms": late[-1]}


def start_producer(settings: Settings) -> "subprocess.Popen[bytes]":
    """Start this program again as the producer of `latency`: its workload `produce`."""
    return start_again("produce", settings)


def start_again(workload: str, settings: Settings) -> "subprocess.Popen[bytes]":
    """Start this program again, beside this process, as a part that the library runs in a process of its own."""
    return subprocess.Popen([sys.executable, sys.argv[0], workload, json.dumps(settings)])


def latency_jobs(settings: Settings) -> int:
    """Return how many jobs the producer enqueues, warm-up included."""
    return int(settings["jobs"]) + LATENCY_WARM_UP


async def produce(settings: Settings, enqueue: Callable[[float], Awaitable[object]]) -> None:
    """Enqueue jobs with pauses between them; each is given when it was enqueued."""
    for _ in range(latency_jobs(settings)):
        await enqueue(time.monotonic())
        await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE)


def produce_without_a_loop(settings: Settings, enqueue: Callable[[float], object]) -> None:
    """Do the same for a library that blocks."""
    for _ in range(latency_jobs(settings)):
        enqueue(time.monotonic())
        time.sleep(random.uniform(0.5, 1.5) * _PAUSE)


def decline_load(settings: Settings) -> None:
    """Decline `latency` under load, which other libraries are not measured with."""
    if settings.get("load"):
        decline("latency under load is not measured with this library")


def decline_ways(settings: Settings, has_loop: bool, has_many: bool) -> None:
    """Decline a way of `enqueue` that the library does not have.

    Args:
        settings: hold the way.
        has_loop: whether its enqueue is a coroutine function.
        has_many: whether it documents one call that enqueues many.
    """
    way = settings["way"]
    if way == "enqueue_many" and not has_many:
        decline("it has no call that enqueues many jobs")
    if way.startswith("sync") and has_loop:
        decline("it enqueues on an event loop only")
    if "coroutines" in way and not has_loop:
        decline("it does not enqueue on an event loop")


async def enqueue_pace(
    settings: Settings,
    one: Callable[[int], Awaitable[object]],
    many: Callable[[range], Awaitable[object]] | None = None,
) -> Measures:
    """Enqueue jobs, a tenth for warm-up and then all for the clock, and return the pace.

    Args:
        settings: hold the way, which `decline_ways` let pass.
        one: enqueues one job with this argument.
        many: enqueues a job for each of these arguments.
    """
    way, jobs = settings["way"], settings["jobs"]
    coroutines = int(way.split()[0]) if "coroutines" in way else 1

    async def all_of(numbers: range) -> None:
        for number in numbers:
            await one(number)

    async def store(count: int) -> None:
        if way == "enqueue_many" and many is not None:
            await many(range(count))
        else:
            await asyncio.gather(*(all_of(range(first, count, coroutines)) for first in range(coroutines)))

    # Warm-up is a tenth, but each coroutine has its turn: it may need a connection.
    await store(max(jobs // 10, coroutines))
    began, cpu_began = time.perf_counter(), time.process_time()
    await store(jobs)
    return _stored(jobs, began, cpu_began)


def enqueue_pace_without_a_loop(
    settings: Settings, one: Callable[[int], object], many: Callable[[range], object] | None = None
) -> Measures:
    """Do the same for a library that blocks."""
    way, jobs = settings["way"], settings["jobs"]
    threads = int(way.split()[1]) if way.startswith("sync") else 1

    def all_of(numbers: range) -> None:
        for number in numbers:
            one(number)

    def store(count: int) -> None:
        if way == "enqueue_many" and many is not None:
            many(range(count))
        elif threads == 1:
            all_of(range(count))
        else:
            list(pool.map(all_of, [range(first, count, threads) for first in range(threads)]))

    with ThreadPoolExecutor(threads) as pool:
        store(max(jobs // 10, threads))
        began, cpu_began = time.perf_counter(), time.process_time()
        store(jobs)
        return _stored(jobs, began, cpu_began)


def _stored(jobs: int, began: float, cpu_began: float) -> Measures:
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}


def due_when_stored(settings: Settings) -> float:
    """Return an instant, in epoch seconds, by which a library that stores one by one has stored all of `schedule`."""
    # 4 ms for each job: the slowest need two of them while their worker takes notice of every one.
    return time.time() + SCHEDULED_IN + settings["jobs"] * 0.004
