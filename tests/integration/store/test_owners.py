import time

import pytest

from sidelong.core.delivery import Delivery
from sidelong.core.outcome import DONE, Dead, Outcome, Retry
from sidelong.errors import Refused
from sidelong.store import keys
from sidelong.store.processes import Beat, Salvage
from sidelong.store.queues import Batch
from sidelong.store.sets import Move

DEAD = "host:1:aaaaaaaaaaaa"
LIVING = "host:2:bbbbbbbbbbbb"
BEAT = Beat(1, ("a",), {"busy": 0}, {})


@pytest.fixture
async def store(redis_server, new_store):
    return new_store(redis_server.url)


@pytest.fixture
async def link(store):
    link = store.link("test")
    yield link
    await link.close()


@pytest.fixture
def owners(store, link):
    return store.owners(link)


@pytest.fixture
def heart(store):
    heart = store.heart(DEAD)
    yield heart
    heart.close()


@pytest.fixture
def died(heart, redis_client):
    """A worker that took a job and died."""
    heart.beat(BEAT)
    redis_client.lpush(keys.inflight(DEAD, "a"), b"{}")
    redis_client.delete(keys.lease(DEAD))


async def test_a_dead_owner_is_recovered_and_forgotten(died, owners, redis_client):
    assert (await owners.look()).missing == [DEAD]

    assert await owners.bury(DEAD, by="one") == ["a"]
    assert await owners.bury(DEAD, by="two") is None
    assert not await owners.leave(DEAD, ["a"])
    assert await owners.salvage(DEAD, "a", [Salvage(b"{}", b'{"again":1}')]) == [1]
    assert await owners.salvage(DEAD, "a", [Salvage(b"{}", b'{"again":1}')]) == [0]
    assert await owners.leave(DEAD, ["a"])

    assert redis_client.lrange("queue:a", 0, -1) == [b'{"again":1}']
    assert (await owners.look()).missing == []


@pytest.mark.parametrize("fault", [None, "SET queues x"])
async def test_what_is_recovered_into_a_cleared_queue_can_be_seen(fault, died, owners, redis_client):
    redis_client.delete("queues")
    if fault:
        redis_client.execute_command(fault)
    await owners.bury(DEAD, by="one")

    assert await owners.salvage(DEAD, "a", [Salvage(b"{}", b"{}")]) == [1]

    assert redis_client.lrange("queue:a", 0, -1) == [b"{}"]
    assert fault or redis_client.smembers("queues") == {b"a"}
    redis_client.delete("queues")


async def test_a_buried_worker_is_told_and_writes_nothing(died, heart, owners, redis_client):
    await owners.bury(DEAD, by="one")

    assert heart.beat(BEAT).is_buried

    assert not redis_client.exists(keys.lease(DEAD))


async def test_entries_that_reach_a_buried_owner_later_are_seen(died, owners, redis_client):
    await owners.bury(DEAD, by="one")
    await owners.salvage(DEAD, "a", [Salvage(b"{}", b"{}")])
    await owners.leave(DEAD, ["a"])

    redis_client.lpush(keys.inflight(DEAD, "a"), b'{"late":1}')

    assert (await owners.look()).holding == [DEAD]
    assert await owners.bury(DEAD, by="one") == ["a"]


@pytest.mark.parametrize("key", [keys.BURIED, keys.PROCESSES])
@pytest.mark.parametrize("kind", ["string", "stream"])
async def test_a_key_of_the_wrong_type_does_not_keep_the_dead_from_being_recovered(
    key, kind, died, owners, redis_client
):
    redis_client.delete(key)
    redis_client.set(key, "wrong") if kind == "string" else redis_client.xadd(key, {"wrong": 1})

    assert await owners.bury(DEAD, by="one") == ["a"]

    redis_client.delete(keys.PROCESSES)


@pytest.mark.parametrize("key", [keys.lease(DEAD), keys.RECOVERY_LOCK])
async def test_a_lease_or_lock_that_never_expires_does_not_keep_the_dead_from_being_recovered(
    key, died, owners, redis_client
):
    redis_client.rpush(key, "wrong")

    assert (await owners.look()).missing == [DEAD]
    assert await owners.bury(DEAD, by="one") == ["a"]
    assert await owners.salvage(DEAD, "a", [Salvage(b"{}", b"{}")]) == [1]
    assert await owners.leave(DEAD, ["a"])


@pytest.mark.parametrize("key", [keys.OWNERS, keys.owner_queues(DEAD), keys.lease(DEAD)])
async def test_a_beat_takes_its_own_keys_back_from_whatever_took_their_place(key, heart, owners, redis_client):
    heart.beat(BEAT)
    redis_client.delete(key)
    redis_client.xadd(key, {"wrong": 1})

    heart.beat(BEAT)
    redis_client.delete(keys.lease(DEAD))

    assert (await owners.look()).missing == [DEAD]
    assert await owners.bury(DEAD, by="one") == ["a"]


