import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from tests.support.eventually import eventually_sync
from tests.unit.support.proxy_clients import raw, received, through

pytestmark = pytest.mark.allow_any_keys


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


def test_a_stranded_connection_is_silent_for_good_and_new_ones_work(proxy, redis_server, redis_client) -> None:
    with raw(proxy, timeout=0.3) as stranded, through(proxy, redis_server) as client:
        stranded.sendall(b"PING\r\n")
        assert received(stranded, 7)

        assert proxy.strand() == 1
        stranded.sendall(f"SELECT {redis_server.number}\r\nSET key lost\r\n".encode())
        proxy.heal()
        stranded.sendall(b"PING\r\n")

        with pytest.raises(TimeoutError):
            stranded.recv(100)
        assert client.ping()
        assert redis_client.get("key") is None
        assert [record.is_open for record in proxy.connections] == [True, True]


def test_what_waited_for_a_connection_that_is_stranded_is_lost(proxy, redis_server, redis_client) -> None:
    with raw(proxy) as stranded, through(proxy, redis_server, timeout=0.3) as client:
        stranded.sendall(f"SELECT {redis_server.number}\r\n".encode())
        assert received(stranded, 5)
        proxy.blackhole("requests")
        stranded.sendall(b"SET key late\r\n")
        # By the time that another, later request waits, this one does.
        with pytest.raises(redis.TimeoutError):
            client.ping()

        proxy.strand()
        proxy.heal()

        assert client.ping()
        assert redis_client.get("key") is None


def test_stranding_closes_what_a_program_had_left_behind_a_black_hole(proxy, redis_client) -> None:
    with raw(proxy) as connection:
        connection.sendall(b"CLIENT SETNAME left\r\n")
        assert received(connection, 5)
        proxy.blackhole()
    eventually_sync(lambda: [record.is_open for record in proxy.connections] == [False])
    assert "left" in [entry["name"] for entry in redis_client.client_list()]

    assert proxy.strand() == 0

    eventually_sync(lambda: "left" not in [entry["name"] for entry in redis_client.client_list()])


def test_a_blocked_command_lives_on_behind_a_stranded_connection(proxy, redis_server, redis_client) -> None:
    with raw(proxy) as stranded:
        stranded.sendall(f"SELECT {redis_server.number}\r\nBLMOVE from to LEFT LEFT 30\r\n".encode())
        eventually_sync(lambda: "blmove" in [entry["cmd"] for entry in redis_client.client_list()])
        proxy.strand()

        redis_client.rpush("from", "job")

        eventually_sync(lambda: redis_client.lrange("to", 0, -1) == [b"job"])


def test_a_stranded_connection_that_one_side_closes_is_closed_on_the_other(proxy, redis_client) -> None:
    with raw(proxy) as first, raw(proxy) as second:
        for connection in (first, second):
            connection.sendall(b"CLIENT SETNAME stranded\r\n")
            received(connection, 5)
        ids = [entry["id"] for entry in redis_client.client_list() if entry["name"] == "stranded"]
        proxy.strand()

        first.close()

        eventually_sync(lambda: "stranded" in [entry["name"] for entry in redis_client.client_list()])
        eventually_sync(lambda: len({entry["id"] for entry in redis_client.client_list()} & set(ids)) == 1)
        redis_client.client_kill_filter(_id=max(ids))
        assert second.recv(100) == b""
    eventually_sync(lambda: [record.is_open for record in proxy.connections] == [False, False])


def test_a_slow_line_carries_at_most_its_share_each_way_and_keeps_the_order(proxy) -> None:
    payload = bytes(range(97, 123)) * 500
    proxy.limit_bandwidth(100_000)

    with raw(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"*2\r\n$4\r\nECHO\r\n$13000\r\n%s\r\n" % payload)
        first = connection.recv(1)
        arrived_after = time.monotonic() - began
        rest = received(connection, len(payload) + 9)
        took = time.monotonic() - began

    assert first + rest == b"$13000\r\n%s\r\n" % payload
    assert arrived_after >= 0.13
    assert took >= 0.26


def test_a_long_reply_trickles_through_a_slow_line_and_is_there_at_once_when_it_heals(
    proxy, redis_server, redis_client
) -> None:
    redis_client.set("long", b"x" * 1_000_000)
    with raw(proxy) as connection:
        proxy.limit_bandwidth(10_000)
        connection.sendall(f"SELECT {redis_server.number}\r\nGET long\r\n".encode())
        first = received(connection, 100)
        assert len(first) < 500_000

        proxy.heal()

        assert len(received(connection, 1_000_017 - len(first))) == 1_000_017 - len(first)


def test_a_slow_line_has_latency_too(proxy) -> None:
    proxy.limit_bandwidth(10_000)
    proxy.delay(0.1)

    with raw(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"PING\r\n" * 100)
        assert received(connection, 700) == b"+PONG\r\n" * 100

    # There 600 bytes, and back 700, of which no more than a few may be on both ways at once.
    assert time.monotonic() - began >= 0.2 + 0.07


def test_a_slow_line_makes_the_sender_wait(proxy) -> None:
    proxy.limit_bandwidth(10_000)
    most = 50_000_000
    sent = 0

    with raw(proxy, timeout=0.5) as connection, suppress(TimeoutError):
        while sent < most:
            sent += connection.send(b"PING\r\n" * 10_000)

    assert sent < most


def test_a_line_that_is_slow_again_does_not_remember_the_first_time(proxy) -> None:
    with raw(proxy) as connection:
        proxy.limit_bandwidth(1)
        connection.sendall(b"PING\r\n" * 20)
        proxy.heal()
        assert received(connection, 140) == b"+PONG\r\n" * 20

        proxy.limit_bandwidth(1_000_000)
        connection.sendall(b"PING\r\n")

        assert received(connection, 7) == b"+PONG\r\n"


def test_a_black_hole_holds_what_a_slow_late_line_carries(proxy, redis_server, redis_client) -> None:
    with through(proxy, redis_server, timeout=0.3) as client:
        client.ping()
        proxy.delay(0.05)
        proxy.limit_bandwidth(10_000)
        proxy.blackhole("requests")
        with pytest.raises(redis.TimeoutError):
            client.set("key", b"x" * 100_000)
        assert redis_client.get("key") is None

        proxy.heal()

        eventually_sync(lambda: redis_client.get("key") == b"x" * 100_000)


def test_black_holes_add_up(proxy, redis_server, redis_client) -> None:
    with through(proxy, redis_server, timeout=0.3) as client:
        client.ping()
        proxy.blackhole("requests")
        proxy.blackhole("replies")

        with pytest.raises(redis.TimeoutError):
            client.set("key", 1)

        assert redis_client.get("key") is None


def test_a_second_black_hole_does_not_open_the_first(proxy, redis_server, redis_client) -> None:
    with raw(proxy, timeout=0.3) as connection:
        connection.sendall(f"SELECT {redis_server.number}\r\nBLPOP list 30\r\n".encode())
        assert received(connection, 5)
        eventually_sync(lambda: "blpop" in [entry["cmd"] for entry in redis_client.client_list()])
        proxy.blackhole("replies")
        proxy.blackhole("requests")

        redis_client.rpush("list", "x")

        with pytest.raises(TimeoutError):
            connection.recv(100)
