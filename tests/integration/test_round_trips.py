"""How often a worker and a producer talk to Redis: counted, for a count is the same on every machine."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from sidelong import Job, Sidelong
from sidelong.core.config import Config
from sidelong.store import keys
from tests.support import seeding
from tests.support.eventually import eventually
from tests.support.monitor import Monitor, SeenCommand
from tests.support.redis_server import Database

JOBS = 5_000
SLOTS = 100

# Every interval of an idle worker is a quarter of the product's own, so that several rounds of each pass in short.
FASTER = 4
INTERVALS = ("beat_interval", "block_time", "lease_ttl", "poll_interval", "recovery_grace", "recovery_interval")
BEATS = 3


class Relay:
    """Passes bytes on to a server and counts the round trips.

    One begins when the client sends, its first bytes or after an answer: what it sends together, however many commands
    these are, is one.

    Attributes:
        port: where it listens.
        round_trips: how many there were, over all connections.
    """

    def __init__(self, upstream_port: int) -> None:
        self.port = 0
        self.round_trips = 0
        self._upstream_port = upstream_port
        self._server: asyncio.Server
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await asyncio.gather(*self._serving)

    async def _serve(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        answers, server = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        is_asked = False

        async def ask() -> None:
            nonlocal is_asked
            while data := await requests.read(2**20):
                self.round_trips += not is_asked
                is_asked = True
                server.write(data)
            server.close()

        async def answer() -> None:
            nonlocal is_asked
            while data := await answers.read(2**20):
                is_asked = False
                client.write(data)
            client.close()

        await asyncio.gather(ask(), answer(), return_exceptions=True)


@pytest.fixture
async def relay(redis_server: Database) -> AsyncIterator[Relay]:
    """A relay in front of `redis_server`."""
    running = Relay(redis_server.server.port)
    await running.start()
    yield running
    await running.stop()


def noop_of(app: Sidelong) -> Job[[int], None]:
    @app.job(name="noop")
    async def noop(number: int) -> None:
        """Does nothing."""

    return noop


# A busy worker.


async def drain(url: str, client: redis.Redis) -> None:
    """Let a worker run many jobs that were there before it."""
    seeding.push(client, *(seeding.payload("noop", number) for number in range(JOBS)))
    client.config_resetstat()
    app = Sidelong(url)
    noop_of(app)
    async with app, app.worker(concurrency=SLOTS):
        await eventually(lambda: int(client.get("stat:processed") or 0) == JOBS, 30)


async def test_a_busy_worker_needs_less_than_one_round_trip_for_ten_jobs(
    relay: Relay, redis_server: Database, redis_client: redis.Redis
) -> None:
    await drain(f"redis://127.0.0.1:{relay.port}/{redis_server.number}", redis_client)

    assert 0 < relay.round_trips <= JOBS / 10


async def test_a_job_costs_redis_one_command_to_take_it_and_one_to_settle_it(
    redis_server: Database, redis_client: redis.Redis
) -> None:
    await drain(redis_server.url, redis_client)

    calls = {name.removeprefix("cmdstat_"): seen["calls"] for name, seen in redis_client.info("commandstats").items()}
    assert calls["lrem"] == JOBS
    # A parked wait brings the first job, and a queue is empty only when a look has found it so.
    assert abs(calls["lmove"] - JOBS) <= 5
    # Everything else is once for each turn, the two counters of the day included.
    assert calls["incrby"] <= 2 * calls["evalsha"]
    assert {name for name, count in calls.items() if count > JOBS / 10} == {"lrem", "lmove"}


# A producer.


async def test_an_awaited_enqueue_is_one_round_trip(relay: Relay, redis_server: Database) -> None:
    async with Sidelong(f"redis://127.0.0.1:{relay.port}/{redis_server.number}") as app:
        noop = noop_of(app)
        await noop.enqueue(0)
        before = relay.round_trips

        for number in range(20):
            await noop.enqueue(number)

        assert relay.round_trips - before == 20


async def test_fifty_coroutines_that_enqueue_at_once_share_round_trips(relay: Relay, redis_server: Database) -> None:
    async with Sidelong(f"redis://127.0.0.1:{relay.port}/{redis_server.number}") as app:
        noop = noop_of(app)
        await noop.enqueue(0)
        before = relay.round_trips

        await asyncio.gather(*(noop.enqueue(number) for number in range(50)))
        once = relay.round_trips - before
        await asyncio.gather(*(one_by_one(noop, 10) for _ in range(50)))

        assert once <= 5
        assert relay.round_trips - before - once <= 10 * 5


async def one_by_one(job: Job[[int], None], count: int) -> None:
    for number in range(count):
        await job.enqueue(number)


# An idle worker.


@pytest.mark.parametrize(("queues", "most"), [(1, 3), (5, 3 + 5)])
async def test_an_idle_worker_sends_few_commands(
    queues: int, most: int, redis_server: Database, redis_client: redis.Redis
) -> None:
    settings: Any = {name: getattr(Config(), name) / FASTER for name in INTERVALS}
    app = Sidelong(redis_server.url, **settings)
    noop_of(app)

    def beats() -> list[SeenCommand]:
        # A script, after whose digest and number of keys stands the lease.
        return [each for each in monitor.commands if "".join(each.arguments[2:3]).startswith(keys.lease(""))]

    async with app, app.worker(queues=[f"queue-{number}" for number in range(queues)]):
        # The connection of the first audit is the last to be made.
        await eventually(lambda: "sidelong:control" in {each["name"] for each in redis_client.client_list()}, 10)
        with Monitor(redis_server.url) as monitor:
            await eventually(lambda: len(beats()) > BEATS, 30)

    first, *_, last = beats()
    sent = [command for command in monitor.commands if first.at <= command.at < last.at]
    assert 0 < len(sent) / (last.at - first.at) / FASTER <= most
