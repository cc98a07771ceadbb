"""What a worker does while there is nothing to do: parked, quiet, and awake when something becomes due."""

import statistics
import threading
import time
from contextlib import ExitStack

import pytest
import redis

from sidelong import Sidelong
from sidelong.core.config import Config
from sidelong.store.store import Store
from tests.support import seeding
from tests.support.clocks import SkewedClock
from tests.support.eventually import eventually, eventually_sync
from tests.support.jobs import build_app
from tests.support.ledger import START, Ledger
from tests.support.monitor import Monitor
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import Database, RedisServer

HOUR = 3600.0
CLOCKS_DIFFER = 0.01
QUEUES = (1, 4, 10, 50)
# Whole rounds of every interval that a worker has.
WATCHED_FOR = 20.0
# Further ahead than one poll, and spread over two: a machine that stands still for a moment holds few of them up.
AHEAD = [1.2 + 1.8 * number / 40 for number in range(40)]


def connected(client: redis.Redis) -> list[str]:
    return [found["name"] for found in client.client_list()]


def parked(client: redis.Redis) -> list[str]:
    """Return the names of the connections that wait in BLMOVE."""
    return sorted(found["name"] for found in client.client_list() if found["cmd"] == "blmove")


def test_an_idle_worker_is_parked_at_every_queue_and_starts_what_arrives_at_once(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    options = WorkerOptions(redis=redis_server.url, ledger=ledger, settings="default", queues=["high", "low"])

    with WorkerProcess(options):
        eventually_sync(lambda: len(parked(redis_client)) == 2, 15)
        names = parked(redis_client)
        pushed: dict[str, int] = {}
        for _ in range(5):
            pushed_at = time.monotonic_ns()
            (jid,) = seeding.push(redis_client, seeding.payload("noop", queue="low"))
            pushed[jid] = pushed_at
            eventually_sync(lambda jid=jid: jid in ledger.history().ends, 15)  # type: ignore[misc]
            eventually_sync(lambda: parked(redis_client) == names, 15)

    waited = [(event.ns - pushed[event.jid]) / 1e9 for event in ledger.history().named(START)]
    assert names == ["sidelong:default-park-high", "sidelong:default-park-low"]
    # A poll would take half a second on average; a machine that stands still now and then does not always.
    assert len(waited) == len(pushed)
    assert statistics.median(waited) < 0.25


@pytest.mark.slow
def test_an_idle_worker_sends_few_commands(own_redis: RedisServer, ledger: Ledger) -> None:
    # Database 0 is for looking: what is sent there is not counted.
    databases = {count: own_redis.database(number) for number, count in enumerate(QUEUES, start=1)}

    with ExitStack() as stack:
        for count, database in databases.items():
            names = [f"queue-{index}" for index in range(count)]
            options = WorkerOptions(redis=database.url, ledger=ledger, settings="default", queues=names)
            stack.enter_context(WorkerProcess(options))
        client = stack.enter_context(own_redis.client())
        eventually_sync(lambda: len(parked(client)) == sum(QUEUES), 15)
        eventually_sync(lambda: connected(client).count("sidelong:messages") == len(QUEUES), 15)
        # The first beat and the first audit belong to the start.
        threading.Event().wait(6)
        with ExitStack() as watching:
            monitors = {count: watching.enter_context(Monitor(database.url)) for count, database in databases.items()}
            threading.Event().wait(WATCHED_FOR)
    rates = {count: len(monitor.commands) / WATCHED_FOR for count, monitor in monitors.items()}
    for count, rate in rates.items():
        print(f"{count} queues: {rate:.2f} commands/s, {dict(monitors[count].names)}")

    assert max(rates[1], rates[4], rates[10]) <= 3.0


# Due jobs.


async def delays(app: Sidelong, client: redis.Redis, ledger: Ledger, waits: list[float]) -> list[float]:
    """Schedule a job for each wait and return by how much each started late, in seconds."""
    due = {}
    for wait in waits:
        due_at = time.time() + wait
        due[str(await app.enqueue("noop", at=due_at))] = due_at
    # The ledger has the monotonic clock.
    offset = time.time() - time.monotonic()
    await eventually(lambda: due.keys() <= ledger.history().runs.keys(), 3 * max(waits) + 3)
    started = {event.jid: event.ns / 1e9 + offset for event in ledger.history().named(START)}
    return [started[jid] - due_at for jid, due_at in due.items()]


async def test_a_job_scheduled_more_than_a_second_ahead_starts_on_time(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    app = build_app(redis_server.url, ledger)

    async with app, app.worker():
        late = await delays(app, redis_client, ledger, AHEAD)
        short = await delays(app, redis_client, ledger, [0.1 + 0.8 * number / 20 for number in range(20)])

    print(f"late by: median {statistics.median(late) * 1000:.0f} ms, most {max(late) * 1000:.0f} ms")
    print(f"at shorter notice: median {statistics.median(short) * 1000:.0f} ms, most {max(short) * 1000:.0f} ms")
    assert min(late + short) > -CLOCKS_DIFFER
    assert statistics.median(late) < 0.25
    # One poll, with slack.
    assert max(short) < 3.0


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["fast", "slow"])
async def test_the_clock_of_a_worker_does_not_matter(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger, skew: float
) -> None:
    clock = SkewedClock(skew)
    app = build_app(redis_server.url, ledger, store=Store(Config(redis_url=redis_server.url), clock=clock))
    app.client.clock = clock

    async with Sidelong(redis_server.url) as producer, app, app.worker():
        late = await delays(producer, redis_client, ledger, AHEAD)
        # Its retry is due 0.2 seconds after the failure, by the clock of Redis.
        again = await producer.enqueue("fail_times", 1)
        await eventually(lambda: str(again) in ledger.history().ends, 15)

    assert min(late) > -CLOCKS_DIFFER
    # Who waited for the next poll would be half a second late on average.
    assert statistics.median(late) < 0.25
