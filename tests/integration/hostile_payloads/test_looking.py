"""Whoever looks at hostile payloads from outside sees each of them, and never meets an error."""

import inspect
import math
from typing import Any

import redis

from sidelong import Sidelong
from sidelong.api import Filter, JobRecord, ProcessSet, Queue, Stats, WorkSet
from tests.integration.hostile_payloads.strategies import naming
from tests.support.redis_server import Database

IDENTITY = "web.1:4711:0123456789ab"
PROPERTIES = [
    name
    for name, member in inspect.getmembers(JobRecord)
    if not name.startswith("_") and not inspect.isfunction(member)
]
FILTERS = [
    Filter(job_class="Ok"), Filter(queue="default"), Filter(tag="a"), Filter(error_class="ValueError"),
    Filter(text="É"), Filter(text="\ud800"),
]  # fmt: skip


def look(record: JobRecord) -> dict[str, Any]:
    seen = {name: getattr(record, name) for name in PROPERTIES}
    repr(record)
    for meant in FILTERS:
        meant.matches(record)
    return seen


def check(seen: dict[str, Any]) -> None:
    """Every field is of its type, and every number one to reckon with."""
    assert (seen["item"] is None) <= (seen["fault"] is not None)
    for name in ("jid", "job_class", "display_class", "queue"):
        assert type(seen[name]) is str
    for name in ("bid", "error_class", "error_message", "fault"):
        assert seen[name] is None or type(seen[name]) is str
    for name in ("created_at", "enqueued_at", "failed_at", "retried_at"):
        assert seen[name] is None or 0 <= seen[name] < 2.6e11
    assert math.isfinite(seen["latency"])
    assert seen["latency"] >= 0
    assert all(type(tag) is str for tag in seen["tags"])
    assert type(seen["args"]) is list
    assert type(seen["display_args"]) is list
    assert seen["retry_count"] is None or abs(seen["retry_count"]) <= 10**9
    frames = seen["error_backtrace"]
    assert frames is None or all(type(frame) is str for frame in frames)


def test_any_bytes_make_a_record(hostile: list[bytes]) -> None:
    for raw in hostile:
        with naming(raw):
            check(look(JobRecord(raw)))


async def test_a_queue_of_hostile_payloads_is_listed_searched_and_emptied(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    redis_client.sadd("queues", "default")
    redis_client.lpush("queue:default", *hostile)
    async with Sidelong(redis_server.url) as app:
        queue = Queue(app)
        listed = [job async for job in queue]
        backwards = [job.value async for job in queue.jobs(oldest_first=False)]
        jids = [job.jid for job in listed if job.jid]
        found = await queue.find_job(jids[-1])
        deleted = [await queue.delete_job(jid) for jid in dict.fromkeys(jids[:20])]
        by_class = await queue.delete_by_class("Ok")
        figures = await Stats(app).fetch()
        others = await queue.delete_all(where=Filter(text=""))

    assert [job.value for job in listed] == hostile == backwards[::-1]
    assert found is not None
    assert all(deleted)
    assert figures.enqueued == len(hostile) - len(deleted) - by_class
    assert others == figures.enqueued
    assert not redis_client.exists("queue:default")


async def test_any_bytes_next_in_a_queue_make_no_error(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    async with Sidelong(redis_server.url) as app:
        for raw in hostile[::20]:
            redis_client.delete("queue:default")
            redis_client.lpush("queue:default", raw)

            with naming(raw):
                assert math.isfinite(await Queue(app).latency())
                assert math.isfinite((await Stats(app).fetch(slow=False)).default_queue_latency)


async def test_any_bytes_may_stand_where_processes_tell_of_themselves(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    redis_client.sadd("processes", IDENTITY)
    redis_client.hset(f"{IDENTITY}:work", mapping={str(number): raw for number, raw in enumerate(hostile)})
    redis_client.expire(f"{IDENTITY}:work", 60)
    async with Sidelong(redis_server.url) as app:
        works = [work async for work in WorkSet(app)]
        for raw in hostile[::20]:
            redis_client.hset(IDENTITY, mapping=dict.fromkeys(("info", "busy", "beat", "quiet", "concurrency"), raw))
            redis_client.expire(IDENTITY, 60)
            with naming(raw):
                (process,) = [process async for process in ProcessSet(app)]
                repr(process)
                assert type(process.busy) is int
                assert process.beat is None or math.isfinite(process.beat)

    assert len(works) == len(hostile)
    for work in works:
        with naming(work.record.value):
            check(look(work.record))
