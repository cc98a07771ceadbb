"""Workers started and stopped in one process, again and again, while jobs run: what each leaves behind."""

import asyncio
import statistics
import threading
import time
from dataclasses import dataclass

from sidelong import Sidelong
from tests.support import redis_state
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.seeding import payload, push
from tests.support.timings import TEST_TIMINGS

_STOPS_WITHIN = 1.0
"""Seconds that a worker may take to stop when nothing runs."""
_WARM_UP = 5
_RUNS_WITHIN = 20.0


@dataclass(slots=True)
class Counts:
    """What a process holds at a moment."""

    tasks: int
    threads: int
    connections: int


def run_starts(times: int) -> int:
    """Start and stop a worker `times` times, tell the figures, and return the exit status."""
    with RedisServer() as server:
        try:
            return asyncio.run(_run(server, times))
        except AssertionError as error:
            print(f"a job did not run: {error} | FAIL")
            return 1


async def _run(server: RedisServer, times: int) -> int:
    ended: list[str] = []
    app = Sidelong(server.url, job_logging=False, **TEST_TIMINGS)

    @app.job(name="noop")
    async def noop(number: int) -> None:
        ended.append(str(number))

    stops: list[float] = []
    with server.client() as client:
        before: Counts | None = None
        for number in range(times):
            push(client, payload("noop", number))
            async with app.worker(concurrency=2) as worker:
                await eventually(lambda number=number: len(ended) > number, _RUNS_WITHIN)
                asked = time.monotonic()
                await worker.stop()
                stops.append(time.monotonic() - asked)
            if number + 1 == min(_WARM_UP, times):
                before = await _counts(server)
        await app.close()
        after = await _counts(server)
        left = redis_state.without(redis_state.dump(client), "stat:", "queues", "sidelong:buried")
    assert before is not None
    is_clean = (
        sorted(map(int, ended)) == list(range(times))
        and max(stops) <= _STOPS_WITHIN
        and after.tasks <= before.tasks
        and after.threads <= before.threads
        and after.connections <= before.connections
        and not left
    )
    print(
        f"{times:,} starts and stops: stopped within {1000 * statistics.median(stops):.0f} ms (median),"
        f" {1000 * max(stops):.0f} ms at most | tasks {before.tasks} to {after.tasks}, threads {before.threads} to"
        f" {after.threads}, connections {before.connections} to {after.connections} | {len(left)} keys left"
        f" | {len(ended):,} jobs run, {len(ended) - len(set(ended))} twice | {'PASS' if is_clean else 'FAIL'}"
    )
    return 0 if is_clean else 1


async def _counts(server: RedisServer) -> Counts:
    # A connection that was closed a moment ago may still be listed.
    await asyncio.sleep(0.1)
    with server.client() as client:
        connections = sum(entry["name"].startswith("sidelong:") for entry in client.client_list())
    return Counts(len(asyncio.all_tasks()), threading.active_count(), connections)
