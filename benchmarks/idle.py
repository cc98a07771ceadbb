"""Idle: what a worker without anything to do asks of Redis and of its machine.

It is watched for some seconds; no job is stored. Redis itself tells what was sent; it is read once
the clock stands, so that looking costs the worker nothing.
"""

import asyncio
import time
from contextlib import closing

import redis

from benchmarks.payloads import JOB
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_MARK = "the-clock-stands"
_LAST_CONNECTION = "sidelong:recovery"
_SETTLED_AFTER = 5.5
"""Seconds after which the first beat and the first audit are over, and with them all that belongs to the start."""
_WATCHED_FOR = 12
"""Seconds: one whole round of the waits at many queues, which are the longest of what an idle worker does."""


async def measure(settings: Settings) -> Measures:
    """Let a worker be idle and return what it sent, in scripts not counted, and how busy its process was."""
    seconds, queues = settings["seconds"], [f"queue-{number}" for number in range(settings["queues"])]
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        """Do nothing."""

    with closing(redis.Redis.from_url(settings["url"])) as client:
        async with app.worker(concurrency=settings["slots"], queues=queues):
            while _LAST_CONNECTION not in {each["name"] for each in client.client_list()}:
                await asyncio.sleep(0.1)
            await asyncio.sleep(_SETTLED_AFTER)
            with client.monitor() as monitor:
                began, cpu_began = time.perf_counter(), time.process_time()
                await asyncio.sleep(seconds)
                took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
                client.echo(_MARK)
                commands = 0
                while _MARK not in (noted := monitor.next_command())["command"]:
                    commands += noted["client_type"] != "lua"
        await app.close()
    return {"commands/s": commands / took, "CPU %": cpu / took * 100}


WORKLOAD = Workload(
    name="idle",
    about="an idle worker: the commands it sends and the CPU it uses",
    cases=tuple(
        Case(
            f"{queues} queue{'s' if queues > 1 else ''}",
            {"slots": 10, "queues": queues},
            _WATCHED_FOR,
            to="1 queue" if queues > 1 else "",
        )
        for queues in (1, 10, 50)
    ),
    measure="commands/s",
    module="benchmarks.idle",
    counts="seconds",
    quick=3,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
