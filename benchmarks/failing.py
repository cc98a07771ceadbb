"""Failing: how fast a worker gets through jobs that all raise, each of which is stored again to be retried later.

The clock runs as in `drain`, over the first attempts. Nothing is logged: what a log costs is for `job-log`.
"""

import logging

import redis

from benchmarks.calls import Calls
from benchmarks.payloads import JOB, fill
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_SOONEST_RETRY = 15.0


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill one queue."""
    fill(client, ["default"], settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Let every job fail once and return the pace.

    Raises:
        RuntimeError: it took so long that second attempts may have been counted.
    """
    calls = Calls(settings["jobs"])
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def failing(number: int) -> None:
        calls.note()
        raise RuntimeError("it fails")

    logging.getLogger("sidelong").setLevel(logging.CRITICAL + 1)
    async with app, app.worker(concurrency=settings["slots"]):
        await calls.wait()
    if calls.seconds > 0.8 * _SOONEST_RETRY:
        raise RuntimeError("it took so long that second attempts may have been counted: give it fewer jobs")
    return {"jobs/s": calls.per_second}


WORKLOAD = Workload(
    name="failing",
    about="a worker empties a queue of jobs that all raise and are to be retried",
    cases=(
        Case("10 slots", {"slots": 10}, 10_000),
        Case("100 slots", {"slots": 100}, 20_000, peer_jobs=2_000),
    ),
    measure="jobs/s",
    module="benchmarks.failing",
    has_floor=True,
    quick=1_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
