"""Workers: what several worker processes reach on one queue, and what holds them up.

The jobs wait in a list of no queue until every worker is parked; then the list becomes the queue. The clock runs from
the first tenth of all jobs until the last was called.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any

import redis

from benchmarks.payloads import JOB, fill_by_the_million
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run, spare_the_collector
from sidelong import Sidelong

_HELD_BACK = "benchmark:held-back"
_READY = b"ready\n"
_LOOK_EVERY = 0.01


def load(client: redis.Redis, settings: Settings) -> None:
    """Write the jobs where no worker looks."""
    fill_by_the_million(client, _HELD_BACK, settings["jobs"])


async def measure(settings: Settings) -> Measures:
    """Start the workers, let them run all jobs, and return their pace and how busy everyone was."""
    jobs = settings["jobs"]
    workers = [await _start(settings) for _ in range(settings["workers"])]
    try:
        with redis.Redis.from_url(settings["url"]) as client:
            for worker in workers:
                await _until_ready(worker)
            redis_began = _redis_cpu(client)
            client.rename(_HELD_BACK, "queue:default")
            while int(client.get("stat:processed") or 0) < jobs:
                _check(workers)
                await asyncio.sleep(_LOOK_EVERY)
            redis_cpu = _redis_cpu(client) - redis_began
        ends = [await _end(worker) for worker in workers]
    finally:
        await _leave_none(workers)
    moments = sorted(moment for end in ends for moment in end["moments"])
    warm_up = jobs // 10
    pace = (jobs - warm_up) / (moments[-1] - moments[warm_up - 1])
    return {
        "jobs/s": pace,
        # An idle Redis needs next to nothing: what it used is the jobs' alone.
        "Redis % of a core": redis_cpu / jobs * pace * 100,
        "workers % of a core each": sum(end["busy"] for end in ends) / len(ends) * 100,
    }


async def _start(settings: Settings) -> Process:
    words = [sys.executable, "-m", "benchmarks.workers", "work", json.dumps(dict(settings))]
    # A worker tells at the end when each of its jobs was called: one long line.
    return await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, limit=2**26)


async def _until_ready(worker: Process) -> None:
    assert worker.stdout is not None
    if await worker.stdout.readline() != _READY:
        raise RuntimeError("a worker did not start")


def _check(workers: Sequence[Process]) -> None:
    """Raise if one has ended: what it held would wait for another one, or for ever."""
    for worker in workers:
        if worker.returncode is not None:
            raise RuntimeError(f"a worker ended with status {worker.returncode}")


async def _leave_none(workers: Sequence[Process]) -> None:
    """Kill those that still run: they hold the pipes that the program which started this process reads to the end."""
    for worker in workers:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()


async def _end(worker: Process) -> dict[str, Any]:
    said, _ = await worker.communicate(b"")
    found: dict[str, Any] = json.loads(said)
    return found


def _redis_cpu(client: redis.Redis) -> float:
    used: Any = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


# One worker.


async def work(settings: Settings) -> None:
    """Run jobs until nobody holds the other end of the standard input; then tell when each was called."""
    wait = settings["wait"]
    moments: list[float] = []
    cpu_began = 0.0
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        nonlocal cpu_began
        moments.append(time.monotonic())
        if len(moments) == 1:
            cpu_began = time.process_time()
        if wait:
            await asyncio.sleep(wait)

    async with app.worker(concurrency=settings["slots"]):
        with redis.Redis.from_url(settings["url"]) as client:
            # Every worker parks one connection at the queue; those of the others count as well, which does no harm.
            while not any(each["cmd"] == "blmove" for each in client.client_list()):
                await asyncio.sleep(_LOOK_EVERY)
        print(_READY.decode(), end="", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        cpu = time.process_time() - cpu_began
    await app.close()
    print(json.dumps({"moments": moments, "busy": cpu / (moments[-1] - moments[0])}))


def _cases(words: str, wait: float, jobs: int, most: int) -> tuple[Case, ...]:
    return tuple(
        Case(
            f"{words}, {workers} worker{'s' if workers > 1 else ''}",
            {"workers": workers, "slots": 100, "wait": wait},
            min(jobs * workers, most),
            to=f"{words}, 1 worker" if workers > 1 else "",
        )
        for workers in (1, 2, 4)
    )


WORKLOAD = Workload(
    name="workers",
    about="several worker processes empty one queue; what Redis and they need for it",
    cases=(*_cases("no-op jobs", 0, 60_000, 120_000), *_cases("10 ms of waiting", 0.01, 20_000, 60_000)),
    measure="jobs/s",
    module="benchmarks.workers",
    quick=4_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    if sys.argv[1] == "work":
        spare_the_collector()
        asyncio.run(work(settings))
    else:
        run(measure(settings), settings, is_worker=False)
