import asyncio
import re
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis.asyncio
from redis.credentials import CredentialProvider

from sidelong.core.config import Config
from sidelong.errors import ConfigurationError, Refused, ReplyLost, StoreError, Unavailable
from sidelong.store.endpoint import Endpoint
from sidelong.store.processes import Beat, BeatFailed
from sidelong.store.scripts import Script
from sidelong.store.store import Store
from tests.support.eventually import eventually
from tests.support.proxy import Proxy


async def test_answers_come_in_the_order_of_the_commands(redis_server, new_link):
    link = new_link(redis_server.url)

    answers = await asyncio.gather(*(link.call("ECHO", str(n)) for n in range(500)))

    assert answers == [str(n).encode() for n in range(500)]
    assert (link.sent - link.finished, link.cuts) == (0, 0)


async def test_an_error_in_a_script_is_told_without_the_place_in_it(redis_server, redis_client, new_link):
    redis_client.set("queues", "text")
    link = new_link(redis_server.url)

    with pytest.raises(Refused, match=r"^WRONGTYPE Operation against a key holding the wrong kind of value$"):
        await link.call("EVAL", "return redis.call('SADD', KEYS[1], 'a')", 1, "queues")
    redis_client.delete("queues")


async def test_errors_stand_in_the_list_of_a_pipeline_and_are_raised_by_a_call(redis_server, redis_client, new_link):
    redis_client.set("queues", "text")
    redis_client.expire("queues", 60)
    link = new_link(redis_server.url)

    answers = await link.pipeline([("SADD", "queues", "a"), ("ECHO", "after")])

    assert isinstance(answers[0], Refused)
    assert answers[0].code == "WRONGTYPE"
    assert answers[1] == b"after"
    with pytest.raises(Refused, match="WRONGTYPE"):
        await link.call("SADD", "queues", "a")
    redis_client.delete("queues")


async def test_a_cancelled_caller_loses_only_its_own_wait(redis_server, new_link):
    link = new_link(redis_server.url)
    await link.call("PING")

    callers = [asyncio.create_task(link.call("ECHO", str(n))) for n in range(20)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)

    assert answers[1::2] == [str(n).encode() for n in range(1, 20, 2)]
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert await link.call("ECHO", "next") == b"next"


async def test_a_caller_cancelled_while_connecting_leaves_the_attempt_to_the_others(redis_server, new_link):
    link = new_link(redis_server.url)

    first, second = (asyncio.create_task(link.call("ECHO", word)) for word in ("first", "second"))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == b"second"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_silent_connection_is_dropped_and_the_next_command_gets_a_new_one(proxy: Proxy, new_link):
    link = new_link(proxy.url(), answer_within=0.4)
    await link.call("PING")
    proxy.blackhole()

    with pytest.raises(ReplyLost):
        await link.call("PING")

    proxy.heal()
    assert await link.call("PING") == b"PONG"
    assert link.cuts == 1


async def test_an_answer_that_waits_in_the_socket_while_the_loop_is_blocked_is_not_lost(redis_server, new_link):
    link = new_link(redis_server.url, answer_within=0.2)
    await link.call("PING")

    pending = asyncio.create_task(link.call("ECHO", "still here"))
    for _ in range(3):
        await asyncio.sleep(0)
    time.sleep(1.0)

    assert await pending == b"still here"
    assert link.cuts == 0


async def test_a_slow_but_steady_answer_is_waited_for(new_link):
    whole = b"$40\r\n" + b"x" * 40 + b"\r\n"
    drip = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word, answer in ((b"SETNAME", b"+OK\r\n"), (b"ID", b":1\r\n"), (b"GET", b"")):
            await reader.readuntil(word)
            writer.write(answer)
        for byte in whole:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.wait({asyncio.ensure_future(drip.wait())}, timeout=0.03)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = new_link(f"redis://127.0.0.1:{port}", answer_within=0.4)

    answer = await link.call("GET", "large")

    assert answer == b"x" * 40
    drip.set()
    await link.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_slow_but_steady_upload_is_waited_for_and_a_stuck_one_is_not(is_read: bool, new_link):
    size, limit = 6_000_000, 0.4
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word, answer in ((b"SETNAME", b"+OK\r\n"), (b"ID", b":1\r\n")):
            await reader.readuntil(word)
            writer.write(answer)
        left = size
        while is_read and left > 0:
            left -= len(await reader.read(100_000))
            await asyncio.wait({asyncio.ensure_future(is_over.wait())}, timeout=4 * limit * 100_000 / size)
        if is_read:
            writer.write(b"+OK\r\n")
        await is_over.wait()
        writer.transport.abort()

    listener = socket.create_server(("127.0.0.1", 0))
    # What the kernels keep for both sides must be little beside what is sent.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    server = await asyncio.start_server(serve, sock=listener, limit=65536)
    link = new_link(f"redis://127.0.0.1:{listener.getsockname()[1]}", answer_within=limit)

    began = time.monotonic()
    answer = await asyncio.gather(link.call("SET", "large", b"x" * size), return_exceptions=True)
    took = time.monotonic() - began

    assert took > 2 * limit if is_read else isinstance(answer[0], ReplyLost)
    assert answer == [b"OK"] or not is_read
    is_over.set()
    await link.close()
    server.close()
    await server.wait_closed()


