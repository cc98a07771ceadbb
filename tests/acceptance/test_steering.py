"""Steering real processes from outside: pauses, signals and cancellations, also where something stands in the way."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import redis

from sidelong import CancelOutcome, CancelResult
from sidelong.api import ProcessSet, Queue
from tests.support import jobs
from tests.support.eventually import eventually, eventually_sync
from tests.support.jobs import fail_at, hold, hold_thread, noop
from tests.support.ledger import START, Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer
from tests.support.seeding import in_flight, payload, push

# Two seconds are promised for a pause, one for a cancellation; three times as long on a machine that others use.
PAUSED_WITHIN = 6.0
CANCELLED_WITHIN = 3.0

Start = Callable[..., WorkerProcess]


def cancel(url: str, ledger: Ledger, jid: str) -> tuple[CancelResult, float]:
    """Call a job off from this process; return what became of it, and how many seconds it took."""

    async def ask() -> CancelResult:
        async with jobs.build_app(url, ledger) as app:
            return await app.cancel(jid)

    began = time.monotonic()
    return asyncio.run(ask()), time.monotonic() - began


def wait_started(ledger: Ledger, count: int) -> None:
    eventually_sync(lambda: len(ledger.history().named(START)) >= count, within=15)


def stays_in(client: redis.Redis, queue: str) -> bool:
    """Push a job, and tell whether nobody fetches it."""
    push(client, raw := payload(noop, queue=queue))
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        if raw not in client.lrange(f"queue:{queue}", 0, -1):
            return False
    return True


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Jobs that hold go on once this file exists."""
    return tmp_path / "gate"


# Pauses.


def test_a_raw_entry_in_the_set_pauses_parked_workers_in_time(start: Start, redis_client: redis.Redis) -> None:
    for _ in range(2):
        start(settings="default", queues=["a", "b"])

    redis_client.sadd("paused", "a")
    paused_at = time.monotonic()
    eventually_sync(lambda: stays_in(redis_client, "a"), PAUSED_WITHIN)
    assert time.monotonic() - paused_at < PAUSED_WITHIN
    left = redis_client.llen("queue:a")

    redis_client.srem("paused", "a")
    eventually_sync(lambda: not redis_client.llen("queue:a"), PAUSED_WITHIN)
    assert left


async def test_the_api_pauses_workers_at_once(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger
) -> None:
    worker = start(settings="default", queues=["a"], overrides={"poll_interval": 60.0})
    async with jobs.build_app(redis_server.url, ledger) as app:
        paused, resumed = [], []
        for turn in range(1, 6):
            began = time.monotonic()
            await Queue(app, "a").pause()
            await eventually(lambda turn=turn: worker.log().count("queue a is paused") == turn)
            paused.append(time.monotonic() - began)
            push(redis_client, payload(noop, queue="a"))
            began = time.monotonic()
            await Queue(app, "a").unpause()
            await eventually(lambda: not redis_client.llen("queue:a"))
            resumed.append(time.monotonic() - began)

    # By itself it looks every second and a half; this machine may stand still for a moment.
    assert max(median(paused), median(resumed)) < 0.5


async def test_the_api_quiets_and_stops_at_once(redis_server: Database, start: Start, ledger: Ledger) -> None:
    # By itself it asks every twenty seconds.
    worker = start(settings="default", overrides={"beat_interval": 20.0, "lease_ttl": 60.0, "process_ttl": 60.0})
    async with jobs.build_app(redis_server.url, ledger) as app:
        await eventually(ProcessSet(app).size, 15)
        (process,) = [each async for each in ProcessSet(app)]
        await asyncio.sleep(0.1)
        await process.quiet()
        await asyncio.sleep(0)
        await process.stop()

        assert await asyncio.to_thread(worker.wait, 10.0) == 0


# Cancellations.


