import asyncio
import json
import time
from collections import Counter

import pytest

from sidelong.errors import EnqueueUncertain, NotEnqueued
from sidelong.store import keys
from sidelong.store.pusher import Push
from tests.support.monitor import Monitor
from tests.support.proxy import Proxy
from tests.support.redis_server import Database


def push_of(number: int, queue: str = "a", at: float | None = None) -> Push:
    return Push(f"jid{number}", queue, json.dumps({"jid": f"jid{number}"}).encode(), at)


async def test_pushes_of_one_moment_share_two_round_trips(redis_server: Database, redis_client, new_store):
    pusher = new_store(redis_server.url).pusher
    await pusher.push([push_of(0)])

    with Monitor(redis_server.url) as monitor:
        await asyncio.gather(*(pusher.push([push_of(n)]) for n in range(1, 51)))

    assert monitor.names == Counter({"SADD": 2, "LPUSH": 2, "ECHO": monitor.names["ECHO"]})
    assert redis_client.lrange("queue:a", 0, -1) == [push_of(n).raw for n in reversed(range(51))]
    assert redis_client.smembers("queues") == {b"a"}


async def test_each_destination_gets_its_own_in_order(redis_server: Database, redis_client, new_store):
    pusher = new_store(redis_server.url).pusher

    await pusher.push([push_of(1, "a"), push_of(2, "b"), push_of(3, at=4e9), push_of(4, "a"), push_of(5, at=3e9 + 0.5)])

    assert redis_client.lrange("queue:a", 0, -1) == [push_of(4).raw, push_of(1).raw]
    assert redis_client.lrange("queue:b", 0, -1) == [push_of(2).raw]
    assert redis_client.zrange("schedule", 0, -1, withscores=True) == [
        (push_of(5).raw, 3e9 + 0.5),
        (push_of(3).raw, 4e9),
    ]
    assert redis_client.smembers("queues") == {b"a", b"b"}


async def test_scheduled_jobs_alone_do_not_name_a_queue(redis_server: Database, redis_client, new_store):
    await new_store(redis_server.url).pusher.push([push_of(1, at=4e9)])

    assert not redis_client.exists("queues")


async def test_large_pushes_go_out_in_several_commands(redis_server: Database, redis_client, new_store):
    pusher = new_store(redis_server.url).pusher
    pushes = [push_of(n) for n in range(2500)]

    with Monitor(redis_server.url) as monitor:
        await pusher.push(pushes)

    assert monitor.names["LPUSH"] == 3
    assert redis_client.lrange("queue:a", 0, -1) == [push.raw for push in reversed(pushes)]


async def test_pushing_nothing_is_no_trouble(redis_server: Database, new_store):
    await new_store(redis_server.url).pusher.push([])


async def test_cancelling_one_caller_leaves_the_pushes_of_the_others(redis_server: Database, redis_client, new_store):
    pusher = new_store(redis_server.url).pusher
    callers = [asyncio.create_task(pusher.push([push_of(n)])) for n in range(10)]
    await asyncio.sleep(0)

    callers[0].cancel()
    callers[5].cancel()
    ends = await asyncio.gather(*callers, return_exceptions=True)

    assert [n for n, end in enumerate(ends) if end is not None] == [0, 5]
    assert set(redis_client.lrange("queue:a", 0, -1)) >= {push_of(n).raw for n in range(10) if n not in (0, 5)}


async def test_with_redis_down_nothing_is_sent_and_it_says_so(
    proxy: Proxy, redis_server: Database, redis_client, new_store
):
    pusher = new_store(proxy.url(redis_server.number)).pusher
    proxy.refuse()

    with pytest.raises(NotEnqueued) as caught:
        await pusher.push([push_of(1), push_of(2, at=4e9)])

    assert caught.value.jids == ("jid1", "jid2")
    assert caught.value.enqueued == ()
    assert not redis_client.keys("*")


