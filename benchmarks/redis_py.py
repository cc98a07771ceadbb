"""redis-py, used as one would by hand: no library for jobs, but not the least possible client either.

It takes part in `enqueue`, `web` and `latency`.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import msgspec
import redis
import redis.asyncio

from benchmarks import producing, web_load
from benchmarks.payloads import new_payload
from benchmarks.workload import Measures, Settings, decline, read_settings, run

_PARKED_FOR = 1
_MOST_CONNECTIONS = 1_000
"""By default no more than a hundred are opened, too few for five hundred coroutines."""

_decode = msgspec.json.Decoder().decode


async def push(client: redis.asyncio.Redis, *payloads: bytes) -> None:
    """Store jobs in the default queue, in one round trip."""
    pipeline = client.pipeline(transaction=False)
    pipeline.sadd("queues", "default")
    pipeline.lpush("queue:default", *payloads)
    await pipeline.execute()


async def enqueue(settings: Settings) -> Measures:
    """Store jobs, once for warm-up and once for the clock, and return the pace."""
    way, jobs = settings["way"], settings["jobs"]
    if way == "enqueue_many":
        decline("what is stored in bulk is compared with the floor")
    words = way.split()
    if words[0] == "sync,":
        return await asyncio.to_thread(_enqueue_in_threads, settings, int(words[1]))
    coroutines = int(words[0]) if "coroutines" in words else 1
    async with redis.asyncio.Redis.from_url(settings["url"], max_connections=_MOST_CONNECTIONS) as client:

        async def store(jobs: int) -> None:
            await asyncio.gather(*(_store(client, jobs // coroutines) for _ in range(coroutines)))

        await store(max(jobs // 10, coroutines))
        began, cpu_began = time.perf_counter(), time.process_time()
        await store(jobs)
        return _pace(jobs, began, cpu_began)


async def _store(client: redis.asyncio.Redis, jobs: int) -> None:
    for number in range(jobs):
        await push(client, new_payload(number))


def _enqueue_in_threads(settings: Settings, threads: int) -> Measures:
    jobs = settings["jobs"]
    with redis.Redis.from_url(settings["url"]) as client, ThreadPoolExecutor(threads) as pool:

        def store(jobs: int) -> None:
            for number in range(jobs):
                pipeline = client.pipeline(transaction=False)
                pipeline.sadd("queues", "default")
                pipeline.lpush("queue:default", new_payload(number))
                pipeline.execute()

        list(pool.map(store, [jobs // 10 // threads] * threads))
        began, cpu_began = time.perf_counter(), time.process_time()
        list(pool.map(store, [jobs // threads] * threads))
        return _pace(jobs, began, cpu_began)


def _pace(jobs: int, began: float, cpu_began: float) -> Measures:
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}


async def web(settings: Settings) -> Measures:
    """Put an application that uses redis-py under load and return how it answered."""
    return await web_load.measure(settings, "benchmarks.redis_py:build")


def build() -> Any:
    """Return the application that uvicorn runs."""
    client = redis.asyncio.Redis.from_url(web_load.redis_url())
    return web_load.application(lambda: push(client, new_payload(1)))


async def latency(settings: Settings) -> Measures:
    """Wait in BLMOVE, start the producer, and return how long its payloads took to arrive."""
    if settings["load"]:
        decline("it runs no jobs, so that it cannot be busy with them")
    delays: list[float] = []
    all_came = asyncio.Event()
    jobs = producing.jobs_of(settings)
    client = redis.asyncio.Redis.from_url(settings["url"])

    async def consume(queue: str, taken: str) -> None:
        while not all_came.is_set():
            raw = cast("bytes | None", await client.blmove(queue, taken, _PARKED_FOR, "RIGHT", "LEFT"))
            if raw is None:
                continue
            delays.append(time.monotonic() - _decode(raw)["args"][0])
            await client.lrem(taken, -1, cast("str", raw))
            if len(delays) == jobs:
                all_came.set()

    async with asyncio.TaskGroup() as consumers:
        for name in settings["queues"]:
            consumers.create_task(consume(f"queue:{name}", f"taken:{name}"))
        while sum(each["cmd"] == "blmove" for each in await client.client_list()) < len(settings["queues"]):
            await asyncio.sleep(0.01)
        words = (sys.executable, "-m", "benchmarks.redis_py", "produce", json.dumps(settings))
        producer = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL)
    await producer.wait()
    await client.aclose()
    return producing.percentiles(delays)


async def produce(settings: Settings) -> Measures:
    """Be the producer of `latency`, which has no measures of its own."""
    queue = f"queue:{settings['queues'][-1]}"
    async with redis.asyncio.Redis.from_url(settings["url"]) as client:
        await producing.produce(settings, lambda now: client.lpush(queue, new_payload(now)))
    return {}


_BY_HAND: dict[str, Callable[[Settings], Coroutine[Any, Any, Measures]]] = {
    "enqueue": enqueue,
    "web": web,
    "latency": latency,
    "produce": produce,
}


if __name__ == "__main__":
    settings = read_settings()
    run(_BY_HAND[sys.argv[1]](settings), settings, is_worker=sys.argv[1] == "latency")
