import random
from collections import Counter

import pytest
import redis

from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.stored_queue import StoredQueue
from tests.integration.store.conftest import LinkMaker
from tests.support.redis_server import Database

KEY = "queue:a"


@pytest.fixture
async def link(redis_server: Database, new_link: LinkMaker) -> Link:
    return new_link(redis_server.url)


@pytest.fixture
def queue(link: Link) -> StoredQueue:
    return StoredQueue(link, Scripts(), "a")


@pytest.mark.parametrize("most", [10, 200])
async def test_a_sweep_deletes_what_is_meant_and_still_there(
    queue: StoredQueue, redis_client: redis.Redis, most: int
) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        redis_client.delete(KEY)
        # Some are there several times.
        redis_client.rpush(KEY, *[b"%d" % chance.randrange(300) for _ in range(400)])
        before = Counter(redis_client.lrange(KEY, 0, -1))
        walk = queue.walk()
        deleted: Counter[bytes] = Counter()
        while page := await walk.page():
            victims = [raw for raw in page if int(raw) % 2]
            here = Counter(redis_client.lrange(KEY, 0, -1))
            taken = redis_client.rpop(KEY, chance.randrange(1, most)) or []
            handed_back = taken[chance.randrange(len(taken) + 1) :]
            if handed_back:
                redis_client.rpush(KEY, *reversed(handed_back))
            redis_client.lpush(KEY, *[b"0"] * chance.randrange(1, most))
            between = Counter(redis_client.lrange(KEY, 0, -1))

            count = await queue.sweep(victims, walk)

            after = Counter(redis_client.lrange(KEY, 0, -1))
            gone = between - after
            assert after - between == Counter()
            assert gone.total() == count
            assert gone <= Counter(victims)
            # All that were meant, but for those that were fetched.
            assert Counter(victims) - gone <= here - between, f"seed {seed}"
            deleted += gone
        assert deleted <= before


async def test_a_sweep_costs_one_command_where_nothing_moves(
    link: Link, queue: StoredQueue, redis_client: redis.Redis
) -> None:
    redis_client.lpush(KEY, *[b"%d" % number for number in range(1000)])
    walk = queue.walk()
    commands = []
    while page := await walk.page():
        before = link.sent
        await queue.sweep([raw for raw in page if int(raw) % 2], walk)
        commands.append(link.sent - before)

    # The first one loads the script.
    assert commands[1:] == [1] * 19
    assert redis_client.llen(KEY) == 500
