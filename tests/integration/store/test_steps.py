"""What remembers finished steps, on a real server that is full, cut off, or holds something else."""

import asyncio
import re

import pytest
import redis

from sidelong.errors import Refused, StoreError
from sidelong.store import steps
from sidelong.store.embedded import forget_embedded_server
from tests.support.eventually import eventually

JID = "0123456789abcdef01234567"
KEY = f"sidelong:steps:{JID}"
STEP = b'["charge"]'
MONTH = 2_592_000.0


@pytest.mark.parametrize("place", ["memory", "redis"])
async def test_remembers_the_first_record(place, request, new_store):
    url = "memory://steps" if place == "memory" else request.getfixturevalue("redis_server").url
    remembered = new_store(url).steps

    assert await remembered.look(JID, STEP, MONTH) is None
    assert await remembered.record(JID, STEP, b"1", MONTH) == b"1"
    assert await remembered.record(JID, STEP, b"2", MONTH) == b"1"
    assert await remembered.look(JID, STEP, MONTH) == b"1"
    assert await remembered.record(JID, STEP, b"3", MONTH, replaces=True) == b"3"
    assert await remembered.look(JID, STEP, MONTH) == b"3"
    assert await remembered.look(JID, b'["other"]', MONTH) is None
    assert await remembered.look("other", STEP, MONTH) is None
    forget_embedded_server("steps")


async def test_every_call_renews_the_life_of_all_steps_of_a_job(redis_server, redis_client, new_store):
    remembered = new_store(redis_server.url).steps

    async def left_after(age: int | None, call: str, ttl: float) -> int:
        await remembered.record(JID, STEP, b"1", 60)
        if age is None:
            redis_client.persist(KEY)
        else:
            redis_client.expire(KEY, age)
        await (remembered.look(JID, STEP, ttl) if call == "look" else remembered.record(JID, STEP, b"2", ttl))
        return redis_client.ttl(KEY)

    for call in ("look", "record"):
        assert MONTH - 5 <= await left_after(100, call, MONTH) <= MONTH
        assert await left_after(None, call, 50) == 50
        assert 95 <= await left_after(100, call, 1.5) <= 100
    assert await left_after(1, "look", 1.5) == 2


async def test_looking_leaves_no_key(redis_server, redis_client, new_store):
    assert await new_store(redis_server.url).steps.look(JID, STEP, MONTH) is None

    assert redis_client.dbsize() == 0


async def test_a_full_redis_does_not_make_a_step_be_forgotten(own_redis, new_store):
    remembered = new_store(own_redis.url).steps
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("other", "x")

        assert await remembered.look(JID, STEP, MONTH) is None
        assert await remembered.record(JID, STEP, b"1", MONTH) == b"1"
        assert await remembered.look(JID, STEP, MONTH) == b"1"
        assert 0 < client.ttl(KEY) <= MONTH


@pytest.mark.parametrize("call", ["look", "record"])
async def test_a_lost_reply_changes_nothing(redis_server, redis_client, proxy, new_store, call):
    store = new_store(proxy.url(redis_client.get_connection_kwargs()["db"]))
    await store.steps.look(JID, STEP, MONTH)
    proxy.drop_reply_to(re.compile(rb"EVALSHA"))

    if call == "look":
        assert await store.steps.look(JID, STEP, MONTH) is None
    else:
        assert await store.steps.record(JID, STEP, b"1", MONTH) == b"1"
        assert redis_client.hgetall(KEY) == {STEP: b"1"}

    assert proxy.replies_dropped == 1


async def test_waits_for_a_redis_that_is_away(own_redis, new_store):
    store = new_store(own_redis.url)
    await store.steps.look(JID, STEP, MONTH)
    own_redis.stop()

    recording = asyncio.create_task(store.steps.record(JID, STEP, b"1", MONTH))
    await asyncio.sleep(0)
    own_redis.start()

    assert await recording == b"1"


@pytest.mark.parametrize("code", ["READONLY", "NOREPLICAS"])
async def test_waits_for_a_redis_that_does_not_write_for_a_moment(own_redis, new_store, code):
    store = new_store(own_redis.url)
    with own_redis.client() as client:
        if code == "READONLY":
            client.replicaof("127.0.0.1", "1")
        else:
            client.config_set("min-replicas-to-write", 1)
        recording = asyncio.create_task(store.steps.record(JID, STEP, b"1", MONTH))
        await eventually(lambda: client.info("errorstats").get(f"errorstat_{code}", {}).get("count", 0) >= 2)
        client.replicaof("NO", "ONE")
        client.config_set("min-replicas-to-write", 0)

    assert await recording == b"1"


async def test_waits_for_a_redis_that_is_busy_with_a_script(own_redis, new_store):
    store = new_store(own_redis.url)
    await store.steps.look(JID, STEP, MONTH)
    with own_redis.client() as client, own_redis.client() as other:
        client.config_set("busy-reply-threshold", 1)
        endless = asyncio.create_task(asyncio.to_thread(_run_endless_script, other))

        async def busy() -> bool:
            try:
                await asyncio.to_thread(client.ping)
            except redis.exceptions.ResponseError as error:
                return "BUSY" in str(error)
            return False

        while not await busy():
            await asyncio.sleep(0.01)
        recording = asyncio.create_task(store.steps.record(JID, STEP, b"1", MONTH))
        await asyncio.wait({recording}, timeout=0.2)
        client.script_kill()
        await endless

    assert await recording == b"1"


def _run_endless_script(client: redis.Redis) -> None:
    with pytest.raises(redis.exceptions.ResponseError):
        client.eval("while true do end", 0)


async def test_gives_up_after_a_while(own_redis, new_store, monkeypatch):
    monkeypatch.setattr(steps, "_ASKS_FOR", 0.0)
    store = new_store(own_redis.url)
    own_redis.stop()

    with pytest.raises(StoreError):
        await store.steps.look(JID, STEP, MONTH)


@pytest.mark.parametrize("call", ["look", "record"])
async def test_what_took_the_place_of_the_steps_stays_and_is_told(redis_server, redis_client, new_store, call):
    remembered = new_store(redis_server.url).steps
    redis_client.set(KEY, "text", ex=60)

    with pytest.raises(Refused, match="WRONGTYPE"):
        await (remembered.look(JID, STEP, MONTH) if call == "look" else remembered.record(JID, STEP, b"1", MONTH))

    assert redis_client.get(KEY) == b"text"
    redis_client.delete(KEY)


async def test_a_jid_may_be_anything(redis_server, redis_client, new_store):
    remembered = new_store(redis_server.url).steps
    jid = "a:b\n{c} ü\x00"

    assert await remembered.record(jid, STEP, b"1", MONTH) == b"1"

    assert redis_client.keys() == [f"sidelong:steps:{jid}".encode()]
    assert await remembered.look(jid, STEP, MONTH) == b"1"


async def test_a_loop_has_a_connection_of_its_own_and_closes_it(redis_server, redis_client, new_store):
    store = new_store(redis_server.url)

    def connections() -> int:
        return sum(entry["name"] == "sidelong:steps" for entry in redis_client.client_list())

    async def elsewhere() -> None:
        await store.steps.record(JID, STEP, b"1", MONTH)
        assert connections() == 2
        await store.close()

    await store.steps.look(JID, STEP, MONTH)
    assert connections() == 1
    await asyncio.to_thread(asyncio.run, elsewhere())
    await eventually(lambda: connections() == 1)
    await store.close_steps()
    await eventually(lambda: connections() == 0)
    assert await store.steps.look(JID, STEP, MONTH) == b"1"
