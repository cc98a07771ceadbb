"""A queue is read from end to end while others change it between two pages, in every way there is."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
import redis

from sidelong.store.link import Link
from sidelong.store.queue_walk import LARGE_PAGE, PAGE, QueueWalk
from tests.integration.store.conftest import LinkMaker
from tests.support.redis_server import Database

KEY = "queue:a"


class Changes:
    """What others do to a queue; entries are told apart by their numbers."""

    def __init__(self, client: redis.Redis, chance: random.Random) -> None:
        self.client = client
        self.chance = chance
        self.numbers = count()
        self.touched: set[bytes] = set()
        """Entries that were taken or deleted at some time."""

    def push(self, number: int) -> list[bytes]:
        raws = [b"%d" % next(self.numbers) for _ in range(number)]
        if raws:
            self.client.lpush(KEY, *raws)
        return raws

    def fetch(self, number: int) -> None:
        self.touched.update(self.client.rpop(KEY, number) or ())

    def fetch_and_hand_back(self, number: int) -> None:
        taken = self.client.rpop(KEY, number) or []
        self.touched.update(taken)
        if taken:
            self.client.rpush(KEY, *reversed(taken))

    def hand_back(self, number: int) -> None:
        raws = [b"back %d" % next(self.numbers) for _ in range(number)]
        if raws:
            self.client.rpush(KEY, *raws)

    def delete(self, number: int) -> None:
        entries = self.client.lrange(KEY, 0, -1)
        pipe = self.client.pipeline(transaction=False)
        for raw in self.chance.sample(entries, min(number, len(entries))):
            self.touched.add(raw)
            pipe.lrem(KEY, 1, raw)
        pipe.execute()

    def delete_all_but(self, number: int) -> None:
        self.delete(max(0, self.client.llen(KEY) - number))

    def change(self, most: int, _: list[bytes]) -> None:
        kinds: list[Callable[[int], object]] = [self.push, self.fetch, self.hand_back, self.delete]
        kinds.append(self.fetch_and_hand_back)
        for _ in range(self.chance.randrange(4)):
            self.chance.choice(kinds)(self.chance.randrange(most))
        if self.chance.random() < 0.02:
            self.delete_all_but(self.chance.randrange(100))


async def read(walk: QueueWalk, between: Callable[[list[bytes]], object]) -> list[bytes]:
    found = []
    while page := await walk.page():
        assert len(page) <= LARGE_PAGE
        found += page
        between(page)
    return found


@pytest.fixture
async def link(redis_server: Database, new_link: LinkMaker) -> Link:
    return new_link(redis_server.url)


@pytest.mark.parametrize("has_large_pages", [True, False])
@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("most", [5, 60, 300, 1500])
async def test_what_was_there_and_stays_is_read_whatever_changes(
    link: Link, redis_client: redis.Redis, most: int, oldest_first: bool, has_large_pages: bool
) -> None:
    for seed in range(4):
        redis_client.delete(KEY)
        changes = Changes(redis_client, random.Random(seed))
        there = changes.push(2000 if most > 100 else 800)

        walk = QueueWalk(link, "a", oldest_first=oldest_first, has_large_pages=has_large_pages)
        found = await read(walk, partial(changes.change, most))

        assert set(there) - changes.touched - set(found) == set(), f"seed {seed}"


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("number", [1, 30, 50, 51, 400])
async def test_pushes_alone_make_nothing_come_twice(
    link: Link, redis_client: redis.Redis, oldest_first: bool, number: int
) -> None:
    changes = Changes(redis_client, random.Random(1))
    there = changes.push(1000)

    found = await read(QueueWalk(link, "a", oldest_first=oldest_first), lambda _: changes.push(number))

    assert found == (there if oldest_first else there[::-1])


@pytest.mark.parametrize("number", [1, 30, 50, 51, 400, 1200])
async def test_fetching_alone_makes_nothing_come_twice(link: Link, redis_client: redis.Redis, number: int) -> None:
    changes = Changes(redis_client, random.Random(1))
    there = changes.push(5000)

    found = await read(QueueWalk(link, "a"), lambda _: changes.fetch(number))

    assert len(set(found)) == len(found)
    assert set(there) - changes.touched <= set(found)


async def test_reading_ends_although_others_push_and_fetch_faster(link: Link, redis_client: redis.Redis) -> None:
    changes = Changes(redis_client, random.Random(1))
    changes.push(1000)

    def replace(_: list[bytes]) -> None:
        changes.push(2000)
        changes.fetch(2000)

    found = await asyncio.wait_for(read(QueueWalk(link, "a"), replace), 60)

    assert len(found) <= 2 * 1000 + 1000 + 1000


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_equal_entries_are_each_read(link: Link, redis_client: redis.Redis, oldest_first: bool) -> None:
    redis_client.lpush(KEY, *[b"{}"] * 777)

    found = await read(QueueWalk(link, "a", oldest_first=oldest_first), lambda _: None)

    assert found == [b"{}"] * 777


@pytest.mark.parametrize("kept", [1, 2, 7, 10**9])
async def test_what_the_reader_deletes_costs_no_search(link: Link, redis_client: redis.Redis, kept: int) -> None:
    changes = Changes(redis_client, random.Random(1))
    there = changes.push(2000)
    walk = QueueWalk(link, "a")

    def delete(page: list[bytes]) -> None:
        gone = [raw for raw in page if int(raw) % kept] if kept > 1 else page
        for raw in gone:
            redis_client.lrem(KEY, 1, raw)
        walk.removed(gone)

    before = link.sent
    found = await read(walk, delete)

    assert found == there
    # One to open the connection aside: LLEN, and a page each.
    assert link.sent - before <= 2000 / PAGE + 10


async def test_a_quiet_queue_is_read_with_one_command_a_page(link: Link, redis_client: redis.Redis) -> None:
    changes = Changes(redis_client, random.Random(1))
    changes.push(10_000)
    await link.call("PING")
    before = link.sent

    await read(QueueWalk(link, "a"), lambda _: None)

    assert link.sent - before == 1 + 10_000 / PAGE


async def test_large_pages_are_for_small_entries(link: Link, redis_client: redis.Redis) -> None:
    redis_client.rpush(KEY, *[b"x" * 10_000] * 400, *[b"y"] * 1000)
    walk = QueueWalk(link, "a", has_large_pages=True)
    sizes = []
    while page := await walk.page():
        sizes.append(len(page))

    assert sizes[:7] == [50, 200, 200, 200, 200, 200, 200]
    assert sum(sizes) == 1400
    assert max(sizes[7:]) <= 99
