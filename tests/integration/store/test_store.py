import asyncio
import gc
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Callable

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel

from sidelong.core.config import Config
from sidelong.errors import ConfigurationError, StoreError, Unavailable
from sidelong.store.endpoint import Endpoint
from sidelong.store.pusher import Push
from sidelong.store.store import Store
from tests.support.eventually import eventually_sync
from tests.support.redis_server import Database

PUSH = Push("jid", "a", b"{}")


async def push_and_close(store: Store) -> None:
    await store.pusher.push([PUSH])
    await store.close()


@pytest.fixture(params=["server", "memory"])
def any_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://test-store"
    return request.getfixturevalue("redis_server").url


def test_serves_one_event_loop_after_another(any_url: str):
    store = Store(Config(redis_url=any_url))

    for _ in range(3):
        asyncio.run(push_and_close(store))


def test_keeps_no_loop_that_is_closed(redis_server: Database):
    store = Store(Config(redis_url=redis_server.url))
    loops = []

    async def use() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        links = [store.link("test") for _ in range(3)]
        await asyncio.gather(*(link.call("PING") for link in links))
        await push_and_close(store)
        for link in links:
            await link.close()

    for _ in range(4):
        asyncio.run(use())
    gc.collect()

    assert sum(loop() is not None for loop in loops) <= 1


def test_closing_leaves_no_warning(redis_server: Database):
    script = f"""
import asyncio
from sidelong.core.config import Config
from sidelong.store.pusher import Push
from sidelong.store.store import Store

async def main(store):
    await store.pusher.push([Push("jid", "a", b"{{}}")])
    await store.close()

store = Store(Config(redis_url="{redis_server.url}"))
asyncio.run(main(store), debug=True)
asyncio.run(main(store))
"""

    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script], capture_output=True, text=True, timeout=60
    )

    assert (run.returncode, run.stderr) == (0, "")


def test_a_fork_does_not_share_the_connection_of_its_parent(redis_server: Database, redis_client: redis.Redis):
    store = Store(Config(redis_url=redis_server.url))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_push_times(store, 20))

    child = os.fork()
    if child == 0:
        try:
            asyncio.set_event_loop(None)
            asyncio.events._set_running_loop(None)
            asyncio.run(_push_times(store, 100))
        except BaseException:
            os._exit(1)
        os._exit(0)
    loop.run_until_complete(_push_times(store, 100))
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert redis_client.llen("queue:a") == 220
    loop.run_until_complete(store.close())
    loop.close()


async def _push_times(store: Store, times: int) -> None:
    for _ in range(times):
        await store.pusher.push([PUSH])


def test_names_its_connections(redis_server: Database, redis_client: redis.Redis):
    store = Store(Config(redis_url=redis_server.url))

    async def names() -> set[str]:
        await store.pusher.push([PUSH])
        found = {client["name"] for client in redis_client.client_list()}
        await store.close()
        return found

    assert "sidelong:push" in asyncio.run(names())
    eventually_sync(lambda: not any(c["name"] == "sidelong:push" for c in redis_client.client_list()))


async def test_a_good_server_is_accepted(any_url: str, new_store):
    await new_store(any_url).check()


async def test_a_server_that_is_not_there_is_told(new_store):
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        await new_store("redis://:secret@127.0.0.1:1/0").check()


async def test_a_cluster_is_refused(start_redis: Callable, new_store):
    server = start_redis(config={"cluster-enabled": "yes"})

    with pytest.raises(StoreError, match="cluster"):
        await new_store(server.url).check()


async def test_a_server_that_may_evict_jobs_is_warned_of(start_redis: Callable, new_store, caplog):
    server = start_redis(config={"maxmemory-policy": "allkeys-lru"})

    with caplog.at_level(logging.WARNING):
        await new_store(server.url).check()

    assert "allkeys-lru" in caplog.text


async def test_a_server_that_forbids_info_is_accepted_with_a_warning(start_redis: Callable, new_store, caplog):
    server = start_redis()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info")

    await new_store(f"redis://worker:pw@127.0.0.1:{server.port}/0").check()

    assert "may not run INFO" in caplog.text


# Addresses.


async def test_a_client_is_copied_with_its_database_and_left_alone(redis_server: Database, redis_client: redis.Redis):
    client = redis.asyncio.Redis.from_url(redis_server.url, decode_responses=True, socket_timeout=0.01, protocol=3)
    store = Store(Config(), client)

    await push_and_close(store)
    heart = store.heart("host:1:aaaaaaaaaaaa")

    assert redis_client.llen("queue:a") == 1
    assert heart._client.echo("text") == b"text"
    assert not client.connection_pool._available_connections
    heart.close()
    await client.aclose()


async def test_a_url_may_carry_options_meant_for_clients(redis_server: Database, redis_client: redis.Redis):
    url = f"{redis_server.url}?protocol=3&decode_responses=True&socket_timeout=1&client_name=x&max_connections=1"
    store = Store(Config(redis_url=url))

    await push_and_close(store)
    heart = store.heart("host:1:aaaaaaaaaaaa")

    assert redis_client.llen("queue:a") == 1
    assert heart._client.echo("text") == b"text"
    heart.close()


class Odd(redis.asyncio.Connection):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sentinel([("127.0.0.1", 1)]).slave_for("master"),
        lambda: redis.asyncio.Redis(connection_pool=redis.asyncio.ConnectionPool(connection_class=Odd)),
        lambda: redis.Redis(),
        lambda: redis.asyncio.RedisCluster(host="127.0.0.1", port=1),
        object,
    ],
    ids=["replicas", "own connection class", "blocking", "cluster", "something else"],
)
def test_a_client_that_cannot_be_copied_is_refused_in_a_sentence(make: Callable[[], object]):
    with pytest.raises(ConfigurationError, match="give Sidelong"):
        Store(Config(), make())


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter/2@host:6379/0",
        "redis://user:12/hunter@host:6379/0",
        "http://:hunter2@host",
        "redis://:hunter2@host:99999999/0",
        "hunter2",
        "redis://:hunter2@host/main",
        "redis://:hunter2@host/0?ssl_ca_certs=/ca.pem",
        "rediss://:hunter2@host/0?ssl_ca_certs=/no/such/file",
        "rediss://:hunter2@host/0?ssl_no_such_option=1",
        "rediss://:hunter2@host/0?ssl_cert_reqs=perhaps",
        "unix:///run/redis.sock?db=hunter2",
        "redis+sentinel://:hunter2@host/main?sentinal_password=hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str):
    with pytest.raises(ConfigurationError) as caught:
        Store(Config(redis_url=url))

    assert "hunter" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:hunter2@host:1234/5", "redis://host:1234/5"),
        ("redis://host", "redis://host:6379/0"),
        ("redis://:hunter2@[::1]:1234", "redis://[::1]:1234/0"),
        ("unix:///run/redis.sock?db=2&password=hunter2", "unix:///run/redis.sock?db=2"),
        (
            "redis+sentinel://user:hunter2@h1,[::1]:2/main/3?sentinel_password=hunter2",
            "redis+sentinel://h1:26379,[::1]:2/main/3",
        ),
    ],
)
def test_addresses_are_shown_without_credentials(url: str, address: str):
    endpoint = Endpoint.from_url(url, connect_timeout=1, client_name="test")

    assert endpoint.address == address
    assert "hunter2" not in repr(endpoint)
