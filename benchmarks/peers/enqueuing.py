"""The ways of `enqueue`, with and without an event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from program import Measures, Settings, decline

_MANY = "enqueue_many"


def decline_ways(settings: Settings, *, has_loop: bool, has_many: bool) -> None:
    """Decline a way of `enqueue` that the library does not have.

    Args:
        settings: hold the way.
        has_loop: whether its enqueue is a coroutine function.
        has_many: whether it documents one call that enqueues many.
    """
    way = settings["way"]
    if way == _MANY and not has_many:
        decline("it has no call that enqueues many jobs")
    if "coroutines" in way and not has_loop:
        decline("it does not enqueue on an event loop")


async def pace(
    settings: Settings, one: Callable[[int], Awaitable[object]], many: Callable[[range], Awaitable[object]] | None
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
        if way == _MANY and many is not None:
            await many(range(count))
        else:
            await asyncio.gather(*(all_of(range(first, count, coroutines)) for first in range(coroutines)))

    # Warm-up is a tenth, but each coroutine has its turn: it may need a connection.
    await store(max(jobs // 10, coroutines))
    began, cpu_began = time.perf_counter(), time.process_time()
    await store(jobs)
    return _stored(jobs, began, cpu_began)


def pace_without_a_loop(
    settings: Settings, one: Callable[[int], object], many: Callable[[range], object] | None
) -> Measures:
    """Do the same for a library that blocks."""
    jobs = settings["jobs"]

    def store(count: int) -> None:
        if settings["way"] == _MANY and many is not None:
            many(range(count))
        else:
            for number in range(count):
                one(number)

    store(max(jobs // 10, 1))
    began, cpu_began = time.perf_counter(), time.process_time()
    store(jobs)
    return _stored(jobs, began, cpu_began)


def _stored(jobs: int, began: float, cpu_began: float) -> Measures:
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}
