"""Half of a million jobs are deleted by their class, in steps that hold nobody up, while others push and fetch."""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import Queue
from tests.support.redis_server import RedisServer

JOBS = 1_000_000
_FILL = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local class = number % 2 == 0 and 'Kept' or 'Unwanted'
  redis.call('LPUSH', KEYS[1], string.format(ARGV[3], class, number, number))
end
"""
_PAYLOAD = (
    '{"retry":true,"queue":"default","class":"%s","args":[%d,"2026-11-20T23:26:42Z",{"order":17,"note":"as agreed"}],'
    '"jid":"%024d","created_at":1795217165.2025769,"enqueued_at":1795217165.2028747}'
)
_STEP = 10_000
_NOTED_US = 2000
MOST_MS = 20


def fill(client: redis.Redis) -> None:
    """Push a million jobs, every second one of either class."""
    client.sadd("queues", "default")
    for first in range(0, JOBS, _STEP):
        client.eval(_FILL, 1, "queue:default", first, first + _STEP - 1, _PAYLOAD)


class Others:
    """A thread that pushes jobs of the unwanted class and fetches jobs, a few hundred a second."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.pushed = 0
        self.fetched: list[bytes] = []
        self.longest = 0.0
        self.is_over = threading.Event()

    def work(self) -> None:
        while not self.is_over.wait(0.002):
            began = time.monotonic()
            self.client.lpush("queue:default", _PAYLOAD % ("Unwanted", JOBS + self.pushed, JOBS + self.pushed))
            raw = self.client.rpop("queue:default")
            self.longest = max(self.longest, time.monotonic() - began)
            assert isinstance(raw, bytes)
            self.pushed += 1
            self.fetched.append(raw)


@contextmanager
def at_work(server: RedisServer) -> Iterator[Others]:
    with server.client() as client:
        others = Others(client)
        thread = threading.Thread(target=others.work)
        thread.start()
        try:
            yield others
        finally:
            others.is_over.set()
            thread.join()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_half_of_a_million_jobs_are_deleted_by_class(own_redis: RedisServer) -> None:
    async def delete() -> int:
        async with Sidelong(own_redis.url) as app:
            return await Queue(app).delete_by_class("Unwanted")

    with own_redis.client() as client:
        fill(client)
        client.config_set("slowlog-log-slower-than", _NOTED_US)
        client.config_set("slowlog-max-len", 1000)
        client.slowlog_reset()
        cpu = used_cpu(client)
        with at_work(own_redis) as others:
            began = time.monotonic()
            deleted = asyncio.run(delete())
            took = time.monotonic() - began
        noted = client.slowlog_get(1000)
        cpu = used_cpu(client) - cpu
        numbers = [json.loads(raw)["args"][0] for raw in client.lrange("queue:default", 0, -1)]
        left_aside = client.keys("sidelong:*")

    durations = sorted(entry["duration"] / 1000 for entry in noted if entry["command"].startswith(b"EVALSHA"))
    longest, typical = durations[-1], statistics.median(durations)
    print(
        f"{deleted:,} of {JOBS:,} deleted in {took:.1f} s, {cpu:.1f} s of which Redis worked, {len(noted)} calls noted"
    )
    print(f"of these, {typical:.1f} ms in the median, {longest:.1f} ms at most; others waited", end=" ")
    print(f"for {1000 * others.longest:.1f} ms at most")
    fetched = [json.loads(raw)["args"][0] for raw in others.fetched]
    there = set(range(JOBS)) - set(fetched)
    assert left_aside == []
    # Each job is in one place: fetched, deleted, or still there in its order.
    assert numbers == sorted(numbers, reverse=True)
    assert {number for number in there if number % 2 == 0} <= set(numbers)
    assert not {number for number in numbers if number % 2 and number < JOBS}
    assert len(numbers) + deleted + len(fetched) == JOBS + others.pushed
    # A busy machine holds Redis up now and then; steps that grow with the queue would be long each time.
    assert typical < MOST_MS


def used_cpu(client: redis.Redis) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])