async def test_the_queues_of_an_owner_are_remembered_as_long_as_it_holds_jobs(died, owners, redis_client):
    await owners.bury(DEAD, by="one")
    redis_client.expire(keys.owner_queues(DEAD), 5)

    await owners.bury(DEAD, by="one")

    assert redis_client.ttl(keys.owner_queues(DEAD)) > keys.DAY - 60


async def test_leaving_does_not_cut_short_the_inspection_of_others(died, owners, store, redis_client):
    await owners.bury(DEAD, by="one")
    living = store.heart(LIVING)
    living.beat(BEAT)

    assert await owners.leave(LIVING, ["a"], inspect_for=60)

    living.close()
    assert redis_client.ttl(keys.BURIED) > keys.DAY - 60
    assert redis_client.ttl(keys.owner_queues(LIVING)) <= 60


@pytest.mark.parametrize("is_flushed", [True, False])
async def test_the_number_of_the_last_flush_stays_while_a_flush_may_be_under_way(
    is_flushed, heart, owners, redis_client
):
    heart.beat(BEAT)
    redis_client.set(keys.flushed(DEAD), 3, ex=keys.DAY)

    assert await owners.leave(DEAD, ["a"], is_flushed=is_flushed)

    assert redis_client.get(keys.flushed(DEAD)) == (None if is_flushed else b"3")


async def test_the_number_of_the_last_flush_stays_where_jobs_are_left(died, owners, redis_client):
    redis_client.set(keys.flushed(DEAD), 3, ex=keys.DAY)

    assert not await owners.leave(DEAD, ["a"], is_flushed=True)

    assert redis_client.get(keys.flushed(DEAD)) == b"3"


async def test_only_an_owner_takes(store, link, heart, redis_client):
    redis_client.lpush("queue:a", b"{}")
    queues = store.capsule_queues(link, identity=DEAD, capsule="default", names=["a"])

    before = await queues.turn(Batch(1, [], 1, [(0, 1)]))
    heart.beat(BEAT)
    after = await queues.turn(Batch(2, [], 1, [(0, 1)]))

    assert (before.is_owner, list(before.taken)) == (False, [])
    assert (after.is_owner, list(after.taken)) == (True, [(0, [b"{}"])])


async def test_a_buried_worker_takes_nothing_even_if_it_is_still_an_owner(store, link, died, owners, redis_client):
    redis_client.lpush("queue:a", b"{}")
    queues = store.capsule_queues(link, identity=DEAD, capsule="default", names=["a"])
    await owners.bury(DEAD, by="one")

    turn = await queues.turn(Batch(1, [], 1, [(0, 1)]))

    assert redis_client.sismember(keys.OWNERS, DEAD)
    assert (turn.is_owner, list(turn.taken)) == (False, [])


@pytest.mark.parametrize("inspect_for", [0, 60])
async def test_leaves_although_the_set_of_the_buried_has_the_wrong_type(inspect_for, heart, owners, redis_client):
    heart.beat(BEAT)
    redis_client.set(keys.BURIED, "wrong")
    redis_client.expire(keys.BURIED, 60)

    assert await owners.leave(DEAD, ["a"], inspect_for=inspect_for)

    is_inspected = redis_client.type(keys.BURIED) == b"zset" and redis_client.zscore(keys.BURIED, DEAD) is not None
    assert is_inspected == bool(inspect_for)
    assert redis_client.exists(keys.owner_queues(DEAD)) == bool(inspect_for)
    redis_client.delete(keys.BURIED)


async def test_a_dead_owner_whose_queue_names_cannot_be_read_is_looked_for_in_all_queues(died, owners, redis_client):
    redis_client.sadd("queues", "a", "b")
    redis_client.set(keys.owner_queues(DEAD), "wrong")

    assert set(await owners.bury(DEAD, by="one")) == {"a", "b"}
    redis_client.delete(keys.owner_queues(DEAD), "queues")


@pytest.mark.parametrize("fault", ["deleted", "replaced"])
async def test_a_dead_owner_that_the_set_has_lost_is_an_owner_again(fault, died, owners, redis_client):
    redis_client.delete(keys.OWNERS)
    if fault == "replaced":
        redis_client.set(keys.OWNERS, "wrong")
    redis_client.sadd(b"sidelong:owner-queues:\xff", "a")

    assert await owners.restore(0) == (0, [DEAD])

    assert (await owners.look()).missing == [DEAD]
    assert await owners.restore(0) == (0, [])
    redis_client.delete(b"sidelong:owner-queues:\xff")


async def test_neither_the_living_nor_the_buried_are_taken_for_lost(died, owners, store, redis_client):
    await owners.bury(DEAD, by="one")
    living = store.heart(LIVING)
    living.beat(BEAT)
    redis_client.delete(keys.OWNERS)

    assert await owners.restore(0) == (0, [])

    living.close()


async def test_tells_who_looks_whether_it_is_an_owner(heart, owners, redis_client):
    heart.beat(BEAT)
    was_listed = (await owners.look(by=DEAD)).is_listed
    redis_client.delete(keys.OWNERS)

    assert was_listed
    assert not (await owners.look(by=DEAD)).is_listed


