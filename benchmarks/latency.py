"""Latency: from the call of `enqueue` in one process to the first line of the job in another.

The worker is idle each time. Both processes read the same monotonic clock, and the job's argument is when it was
enqueued.
"""

import asyncio
import json
import random
import statistics
import sys
import time

from benchmarks.payloads import JOB
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Job, Sidelong

_WARM_UP = 20
_PAUSE = 0.005
"""Seconds between two jobs, on average: long enough for the worker to have settled and parked again."""


def _build(url: str, delays: list[float], all_came: asyncio.Event, jobs: int) -> tuple[Sidelong, Job[[float], object]]:
    app = Sidelong(url)

    @app.job(name=JOB)
    async def noop(enqueued_at: float) -> None:
        delays.append(time.monotonic() - enqueued_at)
        if len(delays) == jobs:
            all_came.set()

    return app, noop


async def measure(settings: Settings) -> Measures:
    """Run an idle worker, start the producer, and return how long its jobs took to begin."""
    delays: list[float] = []
    all_came = asyncio.Event()
    app, _ = _build(settings["url"], delays, all_came, settings["jobs"] + _WARM_UP)
    async with app, app.worker(concurrency=settings["slots"], queues=settings["queues"]):
        producer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.latency", "produce", json.dumps(settings)
        )
        await all_came.wait()
        await producer.wait()
    cuts = statistics.quantiles(delays[_WARM_UP:], n=100)
    return {"p50 µs": cuts[49] * 1e6, "p95 µs": cuts[94] * 1e6, "p99 µs": cuts[98] * 1e6}


async def produce(settings: Settings) -> None:
    """Enqueue jobs with pauses between them."""
    app, noop = _build(settings["url"], [], asyncio.Event(), 0)
    async with app:
        for _ in range(settings["jobs"] + _WARM_UP):
            await noop.with_options(queue=settings["queues"][-1]).enqueue(time.monotonic())
            await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE)


WORKLOAD = Workload(
    name="latency",
    about="from the call of enqueue to the first line of the job, idle worker",
    cases=(
        Case("one queue", {"slots": 10, "queues": ["default"]}, 1_000),
        Case("last of four queues", {"slots": 10, "queues": ["critical", "high", "default", "low"]}, 1_000),
    ),
    measure="p50 µs",
    module="benchmarks.latency",
    quick=50,
)


if __name__ == "__main__":
    if sys.argv[1] == "produce":
        asyncio.run(produce(read_settings()))
    else:
        settings = read_settings()
    run(measure(settings), settings)
