"""The workloads of a library whose worker runs on an event loop: in this process, filled by its own client.

    program.main(event_loop.workloads(Arq()), run=asyncio.run)

The library's own part is a `Peer`: how to enqueue, and how to run a worker.
"""

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import enqueuing
import measures
import producing
import program
import scheduling
from counting import Calls
from program import Measures, Settings

Job = Callable[[float], Any]
"""What a job does with its one argument: a function or a coroutine function."""

_FILLING = 50
"""Coroutines that fill Redis before the clock runs."""
_IDLE_BEFORE = 1.0
"""Seconds that an idle worker has, at least, before the jobs of `schedule` are due."""


class Client(Protocol):
    """Enqueues jobs of the one kind that there is, with one argument."""

    async def enqueue(self, value: float) -> object:
        """Enqueue a job."""

    async def enqueue_at(self, value: float, when: float) -> object:
        """Enqueue a job that is due at an instant in epoch seconds."""


class BulkClient(Client, Protocol):
    """Enqueues many in one call as well."""

    async def enqueue_many(self, values: Sequence[float]) -> object:
        """Enqueue a job for each of the arguments."""


class Peer(Protocol):
    """A library.

    Attributes:
        has_many: whether its client is a `BulkClient`.
        has_threads: whether it runs plain functions in threads.
        due_in_whole_seconds: whether a job cannot be due at a fraction of a second.
    """

    has_many: bool
    has_threads: bool
    due_in_whole_seconds: bool

    def client(self, url: str) -> AbstractAsyncContextManager[Any]:
        """Give a client."""

    async def work(self, settings: Settings, job: Job) -> None:
        """Run a worker that calls this job, for ever."""

    def failure(self) -> Exception:
        """Return what a job raises to fail and be tried again much later."""


def workloads(peer: Peer) -> dict[str, Callable[[Settings], Any]]:
    """Return everything that the library does, for `program.main`."""
    each = {
        "drain": drain,
        "io": io,
        "failing": failing,
        "threads": threads,
        "enqueue": enqueue,
        "latency": latency,
        "produce": produce,
        "schedule": schedule,
    }
    return {name: functools.partial(measure, peer) for name, measure in each.items()}


async def drain(peer: Peer, settings: Settings) -> Measures:
    """Empty a queue of jobs that do nothing."""
    program.only_queue(settings["queues"])

    def kind(calls: Calls) -> Job:
        async def job(value: float) -> None:
            calls.note()

        return job

    return measures.pace(await _drain(peer, settings, kind))


async def io(peer: Peer, settings: Settings) -> Measures:
    """Empty a queue of jobs that wait."""
    wait = settings["wait"]

    def kind(calls: Calls) -> Job:
        async def job(value: float) -> None:
            calls.note()
            await asyncio.sleep(wait)

        return job

    return measures.share_of_ideal(await _drain(peer, settings, kind), settings)


async def failing(peer: Peer, settings: Settings) -> Measures:
    """Empty a queue of jobs that fail and stay to be tried again."""

    def kind(calls: Calls) -> Job:
        async def job(value: float) -> None:
            calls.note()
            raise peer.failure()

        return job

    return measures.plain_pace(await _drain(peer, settings, kind))


async def threads(peer: Peer, settings: Settings) -> Measures:
    """Empty a queue of jobs that are plain functions."""
    if not peer.has_threads:
        program.decline("its jobs are coroutine functions only")

    def kind(calls: Calls) -> Job:
        def job(value: float) -> None:
            calls.note()

        return job

    return measures.plain_pace(await _drain(peer, settings, kind))


async def enqueue(peer: Peer, settings: Settings) -> Measures:
    """Enqueue jobs."""
    enqueuing.decline_ways(settings, has_loop=True, has_many=peer.has_many)
    async with peer.client(settings["url"]) as client:
        many = client.enqueue_many if peer.has_many else None
        return await enqueuing.pace(settings, client.enqueue, many)


async def latency(peer: Peer, settings: Settings) -> Measures:
    """Run an idle worker and let another process enqueue."""
    program.only_queue(settings["queues"])
    producing.decline_load(settings)
    counted = _Counting(producing.jobs_of(settings), producing.WARM_UP)

    async def job(value: float) -> None:
        counted.calls.note(value)

    async with peer.client(settings["url"]) as client:
        await client.enqueue(0.0)
    worker = asyncio.create_task(peer.work(settings, job))
    await _await_beside(worker, counted.has_begun)
    producer = producing.start_producer(settings)
    await _await_beside(worker, counted.has_ended)
    producer.wait()
    return measures.delays(counted.calls)


async def produce(peer: Peer, settings: Settings) -> None:
    """Be the other process."""
    async with peer.client(settings["url"]) as client:
        await producing.produce(settings, client.enqueue)


async def schedule(peer: Peer, settings: Settings) -> Measures:
    """Store jobs that are all due at one instant, and run an idle worker until then."""
    due = time.time() + scheduling.SCHEDULED_IN
    if peer.due_in_whole_seconds:
        due = float(math.ceil(due))
    counted = _Counting(settings["jobs"], 0)

    async def job(value: float) -> None:
        counted.calls.note()

    await _store(peer, settings, lambda client, value: client.enqueue_at(value, due))
    if due - time.time() < _IDLE_BEFORE:
        raise RuntimeError("the jobs were not stored in time")
    await _await_beside(asyncio.create_task(peer.work(settings, job)), counted.has_ended)
    return measures.lateness(counted.calls, due)


class _Counting:
    """A counter and the events that its first and its last call set, from whichever thread."""

    def __init__(self, jobs: int, warm_up: int) -> None:
        loop = asyncio.get_running_loop()
        self.has_begun, self.has_ended = asyncio.Event(), asyncio.Event()
        self.calls = Calls(
            jobs,
            warm_up,
            on_first=lambda: loop.call_soon_threadsafe(self.has_begun.set),
            on_last=lambda: loop.call_soon_threadsafe(self.has_ended.set),
        )


async def _drain(peer: Peer, settings: Settings, kind: Callable[[Calls], Job]) -> Calls:
    counted = _Counting(settings["jobs"], settings["jobs"] // 10)
    await _store(peer, settings, lambda client, value: client.enqueue(value))
    await _await_beside(asyncio.create_task(peer.work(settings, kind(counted.calls))), counted.has_ended)
    return counted.calls


async def _store(peer: Peer, settings: Settings, one: Callable[[Client, int], Awaitable[object]]) -> None:
    values = iter(range(settings["jobs"]))

    async def store_some(client: Client) -> None:
        for value in values:
            await one(client, value)

    async with peer.client(settings["url"]) as client:
        await asyncio.gather(*(store_some(client) for _ in range(_FILLING)))


async def _await_beside(worker: "asyncio.Task[None]", event: asyncio.Event) -> None:
    """Wait while a worker runs, which raises here if it ends; nothing stops it, as this process ends soon."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({worker, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        worker.result()
        raise RuntimeError("the worker ended before its jobs")
