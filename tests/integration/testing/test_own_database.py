import asyncio
import gc
import os
import re
import time
import warnings
from contextlib import ExitStack

import pytest
import redis
import redis.asyncio
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sidelong import ConfigurationError, Sidelong, StoreError
from sidelong.api import Queue
from sidelong.store import keys
from sidelong.store.spare_database import numbered
from sidelong.testing import own_database
from tests.support.eventually import eventually
from tests.support.web_client import TestClient


@pytest.fixture
def server(own_redis):
    with redis.Redis.from_url(own_redis.url) as client:
        yield client


@pytest.fixture
def app(own_redis):
    return Sidelong(own_redis.url)


def sizes(server):
    return {name: facts["keys"] for name, facts in server.info("keyspace").items()}


async def test_jobs_are_run_from_a_database_of_the_tests_own(app, server):
    ran = []

    @app.job(queue="mail")
    async def send(user_id: int) -> None:
        ran.append(user_id)

    store, config = app.store, app.config
    server.set("theirs", "x")
    with own_database(app) as url:
        assert url.endswith("/1")
        await send.enqueue(42)
        assert await Queue(app, "mail").size() == 1
        assert sizes(server)["db0"] == 1
        async with app.worker(queues=["mail"]):
            await eventually(lambda: ran == [42])

    assert sizes(server) == {"db0": 1}
    assert (app.store, app.config) == (store, config)


async def test_a_database_that_holds_anything_or_belongs_to_another_test_is_left_alone(app, server, own_redis):
    with redis.Redis.from_url(numbered(own_redis.url, 1)) as first:
        first.set("theirs", "x")
        with own_database(app) as one, own_database(Sidelong(own_redis.url)) as other:
            numbers = [url.rpartition("/")[2] for url in (one, other)]
        assert first.keys() == [b"theirs"]

    assert numbers == ["2", "3"]


async def test_what_a_killed_test_has_left_is_not_touched_as_it_may_be_of_others_by_now(app, server, own_redis):
    with redis.Redis.from_url(numbered(own_redis.url, 1)) as left:
        left.set(keys.TEST, repr(time.time() - 1_000_000))
        left.rpush("queue:mail", "x")
        with own_database(app) as url:
            assert url.endswith("/2")
        assert sorted(left.keys()) == [b"queue:mail", keys.TEST.encode()]


async def test_a_database_is_not_taken_if_somebody_else_comes_at_the_same_moment(app, own_redis, monkeypatch):
    with redis.Redis.from_url(numbered(own_redis.url, 1)) as first:
        dbsize = redis.Redis.dbsize

        def and_then_others_write(client):
            size = dbsize(client)
            first.set("theirs", "x")
            return size

        monkeypatch.setattr(redis.Redis, "dbsize", and_then_others_write)
        with own_database(app) as url:
            assert url.endswith("/2")
        assert first.keys() == [b"theirs"]


async def test_what_another_test_has_taken_meanwhile_is_not_emptied(app, own_redis):
    with ExitStack() as ends_first, redis.Redis.from_url(numbered(own_redis.url, 1)) as client:
        ends_first.enter_context(own_database(app))
        client.flushdb()
        with own_database(Sidelong(own_redis.url)) as other:
            assert other.endswith("/1")
            client.set("theirs", "x")
            ends_first.close()
            assert sorted(client.keys()) == [keys.TEST.encode(), b"theirs"]


async def test_what_a_test_leaves_that_has_emptied_its_database_itself_is_emptied(app, server, own_redis):
    with own_database(app) as url:
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        await app.enqueue("Job")

    assert sizes(server) == {}


@pytest.mark.parametrize("first", [0, 1])
async def test_an_app_goes_back_to_its_own_redis_in_whichever_order_blocks_end(app, server, own_redis, first):
    store = app.store
    blocks = [own_database(app), own_database(app)]
    urls = [block.__enter__() for block in blocks]

    blocks.pop(first).__exit__(None, None, None)
    assert app.config.redis_url == app.store.config.redis_url == urls[1 - first]
    await app.enqueue("Job")
    assert "db0" not in sizes(server)
    blocks.pop().__exit__(None, None, None)

    assert app.store is store
    assert sizes(server) == {}