async def test_connects_anew_after_its_connection_was_killed(redis_server, redis_client, new_link):
    link = new_link(redis_server.url)
    own = await link.call("CLIENT", "ID")

    redis_client.client_kill_filter(_id=own)

    async def is_back() -> bool:
        try:
            return await link.call("CLIENT", "ID") != own
        except ReplyLost:
            return False

    assert await eventually(is_back)


async def test_a_cut_that_is_seen_before_the_command_is_written_costs_nothing(redis_server, redis_client, new_link):
    link = new_link(redis_server.url)

    async def next_turn_of_the_loop(awaitable):
        return await awaitable

    for make in (lambda: link.call("ECHO", "a"), lambda: link.pipeline([("ECHO", "a"), ("ECHO", "b")])):
        redis_client.client_kill_filter(_id=await link.call("CLIENT", "ID"))
        command = asyncio.create_task(next_turn_of_the_loop(make()))
        # The loop finds the cut and the new task in the same turn.
        time.sleep(0.05)

        assert await command in (b"a", [b"a", b"b"])


@dataclass
class Peer:
    """A server that greets, answers `ECHO` with its own number, and does what it is told to an idle connection."""

    port: int
    connections: list[asyncio.StreamWriter]

    def resets(self) -> None:
        """End the latest connection by a reset instead of a good-bye."""
        writer = self.connections[-1]
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def says(self, reply: bytes) -> None:
        """Send what nobody has asked for over the latest connection."""
        self.connections[-1].write(reply)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    connections: list[asyncio.StreamWriter] = []
    greeted = {b"SETNAME": b"+OK\r\n", b"ID": b":1\r\n"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        number = len(connections)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for word, answer in greeted.items():
                await reader.readuntil(word)
                writer.write(answer)
            while await reader.readuntil(b"ECHO"):
                writer.write(b":%d\r\n" % number)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield Peer(server.sockets[0].getsockname()[1], connections)
    for writer in connections:
        writer.transport.abort()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("what", ["a reset", "a reply"])
@pytest.mark.parametrize("is_seen", [True, False], ids=["seen by the loop", "not seen by the loop yet"])
async def test_what_comes_over_an_idle_connection_costs_the_next_command_nothing(
    peer: Peer, what: str, is_seen: bool, new_link
):
    link = new_link(f"redis://127.0.0.1:{peer.port}")
    assert await link.call("ECHO", "a") == 1

    if what == "a reset":
        peer.resets()
        # The transport's socket is closed in the next turn of the loop.
        await asyncio.sleep(0)
    else:
        peer.says(b":0\r\n")
    if is_seen:
        await asyncio.sleep(0.05)

    assert await link.call("ECHO", "b") == 2
    assert await link.pipeline([("ECHO", "c")]) == [2]
    assert (len(peer.connections), link.cuts, link.sent - link.finished) == (2, 0, 0)


async def test_a_pipeline_of_nothing_needs_no_connection(peer: Peer, new_link):
    link = new_link(f"redis://127.0.0.1:{peer.port}")

    assert await link.pipeline([]) == []

    assert peer.connections == []


async def test_a_connection_forgotten_while_idle_costs_no_command(proxy: Proxy, new_store, monkeypatch):
    now = [1000.0]
    for module in ("link", "wire"):
        monkeypatch.setattr(f"sidelong.store.{module}.monotonic", lambda: now[0])
    link = new_store(proxy.url()).link("test", answer_within=0.4, trusted_for=30.0)
    await link.call("PING")
    now[0] += 31
    # What comes next over it is answered by a reset.
    proxy.drop_reply_to(re.compile(b"PING|ECHO"))

    single, pairs = await asyncio.gather(
        link.call("ECHO", "one"), asyncio.gather(*(link.pipeline([("ECHO", "a"), ("ECHO", "b")]) for _ in range(3)))
    )

    assert single == b"one"
    assert pairs == [[b"a", b"b"]] * 3
    assert len(proxy.connections) == 2
    await link.close()


async def test_a_connection_that_was_used_a_moment_ago_is_not_asked_first(redis_server, redis_client, new_store):
    link = new_store(redis_server.url).link("test", trusted_for=30.0)
    await link.call("CLIENT", "ID")
    redis_client.config_resetstat()

    await link.pipeline([("ECHO", "a")])

    assert "cmdstat_ping" not in redis_client.info("commandstats")
    await link.close()


@pytest.mark.allow_any_keys
async def test_a_server_that_is_no_longer_the_master_is_left(start_redis, new_link):
    server = start_redis()
    link = new_link(server.url)
    own = await link.call("CLIENT", "ID")
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)

        with pytest.raises(Refused, match="READONLY"):
            await link.call("SADD", "queues", "a")
        assert await link.call("CLIENT", "ID") != own

        client.replicaof("NO", "ONE")
        assert await link.call("SADD", "queues", "a") == 1


