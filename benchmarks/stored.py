"""Stored: how many bytes of Redis a queued job takes; beside it the same job as Ruby's Sidekiq writes it."""

from typing import Any

import redis

from benchmarks.peers import RUBY
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

JOB = "HardJob"


async def measure(settings: Settings) -> Measures:
    """Enqueue jobs with two small arguments and return what Redis has for each."""
    async with Sidelong(settings["url"]) as app:

        @app.job(name=JOB)
        async def hard(first: int, second: int) -> None:
            """Never runs."""

        for _ in range(settings["jobs"]):
            await hard.enqueue(1, 2)
    return bytes_per_job(settings)


def bytes_per_job(settings: Settings) -> Measures:
    """Return what the queue takes, divided by its length."""
    with redis.Redis.from_url(settings["url"]) as client:
        queued: Any = client.llen("queue:default")
        # All of its parts, not an estimate from the first ones.
        size: Any = client.memory_usage("queue:default", samples=0)
    if queued != settings["jobs"]:
        raise RuntimeError(f"{queued} of {settings['jobs']} jobs are in the queue")
    return {"bytes/job": size / queued}


WORKLOAD = Workload(
    name="stored",
    about="memory of Redis for a queued job; beside it the one that Ruby's Sidekiq writes",
    cases=(Case(f"{JOB} with two arguments", {}, 10_000),),
    measure="bytes/job",
    module="benchmarks.stored",
    beside={RUBY.name: "benchmarks.stored_ruby"},
    quick=1_000,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
