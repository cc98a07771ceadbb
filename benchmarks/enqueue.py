"""Enqueue: how fast one process stores jobs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.contestants import REDIS_PY
from benchmarks.payloads import JOB
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Job, Sidelong

_THREADS = 10

Way = Callable[[Job[[int], object], int], Awaitable[object]]


async def one_by_one(job: Job[[int], object], jobs: int) -> None:
    """Await each call before the next."""
    for number in range(jobs):
        await job.enqueue(number)


async def at_once(job: Job[[int], object], jobs: int, *, coroutines: int) -> None:
    """Let coroutines enqueue, each one by one, as so many web requests do."""
    await asyncio.gather(*(one_by_one(job, jobs // coroutines) for _ in range(coroutines)))


async def many(job: Job[[int], object], jobs: int) -> None:
    """Enqueue all in one call."""
    await job.enqueue_many((number,) for number in range(jobs))


async def in_a_thread(job: Job[[int], object], jobs: int) -> None:
    """Enqueue without an event loop, one by one."""
    await asyncio.to_thread(_without_a_loop, job, jobs)


async def in_threads(job: Job[[int], object], jobs: int) -> None:
    """Let ten threads without an event loop enqueue, each one by one."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(_THREADS) as pool:
        each = (loop.run_in_executor(pool, _without_a_loop, job, jobs // _THREADS) for _ in range(_THREADS))
        await asyncio.gather(*each)


def _without_a_loop(job: Job[[int], object], jobs: int) -> None:
    for number in range(jobs):
        job.sync.enqueue(number)


_WAYS: dict[str, Way] = {
    "one by one": one_by_one,
    "50 coroutines at once": partial(at_once, coroutines=50),
    "500 coroutines at once": partial(at_once, coroutines=500),
    "enqueue_many": many,
    "sync, 1 thread": in_a_thread,
    "sync, 10 threads": in_threads,
}


async def measure(settings: Settings) -> Measures:
    """Enqueue, once for warm-up and once for the clock, and return the pace."""
    way, jobs = _WAYS[settings["way"]], settings["jobs"]
    async with Sidelong(settings["url"]) as app:

        @app.job(name=JOB)
        async def noop(number: int) -> None:
            """Do nothing."""

        await way(noop, jobs // 10)
        began, cpu_began = time.perf_counter(), time.process_time()
        await way(noop, jobs)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}


def _case(way: str, jobs: int, peer_jobs: int = 0) -> Case:
    return Case(way, {"way": way}, jobs, peer_jobs)


WORKLOAD = Workload(
    name="enqueue",
    about="one process stores jobs",
    cases=(
        _case("one by one", 5_000, peer_jobs=2_000),
        _case("50 coroutines at once", 20_000, peer_jobs=4_000),
        _case("500 coroutines at once", 20_000, peer_jobs=4_000),
        _case("enqueue_many", 50_000, peer_jobs=10_000),
        _case("sync, 1 thread", 5_000),
        _case("sync, 10 threads", 20_000),
    ),
    measure="jobs/s",
    module="benchmarks.enqueue",
    has_floor=True,
    beside={REDIS_PY: "benchmarks.redis_py"},
    has_uvloop=True,
    quick=1_000,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings, is_worker=False)
