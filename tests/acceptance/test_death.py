"""Killed workers: nothing is lost, and only what a killed worker held runs again."""

import random
import signal
from collections.abc import Iterable
from dataclasses import replace

import redis

from tests.support import redis_state
from tests.support.eventually import eventually_sync
from tests.support.failpoints import FAILPOINT
from tests.support.jobs import quick
from tests.support.ledger import START, History, Ledger
from tests.support.processes import Supervisor, WorkerOptions
from tests.support.redis_server import Database
from tests.support.seeding import jids_in_flight, payload, push
from tests.support.timings import TEST_TIMINGS

EXPECTED = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + TEST_TIMINGS["recovery_interval"]
RECOVERED_WITHIN = 3 * EXPECTED

# Where a job may have come to its end, and Redis not know it.
AFTER_THE_END = ("after_job_before_settle", "inside_settle")
VICTIMS = (
    "before_first_beat",
    "after_blmove:2",
    "before_start:10",
    "mid_job:10",
    "after_job_before_settle:10",
    "inside_settle:5",
)


def processed(client: redis.Redis) -> int:
    return int(client.get("stat:processed") or 0)


def is_drained(client: redis.Redis) -> bool:
    return not redis_state.payloads(redis_state.dump(client))


def recovery_seconds(history: History, died_ns: int, held: Iterable[str], pid: int) -> list[float]:
    """Return for each job that a dead process held how long it took until it began elsewhere."""
    begun: dict[str, int] = {}
    for event in history.named(START):
        if event.ns > died_ns and event.pid != pid:
            begun.setdefault(event.jid, event.ns)
    return [(begun[jid] - died_ns) / 1e9 for jid in held]


def test_a_worker_killed_at_any_point_loses_nothing(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    options = WorkerOptions(redis=redis_server.url, ledger=ledger, concurrency=5)

    with Supervisor(options, count=2, restarts=False) as workers:
        # One job at a time, so that none but the one at the failpoint can be near its end.
        alone = replace(options, concurrency=1)
        victims = {workers.spawn(name, options=alone): name.partition(":")[0] for name in VICTIMS}
        jids: list[str] = []
        held: dict[int, set[str]] = {}

        def all_dead() -> bool:
            # Workers park, and so meet `after_blmove`, only where the queue runs empty.
            if not redis_client.llen("queue:default"):
                jids.extend(push(redis_client, *[payload(quick) for _ in range(10)]))
            for victim in victims:
                if victim.returncode is not None and victim.pid not in held:
                    # Long before anybody may take it for dead.
                    held[victim.pid] = jids_in_flight(redis_client, [victim.pid])
            return len(held) == len(victims)

        eventually_sync(all_dead, within=60)
        eventually_sync(lambda: is_drained(redis_client), within=RECOVERED_WITHIN)
        assert workers.stop() == [0, 0]

    history = ledger.history()
    assert {event.extra: event.pid for event in history.named(FAILPOINT)} == {
        name: victim.pid for victim, name in victims.items()
    }
    assert history.lost(jids) == set()
    assert history.unexplained() == set()
    assert processed(redis_client) == len(jids)
    may_end_twice = {victim.pid for victim, name in victims.items() if name in AFTER_THE_END}
    assert {pid for jid in history.ended_twice() for pid in history.ends[jid][:-1]} <= may_end_twice
    for death in history.named(FAILPOINT):
        took = recovery_seconds(history, death.ns, held[death.pid], death.pid)
        if death.extra == "before_first_beat":
            assert took == []
        elif death.extra != "inside_settle":
            # That one Redis may have settled, with no other at hand to take.
            assert took
        print(f"{death.extra}: {len(took)} jobs, recovered within {max(took, default=0):.1f} s")
        assert max(took, default=0) <= RECOVERED_WITHIN


def test_twenty_random_kills_under_load_lose_nothing(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    seed = random.SystemRandom().randrange(1000)
    chance = random.Random(seed)
    count, kills = 20_000, 20
    jids = push(redis_client, *[payload(quick) for _ in range(count)])
    options = WorkerOptions(redis=redis_server.url, ledger=ledger, concurrency=20)

    with Supervisor(options, count=3) as workers:
        for moment in sorted(chance.sample(range(count * 9 // 10), kills)):
            eventually_sync(lambda moment=moment: processed(redis_client) >= moment, within=90)
            assert workers.kill_one(chance).wait() == -signal.SIGKILL
        eventually_sync(lambda: is_drained(redis_client), within=90)
        assert set(workers.stop()) == {0}

    history = ledger.history()
    print(
        f"seed {seed}: {len(history.killed())} killed, {len(history.ran_twice())} began twice,"
        f" {len(history.ended_twice())} ended twice"
    )
    assert len(history.killed()) == kills
    assert history.lost(jids) == set()
    assert history.unexplained() == set()
    assert len(history.ran_twice()) <= kills * options.concurrency
    assert processed(redis_client) == count
    assert redis_client.exists("retry", "dead") == 0
