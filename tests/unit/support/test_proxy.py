import gc

import pytest
import redis

from tests.support.eventually import eventually_sync
from tests.support.proxy import Proxy
from tests.support.proxy_connection import Connection
from tests.unit.support.proxy_clients import CUT, raw, received, through

pytestmark = pytest.mark.allow_any_keys


def test_passes_everything_through(proxy, redis_server, redis_client) -> None:
    big = b"x" * 3_000_000

    with through(proxy, redis_server) as client:
        client.set("big", big)
        client.rpush("list", *range(1000))
        assert client.get("big") == big
        assert len(client.lrange("list", 0, -1)) == 1000

    assert redis_client.get("big") == big
    assert proxy.replies_dropped == 0


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


def test_what_was_late_before_it_healed_makes_nothing_late_after(proxy, redis_server) -> None:
    with raw(proxy) as connection:
        connection.sendall(b"PING\r\n")
        assert received(connection, 7)
        proxy.delay(60)
        proxy.limit_bandwidth(1)
        connection.sendall(b"PING\r\n" * 50)

        proxy.heal()
        connection.sendall(b"PING\r\n" * 50)

        assert received(connection, 700) == b"+PONG\r\n" * 100


def test_healing_undoes_every_fault(proxy, redis_server) -> None:
    with through(proxy, redis_server) as client:
        client.ping()
        proxy.cut_after_replies(1, 1)
        proxy.cut_after_reply_bytes(1, 1)
        proxy.cut_after_request_bytes(1, times=100)
        proxy.drop_reply_to(b"PING", times=100)
        proxy.reset_share(1)
        proxy.delay(60)
        proxy.limit_bandwidth(1)
        proxy.blackhole()
        proxy.refuse()

        proxy.heal()

        for _ in range(50):
            assert client.ping()
        with through(proxy, redis_server) as other:
            assert other.ping()
    assert proxy.cuts == 0


def test_remembers_only_the_last_connections_and_lets_go_of_the_others(redis_server) -> None:
    with Proxy(redis_server.server.port, keep=5) as proxy:
        gc.collect()
        for _ in range(20):
            with raw(proxy) as connection:
                connection.sendall(b"PING\r\n")
                assert received(connection, 7)
        eventually_sync(lambda: not any(record.is_open for record in proxy.connections))

        records = proxy.connections
        gc.collect()

        # The sockets to the server may close a little later than those to the program.
        assert [(record.number, record.requests, record.replies) for record in records][-1] == (19, 1, 1)
        eventually_sync(lambda: [record.number for record in proxy.connections] == [15, 16, 17, 18, 19])
        assert len(proxy.attempts) == 5
        gc.collect()
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Connection)]


def test_hanging_up_at_once_leaves_nothing_open_at_the_server(own_redis) -> None:
    with Proxy(own_redis.port) as proxy, own_redis.client() as client:
        for _ in range(50):
            raw(proxy).close()

        eventually_sync(lambda: len(proxy.attempts) == 50)
        eventually_sync(lambda: len(client.client_list()) == 1)
        assert not any(record.is_open for record in proxy.connections)


def test_stops_although_a_frozen_server_takes_nothing(own_redis) -> None:
    with Proxy(own_redis.port) as proxy, raw(proxy, timeout=0.5) as connection:
        own_redis.pause()
        with pytest.raises(TimeoutError):
            connection.sendall(b"x" * 50_000_000)

        proxy.stop()

    own_redis.resume()
