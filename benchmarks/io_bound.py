"""I/O: how near a worker comes to all its slots waiting all the time, with jobs that do nothing but wait.

Ideal is slots divided by the seconds that one job waits. With a thousand slots no event loop of one process gets there:
what it can reach is the floor. The clock runs as in `drain`.
"""

import asyncio

import redis

from benchmarks.calls import Calls, share_of_ideal
from benchmarks.payloads import JOB, fill
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill one queue."""
    fill(client, ["default"], settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Run all jobs and return the pace."""
    calls, wait = Calls(settings["jobs"]), settings["wait"]
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def waiting(number: int) -> None:
        calls.note()
        await asyncio.sleep(wait)

    async with app, app.worker(concurrency=settings["slots"]):
        await calls.wait()
    return share_of_ideal(calls, settings)


WORKLOAD = Workload(
    name="io",
    about="a worker runs jobs that wait 10 ms each",
    cases=(
        Case("100 slots", {"slots": 100, "wait": 0.01}, 20_000, peer_jobs=4_000),
        Case("1,000 slots", {"slots": 1_000, "wait": 0.01}, 100_000, peer_jobs=12_000),
    ),
    measure="jobs/s",
    module="benchmarks.io_bound",
    has_floor=True,
    has_uvloop=True,
    quick=2_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
