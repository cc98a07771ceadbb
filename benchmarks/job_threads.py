"""Threads: how fast a worker empties a queue of `def` jobs, which it runs in threads. The clock runs as in `drain`."""

import redis

from benchmarks.calls import Calls
from benchmarks.payloads import JOB, fill
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill one queue."""
    fill(client, ["default"], settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Run all jobs and return the pace."""
    calls = Calls(settings["jobs"])
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    def noop(number: int) -> None:
        calls.note()

    async with app, app.worker(concurrency=settings["slots"]):
        await calls.wait()
    return {"jobs/s": calls.per_second}


WORKLOAD = Workload(
    name="threads",
    about="a worker empties a queue of `def` jobs that do nothing",
    cases=(
        Case("10 slots", {"slots": 10}, 20_000, peer_jobs=4_000),
        Case("50 slots", {"slots": 50}, 20_000, peer_jobs=4_000),
    ),
    measure="jobs/s",
    module="benchmarks.job_threads",
    has_floor=True,
    quick=1_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
