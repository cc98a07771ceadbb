import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.eventually import eventually_sync
from tests.support.proxy import Proxy
from tests.support.redis_server import Database

pytestmark = pytest.mark.allow_any_keys

CUT = (redis.ConnectionError, redis.TimeoutError)


def through(proxy: Proxy, redis_server: Database, timeout: float = 5) -> redis.Redis:
    url = proxy.url(redis_server.number)
    return redis.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=timeout, driver_info=None)


def test_passes_everything_through(proxy, redis_server, redis_client) -> None:
    big = b"x" * 3_000_000

    with through(proxy, redis_server) as client:
        client.set("big", big)
        client.rpush("list", *range(1000))
        assert client.get("big") == big
        assert len(client.lrange("list", 0, -1)) == 1000

    assert redis_client.get("big") == big
    assert proxy.replies_dropped == 0


def test_cuts_each_connection_after_its_share_of_replies(proxy, redis_server, redis_client) -> None:
    proxy.cut_after_replies(5, 10)
    errors = 0

    with through(proxy, redis_server) as client:
        for _ in range(100):
            try:
                client.incr("count")
            except CUT:
                errors += 1

    assert errors >= 10
    assert proxy.replies_dropped == proxy.cuts
    assert all(record.replies < 10 for record in proxy.connections)
    # What was swallowed was carried out: only requests lost in the handshake of a connection are missing.
    assert redis_client.get("count") == b"100"


def test_the_same_seed_cuts_at_the_same_replies(redis_server) -> None:
    lives = []
    for _ in range(2):
        with Proxy(redis_server.server.port, seed=7) as proxy, through(proxy, redis_server) as client:
            proxy.cut_after_replies(5, 50)
            for _ in range(200):
                try:
                    client.ping()
                except CUT:
                    continue
            lives.append([record.replies for record in proxy.connections][:-1])

    assert lives[0] == lives[1]
    assert len(set(lives[0])) > 1


def test_drops_the_reply_to_a_matching_request_once(proxy, redis_server, redis_client) -> None:
    proxy.drop_reply_to(re.compile(rb"^LPUSH \S+ job"))

    with through(proxy, redis_server) as client:
        client.lpush("list", "other")
        with pytest.raises(CUT):
            client.lpush("list", "job 1")
        client.lpush("list", "job 2")

    assert redis_client.lrange("list", 0, -1) == [b"job 2", b"job 1", b"other"]
    assert proxy.replies_dropped == 1


def test_delivers_the_replies_before_the_dropped_one(proxy, redis_server) -> None:
    proxy.drop_reply_to(b"SET third")

    async def send() -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"SET first 1\r\nSET second 2\r\nSET third 3\r\nSET fourth 4\r\n")
        lines = []
        try:
            while line := await reader.readline():
                lines.append(line)
        except ConnectionResetError:
            writer.close()
        return lines

    assert asyncio.run(send()) == [b"+OK\r\n", b"+OK\r\n"]


def test_half_a_command_arrives_and_is_not_carried_out(proxy, redis_server, redis_client) -> None:
    with through(proxy, redis_server) as client:
        client.ping()
        proxy.cut_after_request_bytes(500_000)
        with pytest.raises(CUT):
            client.set("big", b"x" * 1_000_000)
        client.set("small", 1)

    assert redis_client.get("small") == b"1"
    assert redis_client.get("big") is None


@pytest.mark.parametrize(("direction", "arrives"), [("both", False), ("replies", True), ("requests", False)])
def test_a_black_hole_swallows_without_closing(proxy, redis_server, redis_client, direction, arrives) -> None:
    with through(proxy, redis_server, timeout=0.3) as client:
        client.ping()
        proxy.blackhole(direction)

        with pytest.raises(redis.TimeoutError):
            client.set("key", 1)

        assert (redis_client.get("key") is not None) == arrives


def test_what_a_black_hole_held_arrives_when_it_heals(proxy, redis_server, redis_client) -> None:
    with through(proxy, redis_server, timeout=0.3) as client:
        client.ping()
        proxy.blackhole("requests")
        with pytest.raises(redis.TimeoutError):
            client.set("key", "late")

        proxy.heal()

        eventually_sync(lambda: redis_client.get("key") == b"late")


def test_behind_a_black_hole_a_blocked_command_outlives_its_client(proxy, redis_server, redis_client) -> None:
    client = through(proxy, redis_server, timeout=0.3)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(client.blmove, "from", "to", 10)
        eventually_sync(lambda: "blmove" in [entry["cmd"] for entry in redis_client.client_list()])
        proxy.blackhole()
        with pytest.raises(redis.TimeoutError):
            waiting.result()
    client.close()

    redis_client.rpush("from", "job")

    eventually_sync(lambda: redis_client.lrange("to", 0, -1) == [b"job"])


def test_delays_both_ways_without_holding_up_a_pipeline(proxy, redis_server) -> None:
    with through(proxy, redis_server) as client:
        client.ping()
        proxy.delay(0.1)
        began = time.monotonic()

        with client.pipeline(transaction=False) as pipeline:
            for _ in range(50):
                pipeline.ping()
            pipeline.execute()

    assert 0.2 <= time.monotonic() - began < 2


def test_counts_attempts_while_it_refuses(proxy, redis_server) -> None:
    proxy.refuse()
    with through(proxy, redis_server) as client:
        for _ in range(3):
            with pytest.raises(CUT):
                client.ping()

        proxy.heal()

        assert client.ping()
    assert len(proxy.attempts) == 4
    assert proxy.attempts == sorted(proxy.attempts)


async def test_resets_every_connection_at_once(proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"

    proxy.close_all()

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert [record.is_open for record in proxy.connections] == [False]


async def test_serves_while_the_test_blocks_its_own_loop(proxy, redis_server) -> None:
    with through(proxy, redis_server) as client:
        assert client.ping()


def test_a_server_that_is_down_looks_like_a_reset(own_redis) -> None:
    own_redis.stop()

    with (
        Proxy(own_redis.port) as proxy,
        redis.Redis(port=proxy.port, retry=None) as client,
        pytest.raises(CUT),
    ):
        client.ping()