async def test_says_so_where_no_database_is_empty(app, own_redis):
    for number in range(1, 15):
        with redis.Redis.from_url(numbered(own_redis.url, number)) as client:
            client.set("theirs", "x")

    with own_database(app), pytest.raises(StoreError) as caught, own_database(Sidelong(own_redis.url)):
        pass

    assert re.search(r"no database of .* from 1 to 15 is empty", str(caught.value))
    assert re.search(rf"Tests have taken 15 by pid {os.getpid()} on \S+ since 20", str(caught.value))


async def test_says_so_where_there_is_no_database_but_the_first(start_redis):
    server = start_redis(config={"databases": 1})

    with pytest.raises(StoreError, match=r"has no database but 0.*name another server"):
        own_database(Sidelong(server.url)).__enter__()


async def test_says_so_where_it_may_not_empty_the_database(app, own_redis):
    with own_redis.client() as client:
        client.execute_command("ACL", "SETUSER", "tester", "on", ">pw", "~*", "&*", "+@all", "-flushdb")
    url = own_redis.url.replace("redis://", "redis://tester:pw@")

    with pytest.raises(StoreError, match=r"cannot be emptied after the test: .*flushdb"), own_database(app, url):
        await app.enqueue("Job")


async def test_another_server_may_be_named(server, own_redis):
    app = Sidelong("redis://127.0.0.1:1/0")

    with own_database(app, f"{own_redis.url}?protocol=2") as url:
        await app.enqueue("Job")
        assert url.endswith("/1?protocol=2")
        assert "db1" in sizes(server)


async def test_an_app_that_was_given_a_client_needs_an_address(server, own_redis):
    app = Sidelong(redis.asyncio.Redis.from_url(own_redis.url))

    with pytest.raises(ConfigurationError, match="name the server for tests"), own_database(app):
        pass
    with own_database(app, own_redis.url):
        await app.enqueue("Job")
        assert "db1" in sizes(server)


async def test_an_app_in_memory_gets_a_store_of_its_own():
    app = Sidelong("memory://own-database")
    await app.enqueue("Job")

    for _ in range(2):
        with own_database(app) as url:
            await app.enqueue("Job")
            assert url.startswith("memory://sidelong-test-")
            assert await Queue(app, "default").size() == 1

    assert await Queue(app, "default").size() == 1


def test_connections_end_with_the_loops_that_opened_them(app, server):
    async def enqueue(request=None):
        await app.enqueue("Job")
        return Response()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with own_database(app) as url:
            asyncio.run(enqueue())
            with TestClient(Starlette(routes=[Route("/", enqueue)])) as client:
                client.get("/")
            loop = asyncio.new_event_loop()
            loop.run_until_complete(enqueue())
            assert server.info("keyspace")["db1"]["keys"] > 1
        # This one had not ended.
        loop.close()
        gc.collect()

    names = [client["name"] for client in server.client_list()]
    assert [name for name in names if name.startswith("sidelong:push")] == []
    assert url.endswith("/1")


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("redis://host", "redis://host/3"),
        ("redis://:pw%2F@host:1/0?protocol=2&db=5", "redis://:pw%2F@host:1/3?protocol=2"),
        ("rediss://host:1/7", "rediss://host:1/3"),
        ("unix:///tmp/redis.sock?db=1", "unix:///tmp/redis.sock?db=3"),
        ("unix:///tmp/redis.sock", "unix:///tmp/redis.sock?db=3"),
        ("redis+sentinel://a:1,b:2/master/0?tls=true", "redis+sentinel://a:1,b:2/master/3?tls=true"),
        ("redis+sentinel://a:1,b:2/master", "redis+sentinel://a:1,b:2/master/3"),
    ],
)
def test_the_address_of_another_database(url, other):
    assert numbered(url, 3) == other
