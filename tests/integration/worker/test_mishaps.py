"""What must not cost a job, a slot or the lease, although something around it goes wrong."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sidelong import current_context
from sidelong.core.outcome import Rewritten
from sidelong.errors import Refused
from sidelong.store.queues import Batch, CapsuleQueues, Turn
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


class BrokenSink(logging.Handler):
    """A log that cannot be written, as when the disk is full."""

    is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_broken:
            raise OSError("no space left on device")


@pytest.fixture
def sink() -> Iterator[BrokenSink]:
    handler = BrokenSink()
    logger = logging.getLogger("sidelong")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


async def test_server_middleware_may_change_the_arguments(site: Site) -> None:
    app = site.app()
    seen: list[Any] = []

    @app.job(name="Secret")
    async def secret(text: str) -> None:
        seen.append(text)

    @app.server_middleware
    async def decrypt(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["one"]:
            job["args"] = ["ONE"]
            return await call_next()
        return await call_next({**job, "args": ["TWO"]})

    site.push("Secret", "one", jid="1" * 24)
    site.push("Secret", "two", jid="2" * 24)
    async with app, app.worker():
        await site.drained()

    assert sorted(seen) == ["ONE", "TWO"]


async def test_a_log_that_cannot_be_written_costs_no_job_and_no_slot(site: Site, sink: BrokenSink) -> None:
    app = site.app()
    ran: list[int] = []

    @app.job(name="Job", retry_in=lambda count, error, item: 0.1)
    async def job(number: int) -> None:
        ran.append(number)

    async with app, app.worker(concurrency=2) as worker:
        sink.is_broken = True
        for number in range(10):
            site.push("Job", number, jid=f"{number:024}")
        await eventually(lambda: not site.queue() and not worker.running)
        sink.is_broken = False
        site.push("Job", 99, jid="9" * 24)
        await eventually(lambda: 99 in ran)
        await eventually(lambda: not site.inflight())
        waiting = {item["args"][0] for item, _ in site.members("retry")}

    # Each of them ran, or waits in plain sight for its next attempt.
    assert set(range(10)) <= set(ran) | waiting


async def test_a_heartbeat_survives_whatever_raises_beside_it(site: Site, sink: BrokenSink) -> None:
    app = site.app(lag_threshold=0.05)

    async with app, app.worker() as worker:
        sink.is_broken = True
        beaten = worker_beats(site)
        # Long enough for the watchdog to warn, into a log that raises.
        time.sleep(0.5)
        await eventually(lambda: worker_beats(site) > beaten + 1)
        await eventually(lambda: worker.is_ready)
        sink.is_broken = False


def worker_beats(site: Site) -> int:
    (identity,) = (raw.decode() for raw in site.client.smembers("sidelong:owners"))
    return int(site.client.get(f"sidelong:lease:{identity}") or 0)


async def test_what_middleware_puts_into_a_payload_does_not_stop_the_heartbeat(site: Site, log: Lines) -> None:
    app = site.app()
    gate = asyncio.Event()

    @app.server_middleware
    async def stamp(job: dict[str, Any], call_next: Any) -> Any:
        job["started"] = object()
        return await call_next()

    @app.job(name="Large")
    async def large(text: str) -> None:
        await gate.wait()

    site.push("Large", "x" * 1_200_000)
    async with app, app.worker() as worker:
        await eventually(lambda: len(worker.running) == 1)
        beats = worker_beats(site)
        await eventually(lambda: worker_beats(site) > beats + 1)
        (entry,) = site.client.hgetall(f"{worker.identity}:work").values()
        gate.set()

    assert json.loads(json.loads(entry)["payload"])["jid"] == "a" * 24
    assert len(entry) < 1000
    assert not log.containing("heartbeat failed")


async def test_a_job_that_arrives_while_redis_refuses_runs_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.app(beat_interval=0.05, lease_ttl=2.0)
    runs: list[str] = []
    turn = CapsuleQueues.turn
    refusals = 0
    is_refusing = False

    async def refused(queues: CapsuleQueues, batch: Batch) -> Turn:
        nonlocal refusals
        if is_refusing:
            refusals += 1
            if refusals == 1:
                site.push("Job", queue="other", jid="2" * 24)
            raise Refused("NOREPLICAS Not enough good replicas to write.")
        return await turn(queues, batch)

    monkeypatch.setattr(CapsuleQueues, "turn", refused)

    @app.job(name="Job")
    async def job() -> None:
        runs.append(current_context().jid)

    async with app, app.worker(queues=["default", "other"]) as worker:
        await eventually(lambda: worker.is_ready)
        is_refusing = True
        site.push("Job", jid="1" * 24)
        # Several audits and several attempts pass meanwhile.
        await eventually(lambda: refusals > 4)
        is_refusing = False
        await site.drained()

    assert sorted(runs) == ["1" * 24, "2" * 24]
    assert site.counter("stat:processed") == 2


async def test_a_job_that_gets_its_jid_while_the_worker_stops_does_not_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = site.app()
    runs: list[str] = []
    turn = CapsuleQueues.turn

    @app.job(name="Job")
    async def job() -> None:
        runs.append(current_context().jid)

    worker = app.worker()

    async def stopping(queues: CapsuleQueues, batch: Batch) -> Turn:
        if any(type(delivery.outcome) is Rewritten for delivery in batch.deliveries):
            worker.stop_now()
        return await turn(queues, batch)

    monkeypatch.setattr(CapsuleQueues, "turn", stopping)
    site.push("Job", jid=None)

    async with app:
        await worker.run()

    assert runs == []
    assert len(site.queue()) == 1
    assert site.inflight() == []
    assert site.client.smembers("sidelong:owners") == set()


async def test_a_job_whose_reply_was_lost_goes_back_when_the_worker_leaves(site: Site) -> None:
    app = site.app(beat_interval=1.0, lease_ttl=2.5)

    async with app, app.worker() as worker:
        await eventually(lambda: worker.is_ready)
        # As if it had been moved by a command whose reply never came.
        raw = b'{"class":"Job","args":[],"jid":"j1","queue":"default","retry":true}'
        site.client.lpush(f"sidelong:inflight:{worker.identity}:default", raw)

    assert site.queue() == [raw]
    assert site.inflight() == []
    assert site.client.smembers("sidelong:owners") == set()


async def test_a_worker_that_is_fenced_while_it_stops_does_not_wait(site: Site) -> None:
    app = site.app(timeout=60)

    @app.job(name="Job")
    async def job() -> None:
        await asyncio.Event().wait()

    site.push("Job")
    async with app, app.worker() as worker:
        await eventually(lambda: len(worker.running) == 1)
        identity = worker.identity
        assert identity is not None
        worker.stop_soon()
        site.client.zadd("sidelong:buried", {identity: 1})
        site.client.expire("sidelong:buried", 60)
        await asyncio.wait_for(worker.wait(), 10)

    site.client.flushdb()
