"""Every verb of the sets on payloads that no sane program writes: done, or refused with the entry where it was."""

import random
from collections.abc import Awaitable, Callable

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import DeadSet, Entry, JobSet, RetrySet
from sidelong.errors import InvalidPayloadError
from tests.integration.hostile_payloads.payloads import samples
from tests.support.redis_server import Database

COUNT = 500
VERBS: tuple[Callable[[Entry], Awaitable[bool]], ...] = (
    Entry.delete,
    Entry.retry,
    Entry.add_to_queue,
    Entry.kill,
    lambda entry: entry.reschedule(9e9),
    lambda entry: entry.edit({"args": [1]}),
)
ALL: tuple[Callable[[JobSet], Awaitable[object]], ...] = (JobSet.retry_all, JobSet.kill_all, JobSet.delete_all)

pytestmark = pytest.mark.allow_any_keys


def places(client: redis.Redis) -> int:
    """Return how many payloads there are anywhere."""
    queues = sum(client.llen(name) for name in client.scan_iter("queue:*", count=1000))
    return queues + client.zcard("retry") + client.zcard("dead")


async def test_no_entry_is_lost_by_a_verb_that_fails(redis_server: Database, redis_client: redis.Redis) -> None:
    raws = set(samples(random.Random(3), COUNT))
    redis_client.zadd("retry", {raw: float(number) for number, raw in enumerate(raws)})
    deleted = refused = 0
    async with Sidelong(redis_server.url, dead_timeout=1e9) as app:
        async for entry in RetrySet(app):
            verb = VERBS[(int(entry.score)) % len(VERBS)]
            assert await RetrySet(app).get(entry.id) is not None
            try:
                assert await verb(entry)
                deleted += verb is Entry.delete
            except (InvalidPayloadError, TypeError, ValueError):
                refused += 1
                assert redis_client.zscore("retry", entry.value) == entry.score

    assert refused
    assert places(redis_client) + deleted == len(raws)


@pytest.mark.parametrize("verb", ALL)
async def test_a_verb_for_all_comes_to_an_end_and_accounts_for_each(
    redis_server: Database, redis_client: redis.Redis, verb: Callable[[JobSet], Awaitable[object]]
) -> None:
    raws = set(samples(random.Random(4), COUNT))
    redis_client.zadd("retry", dict.fromkeys(raws, 5.0))
    async with Sidelong(redis_server.url, dead_timeout=1e9) as app:
        outcome = await verb(RetrySet(app))
        dead = await DeadSet(app).size()

    left = redis_client.zcard("retry")
    assert outcome.done + outcome.failed + outcome.skipped == len(raws)
    assert left == outcome.failed + outcome.skipped
    assert dead == (outcome.done if verb is JobSet.kill_all else 0)
    assert left == 0 or verb is JobSet.retry_all
