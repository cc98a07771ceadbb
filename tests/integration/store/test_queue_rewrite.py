"""A queue is written anew while others push, fetch, hand back and delete at any moment: nothing is lost or doubled."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.resources import files
from typing import Any

import pytest
import redis

from sidelong.errors import ReplyLost
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.queue_rewrite import QueueRewrite, Rewritten
from sidelong.store.queue_sweep import QueueSweep
from sidelong.store.scripts import Scripts
from sidelong.store.stored_queue import StoredQueue
from sidelong.store.wire import Command
from tests.integration.store.conftest import LinkMaker
from tests.integration.store.test_queue_walk import Changes
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer

KEY = "queue:a"
MARGIN = 300


class MeddledLink:
    """A link that lets others do something before each command, or before those that `when` names."""

    def __init__(
        self, link: Link, meddle: Callable[[], object], *, when: Callable[[Command], bool] = lambda command: True
    ) -> None:
        self._link = link
        self._meddle = meddle
        self._when = when

    async def call(self, *command: Any) -> Any:
        if self._when(command):
            self._meddle()
        return await self._link.call(*command)

    async def pipeline(self, commands: Any) -> list[Any]:
        # They may come between any two, as death may.
        return [await self.call(*command) for command in commands]


def is_last_step(command: Command) -> bool:
    return command[0] == "EVALSHA" and command[2] == 3


def is_odd(raw: bytes) -> bool:
    return int(raw.removeprefix(b"back ")) % 2 == 1


@pytest.fixture
async def link(redis_server: Database, new_link: LinkMaker) -> Link:
    return new_link(redis_server.url)


async def rewrite(link: Any, is_meant: Callable[[bytes], bool] = is_odd, margin: int = MARGIN) -> Rewritten | None:
    rewriting = QueueRewrite(link, Scripts(), "a", is_meant=is_meant, tell=lambda read: None, margin=margin)
    return await rewriting.run()


def filled(client: redis.Redis, count: int) -> list[bytes]:
    """Push numbers, and return them as they lie, the one pushed last first."""
    client.lpush(KEY, *[b"%d" % number for number in range(count)])
    return client.lrange(KEY, 0, -1)


async def test_what_stays_is_there_in_its_order_and_for_ever(link: Link, redis_client: redis.Redis) -> None:
    before = filled(redis_client, 5000)

    done = await rewrite(link)

    assert done is not None
    assert MARGIN - 200 <= done.left <= MARGIN
    read, left = before[: 5000 - done.left], before[5000 - done.left :]
    assert redis_client.lrange(KEY, 0, -1) == [raw for raw in read if not is_odd(raw)] + left
    assert done.deleted == sum(map(is_odd, read))
    assert redis_client.ttl(KEY) == -1
    assert redis_client.keys("sidelong:*") == []


@pytest.mark.parametrize("count", [0, 1, 6, MARGIN, MARGIN + 1, MARGIN + 60])
async def test_a_short_queue_is_left_alone_or_done_right(link: Link, redis_client: redis.Redis, count: int) -> None:
    before = filled(redis_client, count) if count else []

    done = await rewrite(link)

    deleted = 0 if done is None else done.deleted
    after = redis_client.lrange(KEY, 0, -1)
    assert len(after) == count - deleted
    assert set(before) - set(after) <= set(filter(is_odd, before))


@pytest.mark.parametrize("is_meant", [lambda raw: True, lambda raw: False])
async def test_all_may_go_or_none(link: Link, redis_client: redis.Redis, is_meant: Callable[[bytes], bool]) -> None:
    before = filled(redis_client, 2000)

    done = await rewrite(link, is_meant, margin=0)

    assert done is not None
    assert (done.deleted, done.left) == (2000 if is_meant(b"") else 0, 0)
    assert redis_client.lrange(KEY, 0, -1) == ([] if is_meant(b"") else before)


async def test_equal_entries_are_each_kept_or_deleted(link: Link, redis_client: redis.Redis) -> None:
    redis_client.lpush(KEY, *[b"1", b"2", b"2"] * 1000)

    done = await rewrite(link, margin=0)

    # Where the end cannot be told from what is beside it, it is not done.
    assert redis_client.lrange(KEY, 0, -1).count(b"2") == 2000
    assert redis_client.llen(KEY) == 3000 - (0 if done is None else done.deleted)


async def test_equal_entries_do_not_hide_that_one_was_deleted(link: Link, redis_client: redis.Redis) -> None:
    redis_client.lpush(KEY, *[b"8"] * 2000)
    filled(redis_client, 1000)

    def delete(read: int) -> None:
        if read > 1000:
            redis_client.lrem(KEY, 1, b"48")

    await QueueRewrite(link, Scripts(), "a", is_meant=is_odd, tell=delete, margin=MARGIN).run()

    after = redis_client.lrange(KEY, 0, -1)
    assert after.count(b"48") == 0
    assert after.count(b"8") == 2001


async def test_what_was_handed_back_is_not_taken_for_what_was_read(link: Link, redis_client: redis.Redis) -> None:
    filled(redis_client, 3000)

    def work() -> None:
        """Fetch jobs, finish one of them, and hand the others back, among them one that was fetched long ago."""
        *taken, _ = redis_client.rpop(KEY, 5)
        redis_client.rpush(KEY, b"back 10", *reversed(taken))

    await rewrite(MeddledLink(link, work, when=is_last_step), margin=0)

    after = redis_client.lrange(KEY, 0, -1)
    assert b"back 10" in after
    assert b"4" not in after


class World(Changes):
    """Others, who do anything at any moment; keeps an account of what they took."""

    def __init__(self, client: redis.Redis, chance: random.Random, *, deletes: bool) -> None:
        super().__init__(client, chance)
        self.taken: list[bytes] = []
        self.deleted: list[bytes] = []
        self.deletes = deletes

    def meddle(self) -> None:
        kind = self.chance.random()
        if kind < 0.4:
            self.push(self.chance.choice((1, 3, 40)))
        elif kind < 0.7:
            taken = self.client.rpop(KEY, self.chance.choice((1, 5, 20))) or []
            self.touched.update(taken)
            self.taken += taken
        elif kind < 0.8 and self.taken:
            back = [self.taken.pop() for _ in range(min(len(self.taken), self.chance.randrange(1, 4)))]
            self.client.rpush(KEY, *back)
        elif kind < 0.82 and self.deletes:
            length = self.client.llen(KEY)
            raw = self.client.lindex(KEY, self.chance.randrange(length)) if length else None
            if raw is not None and self.client.lrem(KEY, 1, raw):
                self.touched.add(raw)
                self.deleted.append(raw)


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_or_doubled_whatever_others_do(
    link: Link, redis_client: redis.Redis, seed: int, deletes: bool
) -> None:
    world = World(redis_client, random.Random(seed), deletes=deletes)
    world.push(3000)

    done = await rewrite(MeddledLink(link, world.meddle))

    after = redis_client.lrange(KEY, 0, -1)
    pushed = {b"%d" % number for number in range(next(world.numbers))}
    gone = pushed - set(after) - set(world.taken) - set(world.deleted)
    assert len(after) == len(set(after))
    assert not set(after) & (set(world.taken) | set(world.deleted))
    assert all(map(is_odd, gone))
    assert len(gone) == (0 if done is None else done.deleted)
    if not deletes:
        # Pushing and fetching alone do not keep it from being done.
        assert done is not None
    assert redis_client.keys("sidelong:*") == []


async def test_where_others_delete_it_is_left_as_it_is(link: Link, redis_client: redis.Redis) -> None:
    before = filled(redis_client, 3000)
    calls = iter(range(1000))

    def delete_once() -> None:
        if next(calls) == 12:
            redis_client.lrem(KEY, 1, b"2500")

    assert await rewrite(MeddledLink(link, delete_once)) is None
    assert redis_client.lrange(KEY, 0, -1) == [raw for raw in before if raw != b"2500"]


async def test_a_job_that_is_changed_meanwhile_stays_changed(link: Link, redis_client: redis.Redis) -> None:
    swap, answers = files("sidelong.store").joinpath("lua/swap.lua").read_text(), []
    for at in range(2, 30, 3):
        redis_client.delete(KEY)
        before = filled(redis_client, 3000)
        calls = iter(range(1000))

        def change_once(at: int = at, calls: Iterator[int] = calls) -> None:
            if next(calls) == at:
                assert redis_client.eval(swap, 3, KEY, "queues", KEY, "2500", "a", "4000") == 1

        done = await rewrite(MeddledLink(link, change_once))

        after = redis_client.lrange(KEY, 0, -1)
        assert (after.count(b"4000"), after.count(b"2500")) == (1, 0)
        assert all(map(is_odd, set(before) - set(after) - {b"2500"}))
        assert len(after) == 3000 - (0 if done is None else done.deleted)
        answers.append(done is None)
    # Once the job was copied, what was copied is out of date.
    assert set(answers) == {True, False}


async def test_where_workers_are_faster_it_is_left_as_it_is(link: Link, redis_client: redis.Redis) -> None:
    answers = []
    for at in range(2, 36):
        redis_client.delete(KEY)
        before = filled(redis_client, 3000)
        calls = iter(range(1000))
        taken: set[bytes] = set()

        def fetch_once(at: int = at, calls: Iterator[int] = calls, taken: set[bytes] = taken) -> None:
            if next(calls) == at:
                taken.update(redis_client.rpop(KEY, 1000))

        done = await rewrite(MeddledLink(link, fetch_once))

        after = redis_client.lrange(KEY, 0, -1)
        there = [raw for raw in before if raw not in taken]
        assert [raw for raw in after if not is_odd(raw)] == [raw for raw in there if not is_odd(raw)]
        assert len(after) == 3000 - len(taken) - (0 if done is None else done.deleted)
        answers.append(done is None)
    # Late, it is too late.
    assert set(answers) == {True, False}


@pytest.mark.parametrize("at", range(2, 18))
async def test_what_stays_may_vanish_at_any_moment(link: Link, redis_client: redis.Redis, at: int) -> None:
    before = filled(redis_client, 3000)
    calls = iter(range(1000))

    def let_it_expire() -> None:
        if next(calls) == at and (kept := redis_client.keys("sidelong:kept:*")):
            redis_client.delete(*kept)

    done = await rewrite(MeddledLink(link, let_it_expire))

    after = redis_client.lrange(KEY, 0, -1)
    assert [raw for raw in before if not is_odd(raw)] == [raw for raw in after if not is_odd(raw)]
    assert len(after) == 3000 - (0 if done is None else done.deleted)


@pytest.mark.parametrize("at", range(1, 18))
async def test_broken_off_at_any_moment_it_leaves_the_queue_whole(
    link: Link, redis_client: redis.Redis, at: int
) -> None:
    before = filled(redis_client, 3000)
    calls = iter(range(1000))

    def interrupt() -> None:
        if next(calls) >= at:
            raise KeyboardInterrupt

    # Late moments are those after it was over.
    with suppress(KeyboardInterrupt):
        await rewrite(MeddledLink(link, interrupt))

    after = redis_client.lrange(KEY, 0, -1)
    assert [raw for raw in before if not is_odd(raw)] == [raw for raw in after if not is_odd(raw)]
    assert all(0 < redis_client.ttl(key) <= 300 for key in redis_client.keys("sidelong:*"))


async def test_a_lost_answer_to_the_last_step_is_told_and_it_is_done(
    proxy: Proxy, redis_server: Database, new_link: LinkMaker, redis_client: redis.Redis
) -> None:
    before = filled(redis_client, 3000)
    through = new_link(proxy.url(redis_server.number))
    # What the last step alone says: the place of the entry that was read last.
    proxy.drop_reply_to(b" 2999 0")

    with pytest.raises(ReplyLost):
        await rewrite(through, margin=0)

    assert proxy.replies_dropped == 1
    assert redis_client.lrange(KEY, 0, -1) == [raw for raw in before if not is_odd(raw)]
    assert redis_client.ttl(KEY) == -1


async def test_where_memory_is_full_the_queue_is_left_as_it_is(own_redis: RedisServer, new_link: LinkMaker) -> None:
    with own_redis.client() as client:
        before = filled(client, 3000)
        client.config_set("maxmemory", 1)

        assert await rewrite(new_link(own_redis.url)) is None

        assert client.lrange(KEY, 0, -1) == before


async def test_memory_is_left_to_those_who_push(own_redis: RedisServer, new_link: LinkMaker) -> None:
    with own_redis.client() as client:
        client.lpush(KEY, *[b"%d%4000s" % (number, b"") for number in range(5000)])
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used + 6_000_000)
        # Where memory is full this is refused, and raises; a copy is refused before that.
        pushing = MeddledLink(new_link(own_redis.url), lambda: client.lpush("queue:b", "job"))

        assert await rewrite(pushing, lambda raw: False) is None

        assert client.llen(KEY) == 5000
        assert client.keys("sidelong:*") == []


async def test_where_names_may_not_be_changed_nothing_is_and_what_stays_expires(
    own_redis: RedisServer, new_link: LinkMaker
) -> None:
    with own_redis.client() as client:
        before = filled(client, 3000)
        client.execute_command("ACL", "SETUSER", "default", "-rename")
        lives: list[int] = []

        def look() -> None:
            lives.extend(client.ttl(key) for key in client.keys("sidelong:*"))

        assert await rewrite(MeddledLink(new_link(own_redis.url), look)) is None

        assert client.lrange(KEY, 0, -1) == before
        assert lives
        assert all(0 < life <= 300 for life in lives)


async def test_what_is_pushed_meanwhile_is_copied_before_there_is_much_of_it(
    link: Link, redis_client: redis.Redis
) -> None:
    filled(redis_client, 10_000)
    numbers = itertools.count(10_000)
    places: list[int] = []

    def push() -> None:
        redis_client.lpush(KEY, *[b"%d" % next(numbers) for _ in range(150)])

    def is_catching_up(command: Command) -> bool:
        if command[0] == "EVALSHA" and command[-1] == keys.KEPT_TTL:
            places.append(redis_client.lpos(KEY, command[-3]))
        return True

    done = await rewrite(MeddledLink(link, push, when=is_catching_up))

    assert done is not None
    assert next(numbers) > 20_000
    # Redis passes over them to find where they begin.
    assert max(places) < 2000


async def test_the_last_step_copies_fewer_entries_where_they_are_large(link: Link, redis_client: redis.Redis) -> None:
    redis_client.lpush(KEY, *[b"%d%40000s" % (number, b"") for number in range(500)])

    done = await rewrite(link)

    assert done is not None
    assert 0 < done.left <= 100


async def test_the_commands_grow_with_the_queue_and_no_faster(link: Link, redis_client: redis.Redis) -> None:
    counts = []
    for count in (10_000, 20_000):
        filled(redis_client, count)
        before = link.sent
        await rewrite(link)
        counts.append(link.sent - before)
        redis_client.delete(KEY)

    assert counts[1] < 2.2 * counts[0]


# In a sweep.


@pytest.mark.parametrize("most_toil", [0, 10**7, 10**12])
@pytest.mark.parametrize("every", [2, 3, 50])
async def test_a_sweep_deletes_all_that_are_meant_in_either_way(
    link: Link, redis_client: redis.Redis, most_toil: int, every: int
) -> None:
    before = filled(redis_client, 8000)
    told: list[tuple[int, int]] = []
    sweep = QueueSweep(
        StoredQueue(link, Scripts(), "a"),
        is_meant=lambda raw: int(raw) % every == 0,
        tell=lambda *at: told.append(at),
        most_toil=most_toil,
        margin=MARGIN,
    )

    assert await sweep.run() == sum(int(raw) % every == 0 for raw in before)

    assert redis_client.lrange(KEY, 0, -1) == [raw for raw in before if int(raw) % every]
    assert told[-1][0] >= 8000
    assert all(done <= total for done, total in told)


@pytest.mark.parametrize("seed", range(8))
async def test_a_sweep_goes_on_where_the_queue_cannot_be_written_anew(
    link: Link, redis_client: redis.Redis, seed: int
) -> None:
    world = World(redis_client, random.Random(seed), deletes=True)
    there = world.push(4000)
    meddled: Any = MeddledLink(link, world.meddle)
    sweep = QueueSweep(StoredQueue(meddled, Scripts(), "a"), is_meant=is_odd, most_toil=0, margin=MARGIN)

    deleted = await asyncio.wait_for(sweep.run(), 60)

    after = redis_client.lrange(KEY, 0, -1)
    pushed = {b"%d" % number for number in range(next(world.numbers))}
    gone = pushed - set(after) - set(world.taken) - set(world.deleted)
    assert len(after) == len(set(after))
    assert all(map(is_odd, gone))
    assert len(gone) == deleted
    # All that was meant and stayed is gone, but for what was handed back to where it had been looked at.
    assert not {raw for raw in there if is_odd(raw)} & set(after) - world.touched


async def test_a_sweep_looks_at_what_lies_below_jobs_that_were_handed_back(
    link: Link, redis_client: redis.Redis
) -> None:
    before = filled(redis_client, 4000)

    def hand_back() -> None:
        redis_client.rpush(KEY, *[b"back %d" % number for number in range(0, 2 * MARGIN, 2)])

    meddled: Any = MeddledLink(link, hand_back, when=lambda command: command[0] == "UNLINK")
    sweep = QueueSweep(StoredQueue(meddled, Scripts(), "a"), is_meant=is_odd, most_toil=0, margin=MARGIN)

    await sweep.run()

    after = redis_client.lrange(KEY, 0, -MARGIN - 1)
    assert after == [raw for raw in before if not is_odd(raw)]