def test_a_running_coroutine_is_cancelled_in_time_with_all_slots_busy(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    for queue in ("a", "b"):
        start(settings="default", concurrency=2, queues=[queue])
    jids = [push(redis_client, payload(hold, str(gate), queue=queue))[0] for queue in "aabb"]
    waiting = push(redis_client, payload(noop, queue="b"))[0]
    wait_started(ledger, 4)

    result, seconds = cancel(redis_server.url, ledger, jids[2])
    assert result.outcome == CancelOutcome.CANCELLED
    assert seconds < CANCELLED_WITHIN
    # Its slot is free.
    eventually_sync(lambda: waiting in ledger.history().ends, 5)
    gate.touch()
    eventually_sync(lambda: not in_flight(redis_client), 10)

    assert set(ledger.history().ends) == {*jids, waiting} - {jids[2]}
    assert int(redis_client.get("stat:processed") or 0) == 5
    assert not redis_client.exists("retry", "dead", "stat:failed")


def test_a_job_in_a_thread_is_told_and_not_tried_again(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    start(settings="default")
    (jid,) = push(redis_client, payload(hold_thread, str(gate)))
    wait_started(ledger, 1)

    result, seconds = cancel(redis_server.url, ledger, jid)
    assert result.outcome == CancelOutcome.TOLD
    assert seconds < CANCELLED_WITHIN
    gate.touch()
    eventually_sync(lambda: not in_flight(redis_client), 10)

    assert not redis_client.exists("retry", "dead")


def test_a_job_that_began_a_moment_ago_is_found(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    start(settings="default")
    for _ in range(5):
        (jid,) = push(redis_client, payload(hold, str(gate)))

        result, _ = cancel(redis_server.url, ledger, jid)
        assert result.outcome in (CancelOutcome.CANCELLED, CancelOutcome.REMOVED)
    eventually_sync(lambda: not in_flight(redis_client) and not redis_client.llen("queue:default"), 5)


def test_a_failure_that_waits_for_its_retry_is_removed(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    gate.touch()
    start(settings="default")
    (jid,) = push(redis_client, payload(fail_at, str(gate)))
    eventually_sync(lambda: redis_client.zcard("retry") == 1, 10)

    assert cancel(redis_server.url, ledger, jid)[0] == CancelResult(CancelOutcome.REMOVED, "retry")
    assert not redis_client.exists("retry")


def test_a_frozen_worker_does_not_answer_and_calls_the_job_off_when_it_thaws(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    worker = start(settings="default")
    (jid,) = push(redis_client, payload(hold, str(gate)))
    wait_started(ledger, 1)
    worker.freeze()

    result, seconds = cancel(redis_server.url, ledger, jid)
    assert result.outcome == CancelOutcome.UNANSWERED
    assert f":{worker.pid}:" in result.where
    assert seconds < 12
    worker.thaw()
    # The question is still there.
    eventually_sync(lambda: not in_flight(redis_client), 10)
    assert not redis_client.exists("retry", "dead", "queue:default")


def test_a_frozen_worker_that_does_not_have_the_job_delays_nobody_for_long(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    start(settings="default", queues=["a"]).freeze()
    start(settings="default", queues=["b"])
    (running,) = push(redis_client, payload(hold, str(gate), queue="b"))
    (waiting,) = push(redis_client, payload(noop, queue="c"))
    wait_started(ledger, 1)

    for jid, outcome in ((running, CancelOutcome.CANCELLED), (waiting, CancelOutcome.REMOVED)):
        result, seconds = cancel(redis_server.url, ledger, jid)
        assert result.outcome == outcome
        assert seconds < CANCELLED_WITHIN
    assert cancel(redis_server.url, ledger, "nobody")[0].outcome == CancelOutcome.NOT_FOUND


def test_a_fenced_worker_calls_off_nothing_that_others_run(
    redis_server: Database, redis_client: redis.Redis, start: Start, ledger: Ledger, gate: Path
) -> None:
    frozen = start()
    (jid,) = push(redis_client, payload(hold, str(gate)))
    wait_started(ledger, 1)
    frozen.freeze()
    other = start()
    wait_started(ledger, 2)

    result, _ = cancel(redis_server.url, ledger, jid)
    assert result.outcome == CancelOutcome.CANCELLED
    assert f":{other.pid}:" in result.where
    frozen.thaw()
    eventually_sync(lambda: "others took this worker for dead" in frozen.log(), 15)
    eventually_sync(lambda: not in_flight(redis_client), 10)
    assert not redis_client.exists("retry", "dead", "queue:default")


@pytest.mark.parametrize("fault", ["cut", "strand"])
def test_a_control_connection_that_breaks_is_replaced(
    fault: str,
    redis_server: Database,
    proxy: Proxy,
    redis_client: redis.Redis,
    start: Start,
    ledger: Ledger,
    gate: Path,
) -> None:
    start(redis=proxy.url(redis_server.number), overrides={"answer_timeout": 1.0, "block_time": 0.3})
    (jid,) = push(redis_client, payload(hold, str(gate)))
    wait_started(ledger, 1)
    (proxy.close_all if fault == "cut" else proxy.strand)()

    def is_cancelled() -> bool:
        return cancel(redis_server.url, ledger, jid)[0].outcome in (CancelOutcome.CANCELLED, CancelOutcome.NOT_FOUND)

    # What goes silent is given up after three waits.
    eventually_sync(is_cancelled, 15 if fault == "cut" else 60)
    eventually_sync(lambda: not in_flight(redis_client), 10)


def test_workers_are_steered_where_memory_is_full(own_redis: RedisServer, ledger: Ledger, gate: Path) -> None:
    database = own_redis.database(1)
    with database.client() as client, WorkerProcess(WorkerOptions(redis=database.url, ledger=ledger)) as worker:
        (jid,) = push(client, payload(hold, str(gate)))
        wait_started(ledger, 1)
        client.config_set("maxmemory", "1")

        assert cancel(database.url, ledger, jid)[0].outcome == CancelOutcome.CANCELLED
        client.config_set("maxmemory", "0")
        eventually_sync(lambda: not in_flight(client), 10)
        assert worker.stop() == 0
        assert json.loads(client.get("stat:processed") or b"0") == 1
