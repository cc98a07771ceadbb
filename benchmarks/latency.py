"""Latency: from the call of `enqueue` in one process to the first line of the job in another.

Both processes read the same monotonic clock, and the job's argument is when it was enqueued. The worker is idle each
time, or under load: then a third process enqueues jobs of 10 ms into the same queue, as many as keep this share of the
slots busy. So the loop is busy as it is with jobs that wait; what a saturated one is like, `drain` tells.
"""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import DEVNULL, Process

from benchmarks.contestants import REDIS_PY
from benchmarks.payloads import JOB
from benchmarks.producing import jobs_of, percentiles, produce
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Job, Sidelong

_PRODUCER, _LOADER = "produce", "load"
_LOADING = "loading"
_LOADED_FOR = 0.01
"""Seconds that a job of the load takes."""
_CATCHES_UP = 0.01
"""Seconds that the load makes up for: a longer pause of its process must not become a burst."""


async def measure(settings: Settings) -> Measures:
    """Run a worker, start the producer, and return how long its jobs took to begin."""
    delays: list[float] = []
    all_came, is_loaded = asyncio.Event(), asyncio.Event()
    jobs = jobs_of(settings)
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(enqueued_at: float) -> None:
        delays.append(time.monotonic() - enqueued_at)
        if len(delays) == jobs:
            all_came.set()

    @app.job(name=_LOADING)
    async def loading() -> None:
        is_loaded.set()
        await asyncio.sleep(_LOADED_FOR)

    async with app, app.worker(concurrency=settings["slots"], queues=settings["queues"]):
        loader = None
        if settings["load"]:
            loader = await _start(_LOADER, settings)
            await is_loaded.wait()
        producer = await _start(_PRODUCER, settings)
        await all_came.wait()
        await producer.wait()
        if loader is not None:
            loader.terminate()
            await loader.wait()
    return percentiles(delays)


async def _start(part: str, settings: Settings) -> Process:
    words = (sys.executable, "-m", "benchmarks.latency", part, json.dumps(settings))
    return await asyncio.create_subprocess_exec(*words, stdout=DEVNULL)


async def enqueue_jobs(settings: Settings) -> Measures:
    """Be the producer, which has no measures of its own."""
    async with Sidelong(settings["url"]) as app:
        await produce(settings, _stub(app, JOB, settings).enqueue)
    return {}


async def enqueue_load(settings: Settings) -> Measures:
    """Keep a share of the slots busy until this process is ended."""
    loop = asyncio.get_running_loop()
    pause = _LOADED_FOR / (settings["slots"] * settings["load"])
    async with Sidelong(settings["url"]) as app:
        job, at = _stub(app, _LOADING, settings), loop.time()
        while True:
            await job.enqueue()
            # From where the last one was due, or the time that enqueuing takes would make the load less.
            at = max(at, loop.time() - _CATCHES_UP) + random.uniform(0.5, 1.5) * pause
            await asyncio.sleep(max(0.0, at - loop.time()))


def _stub(app: Sidelong, name: str, settings: Settings) -> Job[..., None]:
    """Return a job that is run in another process."""

    @app.job(name=name, queue=settings["queues"][-1])
    def run_elsewhere(*args: float) -> None: ...

    return run_elsewhere


_ONE, _FOUR = ["default"], ["critical", "high", "default", "low"]

WORKLOAD = Workload(
    name="latency",
    about="from the call of enqueue to the first line of the job",
    cases=(
        Case("one queue", {"slots": 10, "queues": _ONE, "load": 0}, 1_000, peer_jobs=500),
        Case("last of four queues", {"slots": 10, "queues": _FOUR, "load": 0}, 1_000),
        Case("50 % load, one queue", {"slots": 10, "queues": _ONE, "load": 0.5}, 1_000),
    ),
    measure="p50 µs",
    module="benchmarks.latency",
    beside={REDIS_PY: "benchmarks.redis_py"},
    has_floor=True,
    has_uvloop=True,
    quick=50,
)


if __name__ == "__main__":
    settings = read_settings()
    parts = {_PRODUCER: enqueue_jobs, _LOADER: enqueue_load}
    run(parts.get(sys.argv[1], measure)(settings), settings, is_worker=sys.argv[1] not in parts)