async def test_a_script_that_the_server_forgot_is_loaded_again(redis_server, redis_client, new_link):
    link = new_link(redis_server.url)
    script = Script("look", has_flags=True)
    words = (("sidelong:owners", "sidelong:buried"), ("a:", "b:", "c:", "d"))

    for _ in range(3):
        assert await script.run(link, *words) == [[], [], [], 0]
        redis_client.script_flush()


async def test_twenty_links_try_a_dead_server_about_once_a_second(proxy: Proxy, new_store):
    proxy.refuse()
    store = new_store(proxy.url())
    links = [store.link(f"link-{n}") for n in range(20)]
    until = time.monotonic() + 2.5

    async def insist(link) -> None:
        while time.monotonic() < until:
            with pytest.raises(Unavailable):
                await link.call("PING")
            await asyncio.sleep(0.01)

    await asyncio.gather(*map(insist, links))

    assert 2 <= len(proxy.attempts) <= 4


async def test_a_wrong_password_is_told_without_the_password(start_redis, new_link):
    server = start_redis(config={"requirepass": "right"})
    link = new_link(f"redis://:hunter2@127.0.0.1:{server.port}/0")

    with pytest.raises(Unavailable) as caught:
        await link.call("PING")

    assert "correct user and password" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


class FailsOnce(CredentialProvider):
    def __init__(self, error: Exception) -> None:
        self.errors = [error]

    def get_credentials(self) -> tuple[str, str]:
        if self.errors:
            raise self.errors.pop()
        return ("default", "secret")

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


@pytest.mark.parametrize("error", [RuntimeError("metadata: 503"), UnicodeError("no name"), KeyError("token")])
async def test_a_credential_provider_that_fails_once_is_an_outage_and_no_end(error: Exception, start_redis):
    server = start_redis(config={"requirepass": "secret"})
    client = redis.asyncio.Redis(port=server.port, credential_provider=FailsOnce(error))
    link = Store(Config(), client).link("test")

    with pytest.raises(Unavailable, match=f"{type(error).__name__}: {error}") as caught:
        await link.call("PING")

    async def is_back() -> bool:
        try:
            return await link.call("PING") == b"PONG"
        except Unavailable:
            return False

    assert "secret" not in str(caught.value)
    assert await eventually(is_back)
    await link.close()


async def test_a_heart_outlives_a_credential_provider_that_fails_once(start_redis):
    server = start_redis(config={"requirepass": "secret"})
    client = redis.asyncio.Redis(port=server.port, credential_provider=FailsOnce(RuntimeError("metadata: 503")))
    heart = Store(Config(), client).heart("host:1:aaaaaaaaaaaa")

    with pytest.raises(BeatFailed, match="metadata: 503"):
        heart.beat(Beat(1, ("a",), {"busy": 0}, {}))

    assert not heart.beat(Beat(2, ("a",), {"busy": 0}, {})).is_buried
    heart.close()


class HangsUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()


async def test_an_error_that_quotes_the_password_is_not_quoted(redis_server):
    url = redis_server.url.replace("://", "://:hunter2@")
    endpoint = Endpoint.from_url(url, connect_timeout=5.0, client_name="test")

    async def fail() -> None:
        raise ValueError("hunter2 is no password")

    with pytest.raises(Unavailable, match="ValueError") as caught:
        await endpoint.connect(HangsUp, fail)

    assert "hunter2" not in str(caught.value)


