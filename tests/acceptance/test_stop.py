"""Stops: by signals from the system and through Redis, with jobs of every temper."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.support import redis_state
from tests.support.eventually import eventually_sync
from tests.support.jobs import (
    finish_when_cancelled,
    hold,
    hold_thread,
    ignore_cancel,
    noop,
    quick,
    swallow_cancel,
)
from tests.support.keys import is_figure
from tests.support.ledger import END, FAIL, START, Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import RedisServer
from tests.support.seeding import in_flight, payload, push

# Beside the waits that the worker was told to make; far below the 25 and 60 seconds for which others would last.
SOON = 10.0


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Jobs that hold go on once this file exists."""
    return tmp_path / "gate"


def wait_running(ledger: Ledger, count: int) -> None:
    eventually_sync(lambda: len(ledger.history().named(START)) >= count, within=30)


def queue(client: redis.Redis, name: str = "default") -> list[bytes]:
    return client.lrange(f"queue:{name}", 0, -1)


def identity(client: redis.Redis, process: WorkerProcess) -> str:
    def find() -> str:
        owners = [owner.decode() for owner in client.smembers("sidelong:owners")]
        return next((owner for owner in owners if owner.split(":")[1] == str(process.pid)), "")

    return eventually_sync(find)


def assert_gone(client: redis.Redis) -> None:
    """Nothing of a worker is left, and nothing in flight."""
    left = redis_state.dump(client)
    assert [name for name in left if name.startswith(("sidelong:", "processes")) and not is_figure(name)] == []


def test_an_idle_worker_stops_at_once_and_leaves_nothing(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis
) -> None:
    worker = start()
    identity(redis_client, worker)

    assert worker.stop(within=SOON) == 0

    assert redis_state.dump(redis_client) == {}


