"""Thousands of hostile payloads in the private lists of dead workers: each is given back once, blamed or not."""

import time
from collections import Counter
from typing import Any

import pytest
import redis

from tests.integration.hostile_payloads.bench import CRASH_WINDOW, SENTINEL, Bench, push
from tests.integration.hostile_payloads.ends import Given
from tests.integration.hostile_payloads.expectations import from_queue
from tests.integration.hostile_payloads.figures import Figures, batches
from tests.integration.hostile_payloads.readable import crashes, readable, usable_jid
from tests.support.redis_server import Database

pytestmark = [pytest.mark.timeout(3600)]

_MOST_CRASHES_KEPT = 10
_CRASH_LIMIT = 3


async def test_in_the_list_of_a_worker_that_died_before(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    figures = Figures("left behind without a crash")
    for raws in batches(hostile):
        given = Given(raws, from_queue)
        bench = Bench(redis_server.url, redis_client, notices_deaths=True)
        leave(redis_client, "gone:1:0123456789ab", [*raws, SENTINEL])
        redis_client.zadd("sidelong:buried", {"gone:1:0123456789ab": redis_client.time()[0]})
        redis_client.expire("sidelong:buried", 86_400)

        async with bench.working():
            figures.add(await bench.finish(given))

        assert no_more_than(expected_crashes(given, lambda item, count: count), bench.crashes(given))
    figures.print()


async def test_in_the_lists_of_workers_that_crashed(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    figures = Figures("left behind by crashes")
    for raws in batches(hostile):
        owners = by_crashes(raws)
        alone, most = lonely(owners["gone:3:0123456789ab"])

        def count_after(item: dict[str, Any], count: int, alone: str | None = alone, most: int = most) -> int:
            is_spared = count > 1 and (usable_jid(item) != alone or count != most)
            return count if is_spared else min(count + 1, _MOST_CRASHES_KEPT)

        def may_end(item: dict[str, Any], alone: str | None = alone, most: int = most) -> frozenset[str]:
            count = crashes(item, time.time(), CRASH_WINDOW)
            if count + 1 >= _CRASH_LIMIT and count == most and usable_jid(item) == alone:
                return frozenset({"dropped"} if item.get("dead") is False else {"dead"})
            return from_queue(item)

        given = Given(raws, may_end)
        bench = Bench(redis_server.url, redis_client, notices_deaths=True)
        for owner, left in owners.items():
            leave(redis_client, owner, left)
            redis_client.sadd("sidelong:owners", owner)
        if alone is not None:
            redis_client.set("sidelong:alone:gone:3:0123456789ab", alone, ex=86_400)

        async with bench.working():
            figures.add(await bench.finish(given))

        assert no_more_than(expected_crashes(given, count_after), bench.crashes(given))
    figures.print()


def leave(client: redis.Redis, owner: str, raws: list[bytes]) -> None:
    """Put payloads into the private list of an owner that has no lease."""
    client.sadd(f"sidelong:owner-queues:{owner}", "default")
    client.expire(f"sidelong:owner-queues:{owner}", 86_400)
    push(client, f"sidelong:inflight:{owner}:default", raws)


def by_crashes(raws: list[bytes]) -> dict[str, list[bytes]]:
    """Return payloads by owners: those without a crash, with one, and with more; only the highest count is blamed."""
    parted: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for raw in raws:
        parted[min(crashes(readable(raw) or {}, time.time(), CRASH_WINDOW), 2)].append(raw)
    parted[0].append(SENTINEL)
    return {f"gone:{number}:0123456789ab": left for number, left in enumerate(parted, 1)}


def lonely(raws: list[bytes]) -> tuple[str | None, int]:
    """Return the jid of the job that ran alone, and the crashes of the one to blame; None if there is no such job."""
    jobs = [item for raw in raws if usable_jid(item := readable(raw) or {})]
    if not jobs:
        return None, 0
    jid = usable_jid(jobs[0])
    return jid, max(crashes(job, time.time(), CRASH_WINDOW) for job in jobs if usable_jid(job) == jid)


def expected_crashes(given: Given, count_after: Any) -> Counter[tuple[str, int]]:
    return Counter(
        (given.fingerprint(item), count_after(item, crashes(item, time.time(), CRASH_WINDOW)))
        for item in given.items.values()
    )


def no_more_than(expected: Counter[tuple[str, int]], found: Counter[tuple[str, int]]) -> bool:
    """Tell whether all that was found was expected; what was dropped is not found."""
    assert not found - expected, f"crashes were counted as {next(iter(found - expected))}"
    return True
