"""A network that loses replies, cuts connections, and goes silent: nothing is lost, and nothing runs twice."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from sidelong import EnqueueUncertain, NotEnqueued, Sidelong
from tests.support import redis_state, seeding
from tests.support.eventually import eventually, eventually_sync
from tests.support.ledger import START, Ledger
from tests.support.processes import Supervisor, WorkerOptions, WorkerProcess
from tests.support.proxy import Direction, Proxy
from tests.support.redis_server import Database, RedisServer
from tests.support.timings import TEST_TIMINGS

COUNT = 20_000
DIRECTIONS: tuple[Direction, ...] = ("both", "replies", "requests")
# A wait for three queues, and two audits.
FOUND_AFTER = 3 * TEST_TIMINGS["block_time"] + 2 * TEST_TIMINGS["beat_interval"]
DEAD_AFTER = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + TEST_TIMINGS["recovery_interval"]


def enqueue(client: redis.Redis, job: str, *args: object, count: int = 1, queue: str = "default") -> list[str]:
    """Push equal jobs past the proxies and return their ids."""
    return seeding.push(client, *[seeding.payload(job, *args, queue=queue) for _ in range(count)])


def processed(client: redis.Redis) -> int:
    return int(client.get("stat:processed") or 0)


def is_drained(client: redis.Redis) -> bool:
    return not redis_state.payloads(redis_state.dump(client))


@contextmanager
def proxies(server: RedisServer, count: int) -> Iterator[list[Proxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(server.port, seed=seed)) for seed in range(count)]


@pytest.mark.slow
def test_lost_replies_and_cut_connections_neither_lose_nor_double_a_job(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    jids = enqueue(redis_client, "quick", count=COUNT)

    with proxies(redis_server.server, 4) as links, ExitStack() as stack:
        for link in links:
            link.cut_after_replies(20, 400)
            url = link.url(redis_server.number)
            stack.enter_context(Supervisor(WorkerOptions(redis=url, ledger=ledger, concurrency=5), count=1))
        eventually_sync(lambda: processed(redis_client) >= COUNT and is_drained(redis_client), 90)
        cuts = sum(link.cuts for link in links)

    history = ledger.history()
    print(f"{COUNT} jobs, {cuts} connections cut: {len(history.lost(jids))} lost, {len(history.ran_twice())} run twice")
    assert cuts >= 40
    assert not history.lost(jids)
    assert not history.ran_twice()
    assert processed(redis_client) == COUNT


def test_a_job_whose_reply_is_lost_on_its_way_to_an_idle_worker_runs_soon(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger, proxy: Proxy
) -> None:
    options = WorkerOptions(redis=proxy.url(redis_server.number), ledger=ledger, queues=["high", "default", "low"])

    def is_waiting(queue: str) -> bool:
        return any(
            entry["name"].endswith(f"-park-{queue}") and "b" in entry["flags"] for entry in redis_client.client_list()
        )

    with WorkerProcess(options):
        eventually_sync(lambda: all(map(is_waiting, options.queues)), 15)
        # Their waits end one after the other, and never all between two audits.
        for queue in ("high", "default"):
            (jid,) = enqueue(redis_client, "noop", queue=queue)
            eventually_sync(lambda jid=jid: jid in ledger.history().ends, 15)
            threading.Event().wait(0.7)
        proxy.drop_reply_to(b"BLMOVE queue:low")
        eventually_sync(lambda: not proxy.drops_to_come, 15)
        (lost,) = enqueue(redis_client, "noop", queue="low")
        eventually_sync(lambda: proxy.replies_dropped == 1, 15)
        dropped_at = time.monotonic()
        eventually_sync(lambda: lost in ledger.history().ends, 3 * FOUND_AFTER)
        print(f"ran {time.monotonic() - dropped_at:.1f} s after its reply was lost")

    assert not ledger.history().ran_twice()


async def test_a_push_whose_reply_is_lost_names_the_job_and_leaves_no_silent_copy(
    redis_server: Database, redis_client: redis.Redis, proxy: Proxy
) -> None:
    async with Sidelong(proxy.url(redis_server.number)) as app:
        await app.enqueue("noop")
        proxy.drop_reply_to(b"LPUSH")

        with pytest.raises(EnqueueUncertain) as caught:
            await app.enqueue("noop", jid="b" * 24)
        after = await app.enqueue("noop")

    assert caught.value.jids == ("b" * 24,)
    assert "b" * 24 in str(caught.value)
    assert redis_state.places(redis_state.dump(redis_client))["b" * 24] == ["queue:default"]
    assert after is not None
    assert redis_client.llen("queue:default") == 3


async def test_concurrent_pushes_that_lose_one_reply_each_know_their_own_fate(
    redis_server: Database, redis_client: redis.Redis, proxy: Proxy
) -> None:
    async with Sidelong(proxy.url(redis_server.number)) as app:
        await app.enqueue("noop")
        proxy.drop_reply_to(b"LPUSH queue:low")
        names = ["high", "low"] * 20

        results = await asyncio.gather(
            *[app.enqueue("noop", queue=name, jid=f"{number:024x}") for number, name in enumerate(names)],
            return_exceptions=True,
        )

    places = redis_state.places(redis_state.dump(redis_client))
    assert not [result for result in results if isinstance(result, NotEnqueued)]
    for number, result in enumerate(results):
        jid = f"{number:024x}"
        assert len(places[jid]) == 1
        assert str(result) == jid or (isinstance(result, EnqueueUncertain) and result.jids == (jid,))
    assert sum(isinstance(result, EnqueueUncertain) for result in results) >= 20


async def test_a_push_that_was_never_sent_says_that_nothing_was_stored(
    redis_server: Database, redis_client: redis.Redis, proxy: Proxy
) -> None:
    async with Sidelong(proxy.url(redis_server.number)) as app:
        await app.enqueue("noop")
        proxy.refuse()
        proxy.close_all()

        with pytest.raises(NotEnqueued):
            await app.enqueue("noop")
        proxy.heal()
        await eventually(lambda: _pushed(app), within=10)

    assert redis_client.llen("queue:default") == 2


async def _pushed(app: Sidelong) -> bool:
    try:
        return bool(await app.enqueue("noop"))
    except NotEnqueued:
        return False


async def test_a_push_cut_off_half_way_stores_nothing_and_says_that_it_does_not_know(
    redis_server: Database, redis_client: redis.Redis, proxy: Proxy
) -> None:
    async with Sidelong(proxy.url(redis_server.number), payload_warn=10_000_000) as app:
        await app.enqueue("noop")
        proxy.cut_after_request_bytes(500_000)

        with pytest.raises(EnqueueUncertain):
            await app.enqueue("noop", "x" * 1_000_000)
        size = redis_client.llen("queue:default")
        await app.enqueue("noop", "x" * 1_000_000)

    assert size == 1
    assert redis_client.llen("queue:default") == 2


@pytest.mark.slow
def test_workers_behind_a_black_hole_lose_their_jobs_to_others_and_come_back(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def worker(url: str, *queues: str) -> WorkerProcess:
        return WorkerProcess(WorkerOptions(redis=url, ledger=ledger, concurrency=20, queues=queues))

    with proxies(redis_server.server, len(DIRECTIONS)) as links, ExitStack() as stack:
        cut_off = [
            stack.enter_context(worker(link.url(redis_server.number), "shared", way, f"{way}-only"))
            for link, way in zip(links, DIRECTIONS, strict=True)
        ]
        held = [jid for way in DIRECTIONS for jid in enqueue(redis_client, "hold", str(gate), count=4, queue=way)]
        eventually_sync(lambda: set(held) <= ledger.history().runs.keys(), 15)
        rescuer = stack.enter_context(worker(redis_server.url, "shared", *DIRECTIONS))
        for link, way in zip(links, DIRECTIONS, strict=True):
            link.blackhole(way)
        shared = enqueue(redis_client, "quick", count=200, queue="shared")
        eventually_sync(lambda: set(held) <= _begun_by(ledger, rescuer.pid), 3 * DEAD_AFTER)
        resumed = [jid for way in DIRECTIONS for jid in enqueue(redis_client, "noop", queue=f"{way}-only")]
        for link in links:
            link.heal()
        healed_at = time.monotonic()
        eventually_sync(lambda: set(resumed) <= ledger.history().ends.keys(), 15)
        print(f"fetching resumed {time.monotonic() - healed_at:.2f} s after the network was healed")
        gate.touch()
        eventually_sync(lambda: is_drained(redis_client), 15)

    history = ledger.history()
    assert not history.lost([*held, *shared, *resumed])
    assert not history.unexplained({process.pid for process in cut_off})
    assert processed(redis_client) == len(held) + len(shared) + len(resumed)


def _begun_by(ledger: Ledger, pid: int) -> set[str]:
    return {event.jid for event in ledger.history().named(START) if event.pid == pid}


@pytest.mark.slow
def test_idle_connections_that_redis_closes_cause_no_error(
    start_redis: Callable[..., RedisServer], ledger: Ledger
) -> None:
    server = start_redis(config={"timeout": 2})
    options = WorkerOptions(redis=server.url, ledger=ledger, settings="default")

    async def push_now_and_then() -> list[str]:
        async with Sidelong(server.url) as app:
            jids = []
            for _ in range(3):
                jids.append(str(await app.enqueue("noop")))
                # Longer than Redis lets an idle connection live; it looks once a second.
                await asyncio.sleep(3)
            return jids

    with WorkerProcess(options) as worker:
        jids = asyncio.run(push_now_and_then())
        eventually_sync(lambda: set(jids) <= ledger.history().ends.keys(), 15)
        assert worker.stop() == 0

    assert "WARNING" not in worker.log()
    assert "ERROR" not in worker.log()
