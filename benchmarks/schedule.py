"""Schedule: how late jobs start that are all due at one instant.

They are stored, and the worker is up and idle, well before. In the second case they stand before a million others
in the set, which are due in a year.
"""

import asyncio
import statistics
import time

import redis

from benchmarks.payloads import JOB, fill_by_the_million
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_DUE_IN = 3.0
_IDLE_FOR = 1.0
"""Seconds that the worker must have been up before the jobs are due."""
_YEAR = 365 * 86_400


def load(client: redis.Redis, settings: Settings) -> None:
    """Put those that are due in a year into the set."""
    fill_by_the_million(client, "schedule", settings["jobs"] * settings["later_per_job"], due_at=time.time() + _YEAR)


async def measure(settings: Settings) -> Measures:
    """Schedule the jobs, await them, and return how late they were.

    Raises:
        RuntimeError: they were due before the worker was idle.
    """
    jobs = settings["jobs"]
    starts: list[float] = []
    all_came = asyncio.Event()
    due = time.time() + _DUE_IN
    async with Sidelong(settings["url"]) as app:

        @app.job(name=JOB)
        async def noop(number: int) -> None:
            starts.append(time.time())
            if len(starts) == jobs:
                all_came.set()

        await noop.enqueue_many(((number,) for number in range(jobs)), at=due)
        async with app.worker(concurrency=settings["slots"]):
            if time.time() > due - _IDLE_FOR:
                raise RuntimeError("the jobs were not stored in time")
            await all_came.wait()
    late = sorted((at - due) * 1e3 for at in starts)
    return {"first ms": late[0], "median ms": statistics.median(late), "last ms": late[-1]}


WORKLOAD = Workload(
    name="schedule",
    about="how late jobs start that are all due at one instant",
    cases=(
        Case("5,000 due", {"slots": 100, "later_per_job": 0}, 5_000, peer_jobs=1_000),
        Case("5,000 due, a million later", {"slots": 100, "later_per_job": 200}, 5_000),
    ),
    measure="median ms",
    module="benchmarks.schedule",
    quick=500,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
