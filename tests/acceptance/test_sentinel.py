"""Sentinels choose another master while workers work and a producer enqueues."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from sidelong import EnqueueUncertain, NotEnqueued, Sidelong
from tests.support import redis_state
from tests.support.eventually import eventually, eventually_sync
from tests.support.ledger import START, Ledger
from tests.support.processes import Supervisor, WorkerOptions
from tests.support.redis_server import RedisServer
from tests.support.sentinel_trio import SentinelTrio, clients, role
from tests.support.server_required import require_server

RESUMES_WITHIN = 5.0
"""Seconds from the election until work goes on, as promised; deadlines leave three times that."""


class Producer:
    """Enqueues one job after the other, and remembers when `enqueue` returned."""

    def __init__(self, app: Sidelong) -> None:
        self.stored: dict[str, float] = {}
        self.uncertain = 0
        self.refused = 0
        self._app = app
        self._is_over = False

    async def run(self) -> None:
        while not self._is_over:
            try:
                jid = str(await self._app.enqueue("noop"))
                self.stored[jid] = time.monotonic()
            except NotEnqueued:
                self.refused += 1
            except EnqueueUncertain:
                self.uncertain += 1
            await asyncio.sleep(0.002)

    def end(self) -> None:
        self._is_over = True

    def stored_after(self, at: float) -> float | None:
        """Return when the first push after a moment succeeded."""
        return next((when for when in self.stored.values() if when > at), None)


@asynccontextmanager
async def producing(url: str) -> AsyncIterator[Producer]:
    async with Sidelong(url) as app:
        producer = Producer(app)
        task = asyncio.create_task(producer.run())
        try:
            yield producer
        finally:
            producer.end()
            await task


def began_after(ledger: Ledger, at: float) -> float | None:
    """Return when the first job after a moment began."""
    return next((e.ns / 1e9 for e in ledger.history().named(START) if e.ns / 1e9 > at), None)


@pytest.mark.slow
async def test_a_failover_loses_nothing_and_work_goes_on_within_seconds(ledger: Ledger) -> None:
    require_server()
    with ExitStack() as stack:
        trio = await asyncio.to_thread(stack.enter_context, SentinelTrio())
        options = WorkerOptions(redis=trio.url, ledger=ledger, concurrency=10)
        workers = await asyncio.to_thread(stack.enter_context, Supervisor(options, count=2))
        async with producing(trio.url) as producer:
            await eventually(lambda: len(ledger.history().ends) > 200, 15)

            killed = trio.master
            # Replicas may still be catching up: the second time takes no longer than an answer.
            await asyncio.to_thread(replicate, killed)
            known = set(producer.stored)
            await asyncio.to_thread(replicate, killed)
            killed.stop(kill=True)
            # What Redis took since then may not have reached a replica; no other is a master so soon.
            until = time.monotonic() + 0.5
            await asyncio.to_thread(eventually_sync, lambda: trio.has_new_master(killed), 30)
            await resumes(killed, producer, ledger, "kill -9")
            demoted = trio.master
            await asyncio.to_thread(trio.fail_over)
            await resumes(demoted, producer, ledger, "SENTINEL FAILOVER")
            killed.start()
            assert await asyncio.to_thread(visitors, killed) == set()

        with trio.master.client() as client:
            await eventually(lambda: not redis_state.payloads(redis_state.dump(client)), 20)
        await eventually(lambda: clients(trio.master).count("sidelong:beat") == 2, 15)
        log = workers.logs()

    history = ledger.history()
    print(
        f"{len(producer.stored)} stored, {producer.uncertain} uncertain, {producer.refused} refused;"
        f" {len(history.ran_twice())} began twice, {len(history.ended_twice())} ended twice"
    )
    in_doubt = {jid for jid, at in producer.stored.items() if at < until} - known
    print(f"{len(history.lost(in_doubt))} of {len(in_doubt)} jobs lost that only the killed master may have had")
    assert not history.lost(set(producer.stored) - in_doubt)
    assert "is dead; its" not in log


def replicate(master: RedisServer) -> None:
    """Wait until both replicas have all that the master has now."""
    with master.client() as client:
        client.set("marker", 1, px=1)
        assert client.wait(2, 10_000) == 2


def visitors(returned: RedisServer) -> set[str]:
    """Return who talks to a master of before until the sentinels have made it a replica."""
    seen: set[str] = set()

    def is_replica() -> bool:
        seen.update(clients(returned))
        return role(returned) == "slave"

    eventually_sync(is_replica, 20)
    return seen


async def resumes(old: RedisServer, producer: Producer, ledger: Ledger, what: str) -> None:
    """Wait until everybody has left the old master, pushes succeed and jobs begin."""
    elected = time.monotonic()
    await asyncio.to_thread(eventually_sync, lambda: not old.is_running or not clients(old), 3 * RESUMES_WITHIN)
    left = time.monotonic()
    stored = await eventually(lambda: producer.stored_after(left), 3 * RESUMES_WITHIN)
    runs = await eventually(lambda: began_after(ledger, stored), 3 * RESUMES_WITHIN)
    print(
        f"{what}: left {left - elected:.2f} s, stored {stored - elected:.2f} s, begun {runs - elected:.2f} s"
        " after the election"
    )
    assert runs - elected < 3 * RESUMES_WITHIN