async def test_a_full_server_says_why_it_hung_up(start_redis, new_link):
    server = start_redis(config={"maxclients": 1})
    taken = new_link(server.url)
    await taken.call("PING")

    with pytest.raises(Unavailable, match="max number of clients"):
        await new_link(server.url).call("PING")


async def test_reaches_a_unix_socket(start_redis, new_link, tmp_path: Path):
    path = tmp_path / "redis.sock"
    start_redis(config={"unixsocket": str(path)})

    link = new_link(f"unix://{path}?db=3")

    assert await link.call("PING") == b"PONG"
    assert b"db=3" in await link.call("CLIENT", "INFO")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "redis.crt", tmp_path / "redis.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not on PATH")
    return certificate, key


@pytest.fixture
async def tls_port(certificate: tuple[Path, Path], redis_server):
    """A TLS front for the shared server: its own build may lack TLS."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    tasks = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", redis_server.server.port)
        tasks.append(asyncio.create_task(pump(there, writer)))
        await pump(reader, back)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*tasks)
    await asyncio.sleep(0.05)


async def test_speaks_tls_and_checks_the_certificate(tls_port: int, certificate, new_link):
    trusting = new_link(f"rediss://localhost:{tls_port}/0?ssl_ca_certs={certificate[0]}")
    wary = new_link(f"rediss://localhost:{tls_port}/0")

    assert await trusting.call("PING") == b"PONG"
    with pytest.raises(Unavailable, match="ssl_ca_certs"):
        await wary.call("PING")
    await trusting.close()


async def test_a_heart_speaks_tls_too(tls_port: int, certificate, new_store):
    store = new_store(f"rediss://localhost:{tls_port}/0?ssl_ca_certs={certificate[0]}")
    heart = store.heart("host:1:aaaaaaaaaaaa")

    assert await asyncio.to_thread(heart._client.ping)

    await asyncio.to_thread(heart.close)


async def test_something_that_is_no_redis_is_refused(new_link):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = new_link(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    with pytest.raises(Unavailable, match="what answers there is not Redis"):
        await link.call("PING")

    server.close()
    await server.wait_closed()


async def test_closing_ends_what_is_under_way(redis_server, new_link):
    link = new_link(redis_server.url)
    await link.call("PING")
    parked = asyncio.create_task(link.call("BLMOVE", "queue:a", "queue:b", "RIGHT", "LEFT", "5"))
    await eventually(lambda: link.sent > link.finished)

    await link.close()

    with pytest.raises(ReplyLost):
        await parked


async def test_closing_while_connecting_leaves_nothing_open_and_tells_those_who_wait(new_link):
    listener = socket.create_server(("127.0.0.1", 0))
    link = new_link(f"redis://127.0.0.1:{listener.getsockname()[1]}")
    waiting = asyncio.create_task(link.call("PING"))
    connection, _ = await asyncio.to_thread(listener.accept)
    listener.close()

    await link.close()

    with pytest.raises(StoreError):
        await waiting
    await eventually(lambda: _is_at_end(connection))
    connection.close()


def _is_at_end(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1000) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def test_a_parked_wait_comes_home_when_unblocked(redis_server, new_store):
    store = new_store(redis_server.url)
    parked, control = store.link("park"), store.link("control")
    waiting = asyncio.create_task(parked.call("BLMOVE", "queue:a", "queue:b", "RIGHT", "LEFT", "60"))
    await eventually(lambda: parked.sent > parked.finished)

    async def is_home() -> bool:
        await parked.unblock(control)
        return waiting.done()

    await eventually(is_home)

    assert await waiting is None
    await parked.close()
    await control.close()


def test_a_synchronous_client_is_refused_with_what_is_needed_instead():
    with pytest.raises(ConfigurationError, match="the URL, or an asyncio client"):
        Store(Config(), redis.Redis())


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://no-such-host.invalid:6379/0"])
async def test_a_server_that_is_not_there_is_unavailable(url: str, new_link):
    with pytest.raises(Unavailable):
        await new_link(url).call("PING")


def test_links_of_several_loops_do_not_meddle(redis_server):
    store = Store(Config(redis_url=redis_server.url))

    async def ping() -> bytes:
        link = store.link("test")
        try:
            return await link.call("PING")
        finally:
            await link.close()

    assert [asyncio.run(ping()) for _ in range(3)] == [b"PONG"] * 3
