"""The floor: what Redis and the least possible client need on an event loop, with no library around it.

For `drain`, one script call per turn does one LREM for each job of the turn before and one LMOVE for each slot, and
nothing runs. A worker whose jobs are never lost cannot do less; what it needs beyond is its own. `failing` has a ZADD
beside each LREM; in `io` each job is a task that sleeps, and in `threads` a call in a pool of threads. For
`enqueue_many` it is one LPUSH for a thousand payloads that nobody checks, and for `latency` the hand-off of a payload
from LPUSH to BLMOVE.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import msgspec

from benchmarks import producing
from benchmarks.bare_client import BareClient
from benchmarks.calls import Calls, share_of_ideal
from benchmarks.payloads import new_payload
from benchmarks.workload import Measures, Settings, decline, read_settings, run

_TAKE = """
local free, taken = tonumber(ARGV[2 * settled + 2]), {}
for queue = 1, #KEYS / 2 do
  while #taken < 2 * free do
    local raw = redis.call('LMOVE', KEYS[2 * queue - 1], KEYS[2 * queue], 'RIGHT', 'LEFT')
    if not raw then break end
    taken[#taken + 1] = queue
    taken[#taken + 1] = raw
  end
end
return taken
"""
DONE_AND_TAKE = f"""
local settled = tonumber(ARGV[1])
for i = 1, settled do redis.call('LREM', KEYS[2 * ARGV[2 * i]], -1, ARGV[2 * i + 1]) end
{_TAKE}
"""
_FAILED_AND_TAKE = f"""
local settled = tonumber(ARGV[1])
local at = redis.call('TIME')[1] + 15
for i = 1, settled do
  redis.call('ZADD', 'retry', at, ARGV[2 * i + 1])
  redis.call('LREM', KEYS[2 * ARGV[2 * i]], -1, ARGV[2 * i + 1])
end
{_TAKE}
"""
_AT_ONCE = 1000
_PARKED_FOR = 1
_PRODUCER = "produce"

_decode = msgspec.json.Decoder().decode


async def drain(settings: Settings) -> Measures:
    """Empty the queues and return the pace."""
    return await _empty(settings, list(settings["queues"]), DONE_AND_TAKE)


async def failing(settings: Settings) -> Measures:
    """Empty a queue whose jobs all go to the set of those that are to be retried."""
    return {"jobs/s": (await _empty(settings, ["default"], _FAILED_AND_TAKE))["jobs/s"]}


async def _empty(settings: Settings, queues: Sequence[str], script: str) -> Measures:
    jobs, warm_up = settings["jobs"], settings["jobs"] // 10
    client = await BareClient.connect(settings["url"])
    digest = await client.call("SCRIPT", "LOAD", script)
    keys = list_keys(queues)
    taken: Sequence[Any] = ()
    gone = counted_from = 0
    began = cpu_began = 0.0
    while gone < jobs or taken:
        if not began and gone >= warm_up:
            counted_from, began, cpu_began = gone, time.perf_counter(), time.process_time()
        taken = await client.call("EVALSHA", digest, len(keys), *keys, len(taken) // 2, *taken, settings["slots"])
        gone += len(taken) // 2
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    counted = jobs - counted_from
    return {"jobs/s": counted / seconds, "CPU µs/job": cpu / counted * 1e6}


def list_keys(queues: Sequence[str]) -> list[str]:
    """Return the key of each queue, followed by that of the list into which it is emptied."""
    return [key for name in queues for key in (f"queue:{name}", f"floor:{name}")]


async def io(settings: Settings) -> Measures:
    """Run a task that sleeps for each job and return the pace."""
    jobs, slots, wait = settings["jobs"], settings["slots"], settings["wait"]
    client = await BareClient.connect(settings["url"])
    digest = await client.call("SCRIPT", "LOAD", DONE_AND_TAKE)
    keys = list_keys(["default"])
    calls = Calls(jobs)
    running: set[asyncio.Task[None]] = set()
    ended: list[Any] = []
    one_ended = asyncio.Event()

    async def job(queue: int, raw: bytes) -> None:
        calls.note()
        await asyncio.sleep(wait)
        ended.extend((queue, raw))
        running.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        one_ended.set()

    gone = 0
    while gone < jobs or running or ended:
        if not ended and (gone == jobs or len(running) == slots):
            one_ended.clear()
            await one_ended.wait()
        settled, ended[:] = ended[:], []
        free = slots - len(running)
        taken = await client.call("EVALSHA", digest, len(keys), *keys, len(settled) // 2, *settled, free)
        for queue, raw in zip(taken[::2], taken[1::2], strict=True):
            running.add(asyncio.create_task(job(queue, raw)))
        gone += len(taken) // 2
    return share_of_ideal(calls, settings)


async def threads(settings: Settings) -> Measures:
    """Run every job in a thread of a pool and return the pace."""
    jobs, slots = settings["jobs"], settings["slots"]
    client = await BareClient.connect(settings["url"])
    digest = await client.call("SCRIPT", "LOAD", DONE_AND_TAKE)
    keys = list_keys(["default"])
    calls, loop = Calls(jobs), asyncio.get_running_loop()
    running, gone = 0, 0
    ended: list[Any] = []
    one_ended = asyncio.Event()

    def settle(queue: int, raw: bytes) -> None:
        nonlocal running
        running -= 1
        ended.extend((queue, raw))
        one_ended.set()

    def job(queue: int, raw: bytes) -> None:
        calls.note()
        loop.call_soon_threadsafe(settle, queue, raw)

    with ThreadPoolExecutor(slots) as pool:
        while gone < jobs or running or ended:
            if not ended and (gone == jobs or running == slots):
                one_ended.clear()
                await one_ended.wait()
            settled, ended[:] = ended[:], []
            free = slots - running
            taken = await client.call("EVALSHA", digest, len(keys), *keys, len(settled) // 2, *settled, free)
            for queue, raw in zip(taken[::2], taken[1::2], strict=True):
                pool.submit(job, queue, raw)
            running += len(taken) // 2
            gone += len(taken) // 2
    return {"jobs/s": calls.per_second}


async def enqueue_many(settings: Settings) -> Measures:
    """Store jobs, a thousand in a command, once for warm-up and once for the clock, and return the pace."""
    if settings["way"] != "enqueue_many":
        decline("what is stored one by one is compared with redis-py")
    jobs = settings["jobs"]
    client = await BareClient.connect(settings["url"])
    await _store(client, jobs // 10)
    began, cpu_began = time.perf_counter(), time.process_time()
    await _store(client, jobs)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}


async def _store(client: BareClient, jobs: int) -> None:
    for first in range(0, jobs, _AT_ONCE):
        await client.call("SADD", "queues", "default")
        payloads = (new_payload(number) for number in range(first, min(first + _AT_ONCE, jobs)))
        await client.call("LPUSH", "queue:default", *payloads)


async def latency(settings: Settings) -> Measures:
    """Wait in BLMOVE, start the producer, and return how long its payloads took to arrive."""
    if settings["load"]:
        decline("it runs no jobs, so that it cannot be busy with them")
    delays: list[float] = []
    all_came = asyncio.Event()
    jobs = producing.jobs_of(settings)

    async def consume(client: BareClient, queue: str, taken: str) -> None:
        while not all_came.is_set():
            raw = await client.call("BLMOVE", queue, taken, "RIGHT", "LEFT", _PARKED_FOR)
            if raw is None:
                continue
            delays.append(time.monotonic() - _decode(raw)["args"][0])
            await client.call("LREM", taken, -1, raw)
            if len(delays) == jobs:
                all_came.set()
        client.close()

    async with asyncio.TaskGroup() as consumers:
        for name in settings["queues"]:
            client = await BareClient.connect(settings["url"])
            consumers.create_task(consume(client, f"queue:{name}", f"taken:{name}"))
        words = (sys.executable, "-m", "benchmarks.floor", _PRODUCER, json.dumps(settings))
        # It takes far longer to start than to be waited for.
        producer = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL)
    await producer.wait()
    return producing.percentiles(delays)


async def produce(settings: Settings) -> Measures:
    """Be the producer of `latency`, which has no measures of its own."""
    client = await BareClient.connect(settings["url"])
    queue = f"queue:{settings['queues'][-1]}"
    await producing.produce(settings, lambda now: client.call("LPUSH", queue, new_payload(now)))
    return {}


_FLOORS: dict[str, Callable[[Settings], Coroutine[Any, Any, Measures]]] = {
    "drain": drain,
    "failing": failing,
    "io": io,
    "threads": threads,
    "enqueue": enqueue_many,
    "latency": latency,
    _PRODUCER: produce,
}


def main() -> None:
    """Do the workload that the command line names."""
    name = sys.argv[1]
    if name not in _FLOORS:
        decline(f"{name} has no floor")
    settings = read_settings()
    run(_FLOORS[name](settings), settings, is_worker=name not in ("enqueue", _PRODUCER))


if __name__ == "__main__":
    main()
