import asyncio
import threading
import time
from statistics import median
from uuid import uuid4

import pytest

from sidelong.errors import Refused
from sidelong.store.embedded import EmbeddedLink, embedded_server
from tests.support.eventually import eventually


@pytest.fixture
def name() -> str:
    return uuid4().hex


@pytest.fixture
def client(name: str):
    with embedded_server(name).client() as client:
        yield client


def link_to(name: str) -> EmbeddedLink:
    return EmbeddedLink(embedded_server(name))


def park(link: EmbeddedLink, queue: str, seconds: float = 30.0) -> "asyncio.Task[bytes | None]":
    return asyncio.create_task(link.call("BLMOVE", queue, "held", "RIGHT", "LEFT", f"{seconds}"))


async def test_a_write_of_this_process_wakes_a_parked_link_at_once(name: str):
    took = []
    for _ in range(5):
        parked = park(link_to(name), "a")
        await asyncio.sleep(0.01)
        began = time.monotonic()

        await link_to(name).call("LPUSH", "a", "1")

        assert await parked == b"1"
        took.append(time.monotonic() - began)

    assert median(took) < 0.1


async def test_a_write_by_a_client_of_somebody_elses_is_seen_too(name: str, client):
    parked = park(link_to(name), "a")
    await asyncio.sleep(0.01)

    client.lpush("a", "1")

    assert await asyncio.wait_for(asyncio.shield(parked), 5) == b"1"


async def test_parked_links_rest(name: str):
    links = [link_to(name) for _ in range(3)]
    parked = [park(link, f"q{n}", 0.5) for n, link in enumerate(links)]
    await asyncio.sleep(0.01)
    began = time.thread_time()

    assert await asyncio.gather(*parked) == [None] * 3

    assert time.thread_time() - began < 0.15


async def test_a_parked_link_comes_home_when_unblocked(name: str):
    link = link_to(name)
    parked = park(link, "a")

    async def is_home() -> bool:
        await link.unblock(link_to(name))
        return parked.done()

    await eventually(is_home)
    assert await parked is None


@pytest.mark.parametrize("key", ["a", "held"])
async def test_a_parked_link_is_refused_where_a_key_has_the_wrong_type(key: str, name: str, client):
    client.lpush("a", "1")
    client.delete(key)
    client.set(key, "text")
    if key == "held":
        client.lpush("a", "1")

    with pytest.raises(Refused, match="WRONGTYPE"):
        await park(link_to(name), "a")


def test_a_loop_that_ended_while_a_link_was_parked_disturbs_nobody(name: str):
    async def abandon() -> None:
        park(link_to(name), "a")
        await asyncio.sleep(0.01)

    async def write() -> int:
        return await link_to(name).call("LPUSH", "a", "1")

    asyncio.run(abandon())

    assert asyncio.run(write()) == 1


async def test_answers_are_those_of_a_server(name: str):
    link = link_to(name)

    assert await link.call("SET", "k", "v") == b"OK"
    assert await link.call("HSET", "h", "f", "v") == 1
    assert await link.call("HGETALL", "h") == [b"f", b"v"]


async def test_errors_stand_in_the_list_of_a_pipeline(name: str, client):
    client.set("a", "text")

    first, second = await link_to(name).pipeline([("LPUSH", "a", "1"), ("PING",)])

    assert isinstance(first, Refused)
    assert first.code == "WRONGTYPE"
    assert second in (b"PONG", True)


def test_threads_share_one_store_by_name(name: str, client):
    def push() -> None:
        async def push_many() -> None:
            link = link_to(name)
            for n in range(100):
                await link.call("LPUSH", "a", n)

        asyncio.run(push_many())

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client.llen("a") == 400
    with embedded_server(uuid4().hex).client() as other:
        assert other.llen("a") == 0