async def test_remote_signals_come_one_by_one_oldest_first(heart, redis_client):
    redis_client.lpush(keys.signals(DEAD), "TSTP", "TERM")
    redis_client.expire(keys.signals(DEAD), 60)

    assert [heart.beat(BEAT).signal for _ in range(3)] == ["TSTP", "TERM", ""]


async def test_a_dead_job_that_stays_dead_is_not_lost(store, link, redis_client):
    redis_client.set("queue:bad", "text")
    redis_client.zadd("dead", {b"{}": time.time(), b"[]": time.time()})

    answers = await store.timed_sets(link).move(
        "dead", [Move(b"{}", "queue", "bad", b"{}"), Move(b"[]", "dead", raw=b"[]")]
    )

    assert answers == ["dead", "dead"]
    assert set(redis_client.zrange("dead", 0, -1)) == {b"{}", b"[]"}
    redis_client.delete("queue:bad")


async def test_a_batch_older_than_the_last_one_changes_nothing(store, link, heart, redis_client):
    heart.beat(BEAT)
    redis_client.lpush("queue:a", b"{}")
    queues = store.capsule_queues(link, identity=DEAD, capsule="default", names=["a"])
    await queues.turn(Batch(2, [], 0))

    turn = await queues.turn(Batch(1, [], 1, [(0, 1)]))

    assert list(turn.taken) == []
    assert turn.errors
    assert redis_client.llen("queue:a") == 1


async def test_a_park_brings_one_payload_and_says_what_is_wrong_with_a_key(store, link, redis_client):
    queues = store.capsule_queues(link, identity=DEAD, capsule="default", names=["a"])
    redis_client.lpush("queue:a", b"{}")

    assert await queues.park(link, 0, 1) == b"{}"
    assert await queues.park(link, 0, 0.02) is None
    assert await queues.sizes(link) == [1]
    assert await queues.entries(link, 0) == [b"{}"]

    redis_client.set("queue:a", "text")
    with pytest.raises(Refused, match="WRONGTYPE"):
        await queues.park(link, 0, 1)
    redis_client.delete("queue:a")


async def test_at_full_memory_everything_but_pushing_goes_on(own_redis, new_store):
    store = new_store(own_redis.url)
    link = store.link("test")
    heart = store.heart(DEAD)
    queues = store.capsule_queues(link, identity=DEAD, capsule="default", names=["a"])
    owners, sets = store.owners(link), store.timed_sets(link)
    with own_redis.client() as client:
        client.lpush("queue:a", *[b'{"n":%d}' % n for n in range(4)])
        client.zadd("schedule", {b'{"due":1}': 1.0, b'{"due":2}': 2.0})
        client.config_set("maxmemory", "1")

        heart.beat(BEAT)
        turn = await queues.turn(Batch(1, [], 3, [(0, 3)]))
        (_, raws), *_ = turn.taken
        with pytest.raises(Refused, match="OOM"):
            await queues.park(link, 0, 0.1)
        outcomes = (DONE, Retry(b'{"retry":1}', 15.0), Dead(b'{"dead":1}'))
        deliveries = [_delivery(raw, outcome) for raw, outcome in zip(raws, outcomes, strict=True)]
        settled = await queues.turn(Batch(2, deliveries))
        _, scheduled = (await sets.due()).sets
        moved = await sets.move("schedule", [Move(raw, "queue", "b", raw) for raw in scheduled.members])
        heart.beat(BEAT)
        assert (await owners.look()).missing == []
        await queues.turn(Batch(3, [], 1, [(0, 1)]))
        client.delete(keys.lease(DEAD))
        assert await owners.bury(DEAD, by="one") == ["a"]
        held = await owners.held(DEAD, "a")
        assert await owners.salvage(DEAD, "a", [Salvage(raw, raw) for raw in held]) == [1]
        assert await owners.leave(DEAD, ["a"])

        assert len(settled.settled) == 3
        assert moved == ["queue", "queue"]
        assert (client.zcard("retry"), client.zcard("dead"), client.llen("queue:b")) == (1, 1, 2)
    heart.close()
    await link.close()


def _delivery(raw: bytes, outcome: Outcome) -> Delivery:
    delivery = Delivery(raw, 0, "a")
    delivery.outcome = outcome
    return delivery


async def test_scripts_that_a_full_server_forgot_are_loaded_again(own_redis, new_store):
    store = new_store(own_redis.url)
    link = store.link("test")
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        client.script_flush()

        assert (await store.owners(link).look()).missing == []
    await link.close()


async def test_a_server_that_may_not_be_asked_about_is_still_looked_at(start_redis, new_store):
    server = start_redis()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info")
    store = new_store(f"redis://worker:pw@127.0.0.1:{server.port}/0")
    link = store.link("test")

    sighting = await store.owners(link).look()

    assert (sighting.server, sighting.uptime) == ("", None)
    await link.close()
