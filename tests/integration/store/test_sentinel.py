"""Which sentinel is asked, what is believed, and when a master is left."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median

import pytest

from sidelong.errors import ReplyLost, Unavailable
from sidelong.store.processes import Beat
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.resp import Splitter, words

IDENTITY = "host:1:aaaaaaaaaaaa"
BEAT = Beat(counter=1, queues=["a"], fields={"busy": 0}, work={})


class FakeSentinel:
    """Answers every question with the address of `master`; with nothing at all while `is_silent`."""

    def __init__(self, master: RedisServer | None) -> None:
        self.master = master
        self.is_silent = False
        self.asked = 0
        self.port = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        self.open += 1
        try:
            while data := await reader.read(10_000):
                for request in splitter.feed(data):
                    self._answer(words(request), writer)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()

    def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        if not request.endswith(b"GET-MASTER-ADDR-BY-NAME main"):
            # redis-py tells its name.
            writer.write(b"+OK\r\n")
            return
        self.asked += 1
        if self.is_silent:
            return
        if self.master is None:
            writer.write(b"*-1\r\n")
        else:
            port = str(self.master.port)
            writer.write(f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode())


@pytest.fixture
async def sentinels() -> AsyncIterator[Callable[..., Awaitable[tuple[list[FakeSentinel], str]]]]:
    """Starts fake sentinels, one for each master given, and returns them with the URL that names them in order."""
    async with AsyncExitStack() as stack:

        async def start(*masters: RedisServer | None) -> tuple[list[FakeSentinel], str]:
            fakes = [FakeSentinel(master) for master in masters]
            for fake in fakes:
                server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
                stack.push_async_callback(server.wait_closed)
                stack.callback(server.close)
                fake.port = server.sockets[0].getsockname()[1]
            hosts = ",".join(f"127.0.0.1:{fake.port}" for fake in fakes)
            return fakes, f"redis+sentinel://{hosts}/main"

        yield start


async def test_passes_over_a_sentinel_that_is_silent_and_asks_it_last_from_then_on(own_redis, sentinels, new_store):
    (silent, well), url = await sentinels(own_redis, own_redis)
    silent.is_silent = True
    store = new_store(url, connect_timeout=0.6)
    links = [store.link(f"link {number}") for number in range(6)]

    took = []
    for link in links:
        began = asyncio.get_running_loop().time()
        await link.call("PING")
        took.append(asyncio.get_running_loop().time() - began)
        await link.close()

    # Its share of the time for one attempt, which only the first one lost.
    assert took[0] >= 0.2
    assert median(took[1:]) < 0.2
    assert well.asked >= 2


async def test_says_what_each_sentinel_did(own_redis, sentinels, new_link):
    (silent, lost), url = await sentinels(own_redis, None)
    silent.is_silent = True

    with pytest.raises(Unavailable) as caught:
        await new_link(url, connect_timeout=0.6).call("PING")

    assert f"127.0.0.1:{silent.port}: no answer within 0.2 s" in str(caught.value)
    assert f"127.0.0.1:{lost.port}: it knows no master named main" in str(caught.value)


async def test_believes_no_sentinel_that_names_a_replica(own_redis, start_redis, sentinels, new_link):
    replica = start_redis(config={"replicaof": f"127.0.0.1 {own_redis.port}"})
    _, url = await sentinels(replica, own_redis)
    link = new_link(url)

    with pytest.raises(Unavailable, match="no master now; a failover may be under way"):
        await link.call("PING")

    async def is_connected() -> bool:
        try:
            return await link.call("SET", "queues", "x", "EX", "60") == b"OK"
        except Unavailable:
            return False

    await eventually(is_connected)
    with own_redis.client() as client:
        assert client.exists("queues")


async def test_leaves_a_master_that_was_replaced_though_it_takes_writes(own_redis, start_redis, sentinels, new_store):
    successor = start_redis()
    fakes, url = await sentinels(own_redis, own_redis)
    store = new_store(url)
    parked, idle = store.link("parked"), store.link("idle")
    heart = store.heart(IDENTITY)
    await idle.call("PING")
    await asyncio.to_thread(heart.beat, BEAT)
    waiting = asyncio.create_task(parked.call("BLMOVE", "queue:a", "queue:b", "RIGHT", "LEFT", "60"))
    await eventually(lambda: parked.sent > parked.finished)

    # The one that is asked last; the other one goes on naming the master of yesterday.
    fakes[1].master = successor
    with pytest.raises(ReplyLost, match="the sentinels name another master"):
        await asyncio.wait_for(waiting, 10)
    await idle.call("SET", "queues", "x", "EX", "60")
    await asyncio.to_thread(heart.beat, BEAT)

    with successor.client() as client:
        assert client.exists("queues")
        assert client.sismember("sidelong:owners", IDENTITY)
    heart.close()
    await parked.close()
    await idle.close()


async def test_asks_no_more_once_the_last_connection_is_closed(own_redis, sentinels, new_store):
    fakes, url = await sentinels(own_redis, own_redis, own_redis)
    store = new_store(url)
    links = [store.link(name) for name in ("first", "second")]
    for link in links:
        await link.call("PING")
    await eventually(lambda: all(fake.open == 1 for fake in fakes))

    await links[0].close()
    assert len(watches()) == 3
    await links[1].close()

    await eventually(lambda: not any(fake.open for fake in fakes) and not watches())


def watches() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "sidelong-sentinel" and not task.done()]


async def test_looks_up_the_name_of_a_lost_sentinel_once_at_a_time(own_redis, sentinels, new_link, monkeypatch):
    (lost, well), url = await sentinels(own_redis, own_redis)
    link = new_link(url.replace(f"127.0.0.1:{lost.port}", f"localhost:{lost.port}"))
    await link.call("PING")
    await eventually(lambda: lost.open and well.open, 5)
    answered = threading.Event()
    look_ups = []

    def look_up(host, *args, **kwargs):
        if host == "localhost":
            look_ups.append(host)
            answered.wait(30)
        return real(host, *args, **kwargs)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    lost.is_silent = True
    await eventually(lambda: look_ups, 10)
    asked = well.asked
    await eventually(lambda: well.asked >= asked + 5, 15)

    assert len(look_ups) == 1
    answered.set()
    await link.close()
