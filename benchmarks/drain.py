"""Drain: how fast a worker empties queues of jobs that do nothing.

The jobs are there before the worker starts. The first tenth is warm-up; then the clock runs until the last one
has been called.
"""

import redis

from benchmarks.calls import Calls
from benchmarks.payloads import JOB, fill
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_ONE_QUEUE = {"default": 0}
_FOUR_STRICT = {"critical": 0, "high": 0, "default": 0, "low": 0}
_FOUR_WEIGHTED = {"critical": 4, "high": 3, "default": 2, "low": 1}


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill the queues in proportion to their weights, so that none of them runs dry before the others."""
    bag = [name for name, weight in settings["queues"].items() for _ in range(weight or 1)]
    fill(client, bag, settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Drain the queues and return the pace."""
    calls = Calls(settings["jobs"])
    app = Sidelong(settings["url"], **settings.get("app", {}))

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        calls.note()

    async with app, app.worker(concurrency=settings["slots"], queues=list(settings["queues"].items())):
        await calls.wait()
    return {"jobs/s": calls.per_second, "CPU µs/job": calls.cpu_us}


def _cases(slots: int, jobs: int) -> tuple[Case, ...]:
    # The warm-up is a tenth, which should fill all slots.
    peer_jobs = max(4_000, 10 * slots)
    return (
        Case(f"{slots:,} slots, one queue", {"slots": slots, "queues": _ONE_QUEUE}, jobs, peer_jobs=peer_jobs),
        Case(f"{slots:,} slots, four strict queues", {"slots": slots, "queues": _FOUR_STRICT}, jobs),
        Case(f"{slots:,} slots, four weighted queues", {"slots": slots, "queues": _FOUR_WEIGHTED}, jobs),
    )


WORKLOAD = Workload(
    name="drain",
    about="a worker empties queues of jobs that do nothing",
    cases=_cases(10, 40_000) + _cases(100, 150_000) + _cases(1_000, 150_000),
    measure="jobs/s",
    module="benchmarks.drain",
    has_floor=True,
    beside={"bare socket": "benchmarks.bare_socket"},
    has_uvloop=True,
    quick=2_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