async def test_a_lost_answer_leaves_the_push_uncertain(proxy: Proxy, redis_server: Database, redis_client, new_store):
    pusher = new_store(proxy.url(redis_server.number)).pusher
    await pusher.push([push_of(0)])
    proxy.drop_reply_to(b"LPUSH queue:b")

    with pytest.raises(EnqueueUncertain, match="jid2") as caught:
        await pusher.push([push_of(1, "a"), push_of(2, "b")])

    assert caught.value.jids == ("jid2",)
    assert caught.value.enqueued == ("jid1",)
    assert redis_client.lrange("queue:b", 0, -1) == [push_of(2, "b").raw]
    await pusher.push([push_of(3)])


async def test_half_a_command_stores_nothing(proxy: Proxy, redis_server: Database, redis_client, new_store):
    pusher = new_store(proxy.url(redis_server.number)).pusher
    await pusher.push([push_of(0)])
    proxy.cut_after_request_bytes(100_000)

    with pytest.raises(EnqueueUncertain):
        await pusher.push([Push("big", "a", b'"' + b"x" * 1_000_000 + b'"')])

    assert redis_client.llen("queue:a") == 1


async def test_no_answer_in_time_leaves_the_push_uncertain(proxy: Proxy, redis_server: Database, new_store):
    pusher = new_store(proxy.url(redis_server.number), answer_timeout=0.3).pusher
    await pusher.push([push_of(0)])
    proxy.blackhole("replies")
    began = time.monotonic()

    with pytest.raises(EnqueueUncertain):
        await pusher.push([push_of(1)])

    assert time.monotonic() - began < 3


async def test_at_full_memory_nothing_is_stored_and_it_says_so(own_redis, new_store):
    pusher = new_store(own_redis.url).pusher
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")

        with pytest.raises(NotEnqueued, match=r"OOM.*; give Redis more memory") as caught:
            await pusher.push([push_of(1), push_of(2, at=4e9)])

        assert caught.value.jids == ("jid1", "jid2")
        assert not client.keys("*")
        client.config_set("maxmemory", "0")
    await pusher.push([push_of(3)])


async def test_a_queue_of_the_wrong_type_fails_only_its_own_pushes(redis_server: Database, redis_client, new_store):
    redis_client.set("queue:bad", "text")
    pusher = new_store(redis_server.url).pusher

    good, bad, mixed = await asyncio.gather(
        pusher.push([push_of(1)]),
        pusher.push([push_of(2, "bad")]),
        pusher.push([push_of(3), push_of(4, "bad"), push_of(5, at=4e9)]),
        return_exceptions=True,
    )

    assert good is None
    assert isinstance(bad, NotEnqueued)
    assert (bad.jids, bad.enqueued) == (("jid2",), ())
    assert isinstance(mixed, NotEnqueued)
    assert (mixed.jids, mixed.enqueued) == (("jid4",), ("jid3", "jid5"))
    assert redis_client.llen("queue:a") == 2
    redis_client.delete("queue:bad")


async def test_a_list_of_queues_of_the_wrong_type_costs_no_push(redis_server: Database, redis_client, new_store):
    redis_client.set(keys.QUEUES, "text")

    await new_store(redis_server.url).pusher.push([push_of(1)])

    assert redis_client.llen("queue:a") == 1
    redis_client.delete(keys.QUEUES)


async def test_a_push_that_a_former_master_refused_is_tried_once_more(start_redis, new_store):
    server = start_redis()
    pusher = new_store(server.url).pusher
    await pusher.push([push_of(0)])
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)

        with pytest.raises(NotEnqueued, match="READONLY"):
            await pusher.push([push_of(1)])

        assert client.info("commandstats")["cmdstat_lpush"]["rejected_calls"] == 2
        client.replicaof("NO", "ONE")
    await pusher.push([push_of(2)])


async def test_a_connection_that_was_cut_while_the_loop_was_blocked_costs_no_push(
    redis_server: Database, redis_client, new_store
):
    pusher = new_store(redis_server.url).pusher
    await pusher.push([push_of(0)])
    redis_client.client_kill_filter(_type="normal", skipme=True)
    time.sleep(0.05)

    await pusher.push([push_of(1)])

    assert redis_client.llen("queue:a") == 2
