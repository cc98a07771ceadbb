import re

import pytest

from sidelong.store import keys
from sidelong.store.counters import counter_keys

IDENTITY = "web.1:4711:0123456789ab"


@pytest.mark.parametrize(
    ("key", "kind", "ttl"),
    [
        (keys.QUEUES, "set", None),
        (keys.queue("low:prio"), "list", None),
        (keys.SCHEDULE, "zset", None),
        (keys.RETRY, "zset", None),
        (keys.DEAD, "zset", None),
        (keys.PROCESSES, "set", None),
        (keys.PAUSED, "set", None),
        (keys.PRUNING_LOCK, "string", 60),
        (keys.LEADER, "string", None),
        (keys.control(IDENTITY), "list", 60),
        (keys.answers("0123456789abcdef01234567"), "hash", 60),
        (keys.process(IDENTITY), "hash", 60),
        (keys.work(IDENTITY), "hash", 60),
        (keys.workers(IDENTITY), "hash", 60),
        (keys.signals(IDENTITY), "list", 60),
        (keys.PROCESSED, "string", None),
        (keys.daily(keys.FAILED, "2026-11-21"), "string", 157_680_000),
        (keys.OWNERS, "set", None),
        (keys.lease(IDENTITY), "string", 20),
        (keys.owner_queues(IDENTITY), "set", None),
        (keys.inflight(IDENTITY, "low:prio"), "list", None),
        (keys.settled(IDENTITY), "hash", 86_400),
        (keys.kept("0123456789abcdef01234567"), "list", 300),
        (keys.steps("0123456789abcdef01234567"), "hash", 31_536_000),
        (keys.steps("a:b"), "hash", 31_536_000),
        (keys.BURIED, "zset", 86_400),
        (keys.RECOVERY_LOCK, "string", 60),
    ],
)
def test_every_key_has_one_row_in_the_catalogue(key, kind, ttl):
    rows = [row for row in keys.CATALOGUE if re.fullmatch(row.pattern, key)]

    assert [(row.type, row.ttl) for row in rows] == [(kind, ttl)]


@pytest.mark.parametrize("key", ["queue:", "retries", "sidelong:lease:nobody", "stat:processed:today", "host:x:abc"])
def test_the_catalogue_knows_no_other_keys(key):
    assert not [row for row in keys.CATALOGUE if re.fullmatch(row.pattern, key)]


def test_no_key_can_be_taken_for_one_of_super_fetch():
    assert not keys.inflight(IDENTITY, "a").startswith("queue:")


@pytest.mark.parametrize(("now", "day"), [(1795219199.999, "2026-11-20"), (1795219200.0, "2026-11-21")])
def test_days_are_those_of_utc(now, day):
    assert counter_keys(now) == ("stat:processed", f"stat:processed:{day}", "stat:failed", f"stat:failed:{day}")
