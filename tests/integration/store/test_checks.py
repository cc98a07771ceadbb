"""What a worker says of a Redis before it starts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sidelong.core.config import Config
from sidelong.errors import StoreError
from sidelong.store.store import Store
from tests.support.clocks import SkewedClock
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer
from tests.support.resp import Splitter, words

StartRedis = Callable[..., RedisServer]


async def complaint(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        await Store(Config(redis_url=url)).check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "the connection was refused; start Redis there"),
        ("redis://:hunter2@no-such-host.invalid/0", "its host name cannot be resolved"),
        ("unix:///no/such.sock?password=hunter2", "there is no such socket"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_told_with_what_to_do(url: str, told: str) -> None:
    said = await complaint(url)

    assert told in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("", "it asks for a password; put user and password into the URL"),
        (":hunter2@", "it refuses the login; correct user and password"),
        ("nobody:right@", "it refuses the login; correct user and password"),
    ],
)
async def test_a_login_that_fails_is_told_without_it(login: str, told: str, start_redis: StartRedis) -> None:
    server = start_redis(config={"requirepass": "right"})

    said = await complaint(f"redis://{login}127.0.0.1:{server.port}/0")

    assert told in said
    assert "hunter2" not in said
    assert "right@" not in said


async def test_a_database_that_there_is_not_is_told(redis_server: Database) -> None:
    said = await complaint(f"redis://127.0.0.1:{redis_server.server.port}/99")

    assert "it refuses the database; name one that it has" in said


async def test_a_replica_is_refused_with_the_name_of_its_master(
    own_redis: RedisServer, start_redis: StartRedis
) -> None:
    replica = start_redis(config={"replicaof": f"127.0.0.1 {own_redis.port}"})

    assert f"is a replica of 127.0.0.1:{own_redis.port}" in await complaint(replica.url)


async def test_a_server_that_keeps_nothing_on_disk_is_warned_of_and_others_are_not(
    start_redis: StartRedis, caplog: pytest.LogCaptureFixture
) -> None:
    servers = {
        "nothing": start_redis(config={"save": ""}),
        "snapshots": start_redis(config={"save": "3600 1"}),
        "a log": start_redis(appendonly="everysec"),
    }
    warned = set()

    with caplog.at_level(logging.WARNING):
        for name, server in servers.items():
            await Store(Config(redis_url=server.url)).check()
            if "keeps nothing on disk" in caplog.text:
                warned.add(name)
            caplog.clear()

    assert warned == {"nothing"}


async def test_a_server_that_is_far_away_is_warned_of(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    proxy.delay(0.03)

    with caplog.at_level(logging.WARNING):
        await Store(Config(redis_url=proxy.url())).check()

    assert "Redis is far away: an answer takes" in caplog.text


async def test_a_good_server_is_not_warned_of(start_redis: StartRedis, caplog: pytest.LogCaptureFixture) -> None:
    server = start_redis(appendonly="everysec")

    with caplog.at_level(logging.WARNING):
        await Store(Config(redis_url=server.url)).check()

    assert not caplog.records


@asynccontextmanager
async def telling(**facts: str) -> AsyncIterator[str]:
    """Give the URL of something that answers INFO with `facts`, and everything else with OK."""
    info = "".join(f"{name}:{value}\r\n" for name, value in facts.items())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(10_000):
            for request in splitter.feed(data):
                is_info = words(request).startswith(b"INFO")
                writer.write(f"${len(info)}\r\n{info}\r\n".encode() if is_info else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"redis_version": "6.2.14"}, "is version 6.2.14; install 7.0 or later, or Valkey 7.2 or later"),
        (
            {"redis_version": "7.2.4", "loading": "1", "loading_loaded_perc": "37.42"},
            "is still loading its data (37 %)",
        ),
        ({"redis_version": "7.2.4", "cluster_enabled": "1"}, "is a cluster, which Sidelong does not support"),
    ],
)
async def test_a_server_that_cannot_do_is_refused(facts: dict[str, str], told: str) -> None:
    async with telling(**facts) as url:
        assert told in await complaint(url)


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (10.0, "10.0 s ahead of that of Redis; let NTP set both, or scheduled jobs run too late"),
        (-10.0, "10.0 s behind that of Redis; let NTP set both, or scheduled jobs run too early"),
        (1.0, ""),
    ],
)
async def test_clocks_that_differ_are_warned_of(
    ahead: float, told: str, redis_server: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await Store(Config(redis_url=redis_server.url), clock=SkewedClock(ahead)).check()

    assert told in caplog.text
    assert ("NTP" in caplog.text) == bool(told)
