"""Memory: what a worker holds before its first job, and after a tenth, half and all of a million jobs."""

import asyncio

import redis

from benchmarks.payloads import JOB, fill_by_the_million
from benchmarks.scale import resident_mb
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong


def load(client: redis.Redis, settings: Settings) -> None:
    """Put all jobs into one queue."""
    fill_by_the_million(client, "queue:default", settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Empty the queue and return what this process, which is the worker, had in memory on the way."""
    jobs = settings["jobs"]
    called = 0
    before = 0.0
    looks = {jobs // 10: 0.0, jobs // 2: 0.0, jobs: 0.0}
    all_called = asyncio.Event()
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        nonlocal called, before
        called += 1
        if called == 1:
            before = resident_mb()
        if called in looks:
            looks[called] = resident_mb()
            if called == jobs:
                all_called.set()

    async with app.worker(concurrency=settings["slots"]):
        await all_called.wait()
    await app.close()
    first, middle, last = looks.values()
    return {
        "MB before": before,
        "MB after 10 %": first,
        "MB after 50 %": middle,
        "MB after 100 %": last,
        "% growth": (last / first - 1) * 100,
        "times that before": last / before,
    }


WORKLOAD = Workload(
    name="memory",
    about="memory of a worker on its way through a million jobs; takes half a minute a round",
    cases=(Case("a million jobs", {"slots": 100}, 1_000_000),),
    measure="MB after 100 %",
    module="benchmarks.memory",
    quick=20_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
