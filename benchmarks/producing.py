"""What the producer of `latency` does, whoever stores the jobs, and how their delays are summed up."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.workload import Measures, Settings

_WARM_UP = 20
_PAUSE = 0.005
"""Seconds between two jobs, on average: long enough for an idle worker to have settled and parked again."""


def jobs_of(settings: Settings) -> int:
    """Return how many jobs are enqueued, warm-up included."""
    return int(settings["jobs"]) + _WARM_UP


async def produce(settings: Settings, enqueue: Callable[[float], Awaitable[object]]) -> None:
    """Enqueue jobs with pauses between them; the argument of each is when that was."""
    for _ in range(jobs_of(settings)):
        await enqueue(time.monotonic())
        await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE)


def percentiles(delays: Sequence[float]) -> Measures:
    """Return the delays after the warm-up, given in seconds, as measures."""
    cuts = statistics.quantiles(delays[_WARM_UP:], n=100)
    return {"p50 µs": cuts[49] * 1e6, "p95 µs": cuts[94] * 1e6, "p99 µs": cuts[98] * 1e6}
