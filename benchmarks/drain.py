"""Drain: how fast a worker empties queues of jobs that do nothing.

The jobs are there before the worker starts. The first tenth is warm-up; then the clock runs until the last one
has been called.
"""

import asyncio
import time

import redis

from benchmarks.payloads import JOB, fill
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_ONE_QUEUE = {"default": 0}
_FOUR_QUEUES = {"critical": 4, "high": 3, "default": 2, "low": 1}


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill the queues in proportion to their weights, so that none of them runs dry before the others."""
    bag = [name for name, weight in settings["queues"].items() for _ in range(weight or 1)]
    fill(client, bag, settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Drain the queues and return the pace."""
    jobs, warm_up = settings["jobs"], settings["jobs"] // 10
    called = 0
    began = cpu_began = ended = cpu_ended = 0.0
    all_called = asyncio.Event()
    app = Sidelong(settings["url"], **settings.get("app", {}))

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        nonlocal called, began, cpu_began, ended, cpu_ended
        called += 1
        if called == warm_up:
            began, cpu_began = time.perf_counter(), time.process_time()
        elif called == jobs:
            ended, cpu_ended = time.perf_counter(), time.process_time()
            all_called.set()

    async with app.worker(concurrency=settings["slots"], queues=list(settings["queues"].items())):
        await all_called.wait()
    await app.close()
    counted = jobs - warm_up
    return {"jobs/s": counted / (ended - began), "CPU µs/job": (cpu_ended - cpu_began) / counted * 1e6}


WORKLOAD = Workload(
    name="drain",
    about="a worker empties queues of jobs that do nothing",
    cases=(
        Case("10 slots, one queue", {"slots": 10, "queues": _ONE_QUEUE}, 20_000),
        Case("10 slots, four weighted queues", {"slots": 10, "queues": _FOUR_QUEUES}, 20_000),
        Case("100 slots, one queue", {"slots": 100, "queues": _ONE_QUEUE}, 40_000),
        Case("100 slots, four weighted queues", {"slots": 100, "queues": _FOUR_QUEUES}, 40_000),
    ),
    measure="jobs/s",
    module="benchmarks.drain",
    has_floor=True,
    has_uvloop=True,
    quick=2_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
