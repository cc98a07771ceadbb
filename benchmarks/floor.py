"""The floor: what Redis and the least possible client need on an event loop, with no library around it.

For `drain`, one script call per turn does one LREM for each job of the turn before and one LMOVE for each slot, and
nothing runs. A worker whose jobs are never lost cannot do less; what it needs beyond is its own. `failing` has a ZADD
beside each LREM; in `io` each job is a task that sleeps. `enqueue`, `web` and `latency` are redis-py as one would use
it by hand.
"""

import asyncio
import json
import secrets
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
import msgspec
import redis.asyncio

from benchmarks import producing, web_load
from benchmarks.calls import Calls, share_of_ideal
from benchmarks.payloads import JOB
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

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Client(asyncio.Protocol):
    """Sends one command and waits for its answer."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()

    @classmethod
    async def connect(cls, url: str) -> "_Client":
        """Return a client with a connection."""
        address = urlsplit(url)
        _, client = await asyncio.get_running_loop().create_connection(cls, address.hostname or "", address.port or 0)
        return client

    async def call(self, *words: str | int | bytes) -> Any:
        """Return the answer to one command; the one before must have been answered."""
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._transport.write(_packed(words))
        return _checked(await self._answer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if (answer := self._reader.gets()) is not False:
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        raise RuntimeError(f"Redis closed the connection: {error}")


def _packed(words: tuple[str | int | bytes, ...]) -> bytes:
    return cast(bytes, hiredis.pack_command(cast("Any", words)))


def _checked(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


async def drain(settings: Settings) -> Measures:
    """Empty the queues and return the pace."""
    return await _empty(settings, list(settings["queues"]), DONE_AND_TAKE)


async def failing(settings: Settings) -> Measures:
    """Empty a queue whose jobs all go to the set of those that are to be retried."""
    return {"jobs/s": (await _empty(settings, ["default"], _FAILED_AND_TAKE))["jobs/s"]}


async def _empty(settings: Settings, queues: Sequence[str], script: str) -> Measures:
    jobs, warm_up = settings["jobs"], settings["jobs"] // 10
    client = await _Client.connect(settings["url"])
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
    client = await _Client.connect(settings["url"])
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


async def enqueue(settings: Settings) -> Measures:
    """Store jobs, once for warm-up and once for the clock, and return the pace."""
    stores = {"one by one": _store_one_by_one, "enqueue_many": _store_many}
    if settings["way"] not in stores:
        decline("there is no bare way to compare with")
    store, jobs = stores[settings["way"]], settings["jobs"]
    async with redis.asyncio.Redis.from_url(settings["url"]) as client:
        await store(client, jobs // 10)
        began, cpu_began = time.perf_counter(), time.process_time()
        await store(client, jobs)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {"jobs/s": jobs / seconds, "CPU µs/job": cpu / jobs * 1e6}


async def _store_one_by_one(client: redis.asyncio.Redis, jobs: int) -> None:
    for number in range(jobs):
        await _push(client, _payload(number))


async def _store_many(client: redis.asyncio.Redis, jobs: int) -> None:
    for first in range(0, jobs, _AT_ONCE):
        await _push(client, *(_payload(number) for number in range(first, min(first + _AT_ONCE, jobs))))


async def _push(client: redis.asyncio.Redis, *payloads: bytes) -> None:
    pipeline = client.pipeline(transaction=False)
    pipeline.sadd("queues", "default")
    pipeline.lpush("queue:default", *payloads)
    await pipeline.execute()


def _payload(*args: float) -> bytes:
    now = time.time()
    item = {
        "retry": True,
        "queue": "default",
        "class": JOB,
        "args": list(args),
        "jid": secrets.token_hex(12),
        "created_at": now,
        "enqueued_at": now,
    }
    return _encode(item)


async def web(settings: Settings) -> Measures:
    """Put an application that uses redis-py under load and return how it answered."""
    return await web_load.measure(settings, "benchmarks.floor:build")


def build() -> Any:
    """Return the application that uvicorn runs."""
    client = redis.asyncio.Redis.from_url(web_load.redis_url())
    return web_load.application(lambda: _push(client, _payload(1)))


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

    words = (sys.executable, "-m", "benchmarks.floor", "produce", json.dumps(settings))
    producer = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL)
    await asyncio.gather(*(consume(f"queue:{name}", f"floor:{name}") for name in settings["queues"]))
    await producer.wait()
    await client.aclose()
    return producing.percentiles(delays)


async def produce(settings: Settings) -> Measures:
    """Be the producer of `latency`, which has no measures of its own."""
    queue = f"queue:{settings['queues'][-1]}"
    async with redis.asyncio.Redis.from_url(settings["url"]) as client:
        await producing.produce(settings, lambda now: client.lpush(queue, _payload(now)))
    return {}


_FLOORS: dict[str, Callable[[Settings], Coroutine[Any, Any, Measures]]] = {
    "drain": drain,
    "failing": failing,
    "io": io,
    "enqueue": enqueue,
    "web": web,
    "latency": latency,
    "produce": produce,
}


def main() -> None:
    """Do the workload that the command line names."""
    name = sys.argv[1]
    if name not in _FLOORS:
        decline(f"{name} has no floor")
    settings = read_settings()
    run(_FLOORS[name](settings), settings, is_worker=name not in ("enqueue", "web"))


if __name__ == "__main__":
    main()