def test_short_jobs_end_before_the_stop_and_none_runs_twice(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    jids = push(redis_client, *[payload(quick) for _ in range(3000)])
    for _ in range(3):
        worker = start(concurrency=20)
        seen = len(ledger.history().named(START))
        wait_running(ledger, seen + 100)

        assert worker.stop(within=SOON) == 0

        assert_gone(redis_client)
        history = ledger.history()
        assert len(queue(redis_client)) == len(jids) - len(history.ends)
        assert len(history.named(START)) == len(history.named(END))

    history = ledger.history()
    assert history.ran_twice() == set()
    assert int(redis_client.get("stat:processed")) == len(history.ends) < len(jids)


def test_longer_jobs_go_back_to_the_head_byte_for_byte(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    raws = [payload(hold, str(gate), note=f"number {n} \u00e9", odd=[1.0, {}]) for n in range(5)]
    push(redis_client, *raws)
    before = queue(redis_client)
    worker = start(concurrency=3, timeout=0.5)
    wait_running(ledger, 3)

    assert worker.stop(within=0.5 + SOON) == 0

    assert queue(redis_client) == before
    assert_gone(redis_client)
    assert redis_client.get("stat:processed") is None
    assert len(ledger.history().named(FAIL)) == 3


def test_a_second_signal_hands_back_without_waiting(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    raws = [payload(hold, str(gate)) for _ in range(3)]
    push(redis_client, *raws)
    worker = start(timeout=60)
    wait_running(ledger, 3)
    worker.send(signal.SIGTERM)
    eventually_sync(lambda: "Stopping: 3 running jobs have 60 s" in worker.log())

    assert worker.stop(within=SOON) == 0

    assert queue(redis_client) == raws[::-1]
    assert_gone(redis_client)


def test_a_third_signal_ends_the_process_now(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    (raw,) = raws = [payload(ignore_cancel, 60)]
    push(redis_client, *raws)
    worker = start(timeout=60)
    wait_running(ledger, 1)
    worker.send(signal.SIGTERM)
    eventually_sync(lambda: "Stopping: 1 running job has 60 s" in worker.log())
    worker.send(signal.SIGINT)
    eventually_sync(lambda: "Stopping now: 1 running job" in worker.log())

    assert worker.stop(within=SOON) == 128 + signal.SIGTERM

    # Left where the next worker finds it.
    assert list(in_flight(redis_client).values()) == [[raw]]


@pytest.mark.parametrize("is_frozen", [False, True], ids=["down", "frozen"])
def test_stops_in_time_while_redis_is_away_and_loses_nothing(
    own_redis: RedisServer, ledger: Ledger, gate: Path, is_frozen: bool
) -> None:
    timeout = 0.5
    options = WorkerOptions(redis=own_redis.url, ledger=ledger, timeout=timeout)
    with own_redis.client() as client:
        jids = push(client, *[payload(hold, str(gate)) for _ in range(3)])
    # A machine that stands still for a moment makes one stop longer, and hardly the next one.
    for attempt in range(3):
        with WorkerProcess(options) as worker:
            wait_running(ledger, 3 * (attempt + 1))
            if is_frozen:
                own_redis.pause()
            else:
                own_redis.stop(save=True)

            began = time.monotonic()
            assert worker.stop() == 0
            took = time.monotonic() - began

        own_redis.resume() if is_frozen else own_redis.start()
        if took <= timeout + 4:
            break
    gate.touch()
    with WorkerProcess(options) as other, own_redis.client() as client:
        eventually_sync(lambda: ledger.history().ends.keys() == set(jids), within=30)
        eventually_sync(lambda: client.get("stat:processed") == b"3")
        assert other.stop() == 0
    print(f"stopped within {took:.2f} s, of which {timeout} s were for the jobs")
    assert took <= timeout + 4


def test_a_stuck_thread_does_not_hold_up_the_stop(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    raw = payload(hold_thread, str(gate))
    push(redis_client, raw)
    worker = start(timeout=0.2, overrides={"cancel_grace": 0.3})
    wait_running(ledger, 1)

    assert worker.stop(within=0.5 + SOON) == 0

    assert queue(redis_client) == [raw]
    assert "Jobs that do not end are left behind: hold_thread" in worker.log()
    assert_gone(redis_client)


def test_a_swallowed_cancellation_does_not_count_as_done_unless_the_job_says_so(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    swallowed, finished = payload(swallow_cancel, 60), payload(finish_when_cancelled, 60)
    push(redis_client, swallowed, finished)
    worker = start(timeout=0.2)
    wait_running(ledger, 2)

    assert worker.stop(within=0.2 + SOON) == 0

    assert len(ledger.history().ends) == 2
    assert queue(redis_client) == [swallowed]
    assert redis_client.get("stat:processed") == b"1"


def test_a_job_that_ignores_cancellation_is_handed_back(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger
) -> None:
    raw = payload(ignore_cancel, 60)
    push(redis_client, raw)
    worker = start(timeout=0.2, overrides={"cancel_grace": 0.3})
    wait_running(ledger, 1)

    assert worker.stop(within=0.5 + SOON) == 0

    assert queue(redis_client) == [raw]
    assert_gone(redis_client)


def test_obeys_signals_sent_through_redis(
    start: Callable[..., WorkerProcess], redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    running = payload(hold, str(gate))
    push(redis_client, running)
    worker = start(timeout=0.2)
    wait_running(ledger, 1)
    who = identity(redis_client, worker)

    def send(name: str) -> None:
        redis_client.lpush(f"{who}-signals", name)
        redis_client.expire(f"{who}-signals", 60)

    send("TTIN")
    eventually_sync(lambda: json.loads(running)["jid"] in worker.log() and "stacks" in worker.log())
    send("NONSENSE")
    eventually_sync(lambda: "NONSENSE" in worker.log())

    send("TSTP")
    eventually_sync(lambda: redis_client.hget(who, "quiet") == b"true")
    waiting = payload(noop)
    push(redis_client, waiting)
    gate.touch()
    eventually_sync(lambda: redis_client.hget(who, "busy") == b"0")
    assert queue(redis_client) == [waiting]

    send("TERM")
    assert worker.wait(within=0.2 + SOON) == 0
    assert queue(redis_client) == [waiting]
    assert_gone(redis_client)


def test_a_quiet_worker_still_stops(start: Callable[..., WorkerProcess], redis_client: redis.Redis) -> None:
    worker = start()
    who = identity(redis_client, worker)
    worker.send(signal.SIGTSTP)
    eventually_sync(lambda: redis_client.hget(who, "quiet") == b"true")

    assert worker.stop(within=SOON) == 0

    assert_gone(redis_client)
