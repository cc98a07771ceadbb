import asyncio
import re
from contextlib import suppress

import pytest

from tests.support.eventually import eventually_sync
from tests.support.proxy import Proxy
from tests.support.redis_server import Database
from tests.unit.support.proxy_clients import CUT, raw, received, through

pytestmark = pytest.mark.allow_any_keys


def count_to_a_hundred(proxy: Proxy, redis_server: Database) -> int:
    """Return how many of the requests got no answer."""
    errors = 0
    with through(proxy, redis_server) as client:
        for _ in range(100):
            try:
                client.incr("count")
            except CUT:
                errors += 1
    return errors


def test_cuts_each_connection_after_its_share_of_replies(proxy, redis_server, redis_client) -> None:
    proxy.cut_after_replies(5, 10)

    errors = count_to_a_hundred(proxy, redis_server)

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


async def test_resets_every_connection_at_once(proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"

    proxy.close_all()

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert [record.is_open for record in proxy.connections] == [False]


def test_cuts_each_connection_in_the_middle_of_a_reply(proxy) -> None:
    proxy.cut_after_reply_bytes(20, 60)
    deliveries = []

    for _ in range(20):
        with raw(proxy) as connection:
            connection.sendall(b"PING\r\n" * 20)
            deliveries.append(received(connection))

    pongs = b"+PONG\r\n" * 20
    assert all(pongs.startswith(delivery) and 20 <= len(delivery) <= 61 for delivery in deliveries)
    assert all(len(delivery) % len(b"+PONG\r\n") for delivery in deliveries)
    assert len({len(delivery) for delivery in deliveries}) > 5
    assert proxy.cuts == proxy.replies_dropped == 20


def test_what_was_asked_before_a_torn_reply_was_carried_out(proxy, redis_server, redis_client) -> None:
    proxy.cut_after_reply_bytes(6, 40)

    errors = count_to_a_hundred(proxy, redis_server)

    assert errors >= 10
    assert redis_client.get("count") == b"100"


def test_resets_a_share_of_the_replies_delivered_or_not(proxy, redis_server) -> None:
    proxy.reset_share(0.1)

    with through(proxy, redis_server) as client:
        for _ in range(300):
            try:
                client.ping()
            except CUT:
                continue

    assert 10 <= proxy.cuts <= 60
    assert 0 < proxy.replies_dropped < proxy.cuts


def test_counts_as_cut_what_a_fault_has_reset_and_nothing_else(proxy, redis_client) -> None:
    with raw(proxy) as left, raw(proxy) as killed, raw(proxy) as reset:
        for connection in (left, killed, reset):
            connection.sendall(b"CLIENT ID\r\n")
        left.recv(100)
        redis_client.client_kill_filter(_id=int(killed.recv(100)[1:]))
        reset.recv(100)
        assert killed.recv(100) == b""
        # Its other half stays open.
        proxy.blackhole("requests")
        left.close()
        eventually_sync(lambda: [record.is_open for record in proxy.connections] == [False, False, True])
        proxy.refuse()
        # The reset may come before or after the system has told the program that it is connected.
        with suppress(ConnectionResetError), raw(proxy) as refused:
            refused.recv(100)
        assert len(proxy.attempts) == 4
        assert proxy.cuts == 0

        proxy.close_all()

        assert received(reset) == b""
    assert proxy.cuts == 1


def test_a_reply_that_was_to_be_dropped_arrives_after_healing(proxy, redis_server, redis_client) -> None:
    proxy.drop_reply_to(b"BLPOP")
    with raw(proxy) as connection:
        connection.sendall(f"SELECT {redis_server.number}\r\nBLPOP list 30\r\n".encode())
        eventually_sync(lambda: "blpop" in [entry["cmd"] for entry in redis_client.client_list()])

        proxy.heal()
        redis_client.rpush("list", "x")

        expected = b"+OK\r\n*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
        assert received(connection, len(expected)) == expected
