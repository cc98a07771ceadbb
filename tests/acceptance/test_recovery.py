"""Recovery: who notices a death, when, and that nothing is taken from the living or done twice."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from sidelong.core.config import Config
from tests.support import redis_state
from tests.support.eventually import eventually_sync
from tests.support.failpoints import FAILPOINT
from tests.support.jobs import fail_at, hold, noop, sleep_for
from tests.support.ledger import END, KILLED, START, Event, Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import Database
from tests.support.seeding import in_flight, jids_in_flight, payload, push
from tests.support.timings import TEST_TIMINGS

EXPECTED = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + TEST_TIMINGS["recovery_interval"]
RECOVERED_WITHIN = 3 * EXPECTED


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Jobs that hold go on once this file exists."""
    return tmp_path / "gate"


@pytest.fixture
def start(redis_server: Database, ledger: Ledger) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers at given failpoints, with the fields of `WorkerOptions`."""
    processes: list[WorkerProcess] = []

    def start(*failpoints: str, **options: object) -> WorkerProcess:
        chosen = {"redis": redis_server.url, "ledger": ledger, **options}
        processes.append(WorkerProcess(WorkerOptions(**chosen), failpoints=failpoints))  # type: ignore[arg-type]
        return processes[-1].wait_ready()

    yield start
    for process in processes:
        process.thaw() if process.returncode is None else None
        process.kill()


def identities(client: redis.Redis, process: WorkerProcess) -> set[str]:
    owners = (owner.decode() for owner in client.smembers("sidelong:owners"))
    return {owner for owner in owners if owner.split(":")[1] == str(process.pid)}


def begun(ledger: Ledger, process: WorkerProcess | None = None) -> list[Event]:
    return [event for event in ledger.history().named(START) if process is None or event.pid == process.pid]


def queue(client: redis.Redis, name: str = "default") -> list[bytes]:
    return client.lrange(f"queue:{name}", 0, -1)


def processed(client: redis.Redis) -> int:
    return int(client.get("stat:processed") or 0)


def test_a_reaper_that_dies_half_way_is_succeeded_by_two_that_finish_together(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    raws = [payload(hold, str(gate)) for _ in range(250)]
    jids = push(redis_client, *raws)
    dying = start(concurrency=len(raws))
    eventually_sync(lambda: len(begun(ledger)) == len(raws), within=10)
    dying.kill()
    # Reapers that serve another queue: what they recover stays to be looked at.
    first = start("between_recovery_chunks", queues=["other"])
    assert first.wait(within=RECOVERED_WITHIN) == -signal.SIGKILL
    assert 0 < len(queue(redis_client)) < len(raws)

    for _ in range(2):
        start(queues=["other"])
    eventually_sync(lambda: not in_flight(redis_client), within=RECOVERED_WITHIN)

    items = [json.loads(raw) for raw in queue(redis_client)]
    assert Counter(item["jid"] for item in items) == Counter(jids)
    # The job that was taken first is the next to be fetched.
    assert [item["jid"] for item in items] == jids[::-1]
    assert {len(item.pop("crashed_at")) for item in items} == {1}
    assert items == [json.loads(raw) for raw in raws[::-1]]
    (death,) = ledger.history().named(FAILPOINT)
    assert death.pid == first.pid


def test_a_worker_killed_while_it_hands_back_loses_nothing(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    # More than one call hands back.
    count = 250
    jids = push(redis_client, *[payload(hold, str(gate)) for _ in range(count)])
    dying = start("while_handing_back", concurrency=count, timeout=0.1)
    eventually_sync(lambda: len(begun(ledger)) == count)
    assert dying.stop() == -signal.SIGKILL
    assert jids_in_flight(redis_client)

    start()
    gate.touch()

    eventually_sync(lambda: processed(redis_client) == count, within=RECOVERED_WITHIN)
    assert ledger.history().ends.keys() == set(jids)
    assert ledger.history().ended_twice() == set()
    assert not redis_state.payloads(redis_state.dump(redis_client))


def test_long_jobs_of_a_killed_worker_run_at_once_and_together_on_the_other(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    duration = 1.5
    workers = [start(concurrency=25) for _ in range(2)]
    jids = push(redis_client, *[payload(sleep_for, duration) for _ in range(50)])
    eventually_sync(lambda: len(begun(ledger)) == 50)
    victim, other = workers

    victim.kill()
    eventually_sync(lambda: processed(redis_client) == 50, within=RECOVERED_WITHIN + 3 * duration)

    history = ledger.history()
    assert history.ends.keys() == set(jids)
    assert history.ran_twice() == {event.jid for event in begun(ledger, victim)}
    again = [event for event in history.events if event.jid in history.ran_twice() and event.pid == other.pid]
    # Whoever ran one suspect at a time would begin the second after the first has ended.
    assert [event.name for event in again] == [START] * 25 + [END] * 25
    (death,) = history.named(KILLED)
    began, ended = (again[0].ns - death.ns) / 1e9, (again[-1].ns - death.ns) / 1e9
    print(f"25 jobs of {duration} s: recovered after {began:.1f} s, ended after {ended:.1f} s")


def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_thaws(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    raws = [payload(hold, str(gate)) for _ in range(10)] + [payload(fail_at, str(gate)) for _ in range(10)]
    jids = push(redis_client, *raws)
    frozen = start(concurrency=20, queues=["default", "mine"])
    eventually_sync(lambda: len(begun(ledger)) == 20)
    (old,) = identities(redis_client, frozen)
    other = start(concurrency=20)

    frozen.freeze()
    eventually_sync(lambda: len(begun(ledger, other)) == 20, within=RECOVERED_WITHIN)
    # Both copies end now: those of the other worker, and, as soon as it thaws, those of the frozen one.
    gate.touch()
    frozen.thaw()
    eventually_sync(lambda: processed(redis_client) >= 20)
    (new,) = eventually_sync(lambda: identities(redis_client, frozen) - {old}, within=10)
    after = push(redis_client, *[payload(noop, queue="mine") for _ in range(3)])
    eventually_sync(lambda: processed(redis_client) == 23)

    assert {frozen.stop(), other.stop()} == {0}
    history = ledger.history()
    runs = Counter(event.jid for event in history.named(START))
    assert runs == Counter(dict.fromkeys(jids, 2) | dict.fromkeys(after, 1))
    assert max(map(len, history.ends.values())) <= 2
    state = redis_state.dump(redis_client)
    assert processed(redis_client) == 23
    assert redis_client.get("stat:failed") == b"10"
    assert redis_state.places(state) == {jid: ["retry"] for jid in jids[10:]}
    assert new.rsplit(":", 1)[0] == old.rsplit(":", 1)[0]
    assert "others took this worker for dead" in frozen.log()
    print(f"{len(history.ended_twice())} of 20 frozen jobs ended twice")


def test_a_job_that_a_zombie_wait_moved_to_a_buried_worker_is_found(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    start(queues=["other"])
    # Its wait in Redis outlives its lease by far.
    frozen = start(overrides={"block_time": 60.0})
    (identity,) = eventually_sync(lambda: identities(redis_client, frozen))
    eventually_sync(
        lambda: any(c["cmd"] == "blmove" and "park-default" in c["name"] for c in redis_client.client_list())
    )

    frozen.freeze()
    eventually_sync(lambda: not identities(redis_client, frozen), within=RECOVERED_WITHIN)
    assert redis_client.zscore("sidelong:buried", identity)
    raw = payload(noop)
    (jid,) = push(redis_client, raw)
    assert jids_in_flight(redis_client) == {jid}
    # No process has died of it: it comes back as it was.
    eventually_sync(lambda: queue(redis_client) == [raw], within=RECOVERED_WITHIN)

    frozen.kill()
    last = start()
    eventually_sync(lambda: processed(redis_client) == 1)
    assert ledger.history().runs == {jid: [last.pid]}


def test_the_dead_are_found_although_the_set_of_owners_is_lost(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    jids = push(redis_client, *[payload(hold, str(gate)) for _ in range(3)])
    victim = start(concurrency=3)
    eventually_sync(lambda: len(begun(ledger)) == 3)
    victim.kill()
    redis_client.delete("sidelong:owners")
    gate.touch()

    start()

    eventually_sync(lambda: processed(redis_client) == 3, within=2 * RECOVERED_WITHIN)
    assert ledger.history().ends.keys() == set(jids)
    eventually_sync(lambda: not in_flight(redis_client))


def test_a_list_of_the_wrong_type_holds_up_no_other_queue_of_the_dead(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    names = ["a", "b", "c"]
    push(redis_client, *[payload(hold, str(gate), queue=name) for name in names])
    victim = start(concurrency=3, queues=names)
    eventually_sync(lambda: len(begun(ledger)) == 3)
    (identity,) = identities(redis_client, victim)
    victim.kill()
    wrong = f"sidelong:inflight:{identity}:b"
    redis_client.rename(wrong, "aside")
    redis_client.set(wrong, "wrong")

    other = start(queues=["other"])
    eventually_sync(lambda: queue(redis_client, "a") and queue(redis_client, "c"), within=RECOVERED_WITHIN)
    is_owner = redis_client.sismember("sidelong:owners", identity)
    redis_client.rename("aside", wrong)
    eventually_sync(lambda: queue(redis_client, "b"), within=RECOVERED_WITHIN)

    assert is_owner
    assert other.stop() == 0
    assert other.log().count("from queue b cannot be recovered") == 1
    eventually_sync(lambda: not in_flight(redis_client))


def test_registers_again_after_redis_was_emptied(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    push(redis_client, *[payload(hold, str(gate)) for _ in range(3)])
    busy, idle = start(concurrency=3), start(queues=["other"])
    eventually_sync(lambda: len(begun(ledger)) == 3)

    redis_client.flushdb()
    gate.touch()
    jids = push(redis_client, *[payload(noop, queue=name) for name in ("default", "other") for _ in range(20)])

    eventually_sync(lambda: ledger.history().ends.keys() >= set(jids), within=3 * TEST_TIMINGS["beat_interval"] + 3)
    assert len(identities(redis_client, busy)) == len(identities(redis_client, idle)) == 1
    assert {busy.stop(), idle.stop()} == {0}
    assert processed(redis_client) == len(jids)
    assert ledger.history().ran_twice() == set()


def test_the_default_intervals_recover_within_a_minute(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    # The product's own intervals, six times as fast: a minute becomes ten seconds.
    speed, promise = 6.0, 60.0
    defaults = Config()
    names = ("beat_interval", "lease_ttl", "recovery_grace", "recovery_interval")
    options = {"settings": "default", "overrides": {name: getattr(defaults, name) / speed for name in names}}
    push(redis_client, *[payload(hold, str(gate)) for _ in range(5)])
    victim = start(**options)
    eventually_sync(lambda: len(begun(ledger)) == 5)
    other = start(**options)
    settled_after = (defaults.lease_ttl + defaults.recovery_grace) / speed + 1
    eventually_sync(lambda: redis_client.info("server")["uptime_in_seconds"] > settled_after, within=30)

    victim.kill()
    eventually_sync(lambda: len(begun(ledger, other)) == 5, within=3 * promise / speed)

    (death,) = ledger.history().named(KILLED)
    took = max(event.ns - death.ns for event in begun(ledger, other)) / 1e9
    print(f"recovered after {took * speed:.0f} s of default time")
    assert took * speed <= promise
    gate.touch()
