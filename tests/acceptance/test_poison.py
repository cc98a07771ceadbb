"""Jobs that kill their process are buried after three deaths, and the jobs beside them are not."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from tests.support import redis_state
from tests.support.eventually import eventually_sync
from tests.support.jobs import hold, kill_self, sleep_for
from tests.support.ledger import START, Ledger
from tests.support.processes import Supervisor, WorkerOptions, WorkerProcess
from tests.support.redis_server import Database
from tests.support.seeding import in_flight, payload, push
from tests.support.timings import TEST_TIMINGS

EXPECTED = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + TEST_TIMINGS["recovery_interval"]
RECOVERED_WITHIN = 3 * EXPECTED
HOUR = 3600.0


def dead(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in client.zrange("dead", 0, -1)]


def test_a_poison_pill_is_buried_after_three_deaths_and_no_innocent_with_it(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    innocents = [payload(sleep_for, 0.05) for _ in range(200)]
    pill = payload(kill_self)
    place = random.randrange(len(innocents))
    jids = push(redis_client, *innocents[:place], pill, *innocents[place:])
    poison = json.loads(pill)["jid"]
    options = WorkerOptions(redis=redis_server.url, ledger=ledger, concurrency=50)

    with Supervisor(options, count=1) as workers:
        eventually_sync(lambda: redis_client.zcard("dead"), within=3 * RECOVERED_WITHIN)
        eventually_sync(lambda: redis_client.get("stat:processed") == b"200", within=30)
        assert workers.stop() == [0]

    history = ledger.history()
    assert len(history.runs[poison]) == len(history.killed()) == 3
    assert history.ends.keys() == set(jids) - {poison}
    assert history.unexplained() == set()
    (buried,) = dead(redis_client)
    assert buried["jid"] == poison
    assert len(buried["crashed_at"]) == 3
    assert buried["crashed_at"] == sorted(buried["crashed_at"])
    assert buried["error_class"] == "sidelong.PoisonPill"
    assert buried["error_message"] == "3 processes died while they ran this job"
    assert list(redis_state.payloads(redis_state.dump(redis_client))) == ["dead"]
    twice = len(history.ran_twice() - {poison})
    print(f"pill at place {place}: {twice} innocent jobs began again, 0 were buried")


def test_the_crash_count_blames_forgets_and_drops_as_promised(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    gate, now = tmp_path / "gate", time.time()
    twice, long_ago = [now - 20, now - 10], [now - 73 * HOUR, now - 72.5 * HOUR]
    unwanted = payload(hold, str(gate), queue="a", dead=False, crashed_at=twice)
    beside_unwanted = payload(hold, str(gate), queue="a", crashed_at=[now - 5])
    deadly = payload(hold, str(gate), queue="b", crashed_at=twice)
    beside_deadly = payload(hold, str(gate), queue="b")
    forgiven = payload(hold, str(gate), queue="c", crashed_at=long_ago)
    push(redis_client, unwanted, beside_unwanted, deadly, beside_deadly, forgiven)
    victims = [start(queues=[name], concurrency=2) for name in "abc"]
    # A suspect waits until no other runs: not every job has begun, but all are held.
    eventually_sync(lambda: sum(map(len, in_flight(redis_client).values())) == 5)
    eventually_sync(lambda: len(ledger.history().named(START)) >= 4)

    for victim in victims:
        victim.kill()
    start(queues=["other"])
    eventually_sync(lambda: not in_flight(redis_client), within=RECOVERED_WITHIN)

    queues = {name: redis_client.lrange(f"queue:{name}", 0, -1) for name in "abc"}
    # Dropped, as its author wished, and the one beside it untouched: only the highest count is blamed.
    assert queues["a"] == [beside_unwanted]
    assert queues["b"] == [beside_deadly]
    assert [entry["jid"] for entry in dead(redis_client)] == [json.loads(deadly)["jid"]]
    (raw,) = queues["c"]
    (crash,) = json.loads(raw)["crashed_at"]
    assert crash > now
    assert {**json.loads(raw), "crashed_at": long_ago} == json.loads(forgiven)


def test_success_clears_the_count_and_a_stop_does_not_raise_it(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    gate, now = tmp_path / "gate", time.time()
    raw = payload(hold, str(gate), crashed_at=[now - 20, now - 10])
    push(redis_client, raw)
    for stop in range(3):
        worker = start(timeout=0.1)
        eventually_sync(lambda stop=stop: len(ledger.history().named(START)) == stop + 1)
        assert worker.stop() == 0
        assert redis_client.lrange("queue:default", 0, -1) == [raw]

    start()
    gate.touch()
    eventually_sync(lambda: redis_client.get("stat:processed") == b"1")

    assert not redis_state.payloads(redis_state.dump(redis_client))


def test_two_suspects_do_not_run_beside_each_other(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    now = time.time()
    suspects = [payload(sleep_for, 0.1, crashed_at=[now - 20, now - 10]) for _ in range(3)]
    others = [payload(sleep_for, 0.1, crashed_at=[now - 10]), payload(sleep_for, 0.1)]
    jids = push(redis_client, *suspects, *others)

    start()
    eventually_sync(lambda: redis_client.get("stat:processed") == b"5")

    history = ledger.history()
    events = [(event.name, event.jid) for event in history.events if event.jid in jids[:3]]
    begun = history.order(START)
    assert [jid for name, jid in events[::2]] == [jid for name, jid in events[1::2]]
    assert [name for name, _ in events] == ["START", "END"] * 3
    # The innocent does not wait for them.
    assert begun.index(jids[4]) < 3
