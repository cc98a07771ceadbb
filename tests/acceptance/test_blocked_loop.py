"""A job that blocks the event loop, or holds the interpreter, is named; and nobody takes its worker for dead."""

from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from tests.support import redis_state, seeding
from tests.support.eventually import eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import RedisServer

# The line that the stack must show.
WHERE = {"sleep": "time.sleep(seconds)", "python": "while time.monotonic() < deadline", "regex": "in _hold_gil"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ways", "seconds", "overrides"),
    [
        # Twice as long as it takes until a worker that gives no sign of life is taken for dead.
        pytest.param(("sleep", "python"), 9.0, {}, id="sleep-and-python"),
        # A thread cannot beat without the interpreter: its lease must last longer than that.
        pytest.param(("regex",), 6.0, {"lease_ttl": 30.0}, id="regex"),
    ],
)
def test_a_blocked_loop_is_named_and_loses_and_doubles_nothing(
    own_redis: RedisServer,
    ledger: Ledger,
    ways: Sequence[str],
    seconds: float,
    overrides: dict[str, float],
) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(own_redis.client())
        blocked = {
            way: stack.enter_context(
                WorkerProcess(
                    WorkerOptions(redis=own_redis.url, ledger=ledger, queues=[way], overrides=overrides),
                )
            )
            for way in ways
        }
        observer = stack.enter_context(
            WorkerProcess(WorkerOptions(redis=own_redis.url, ledger=ledger, queues=["default"]))
        )
        jobs = [seeding.payload("block_loop", seconds, way, queue=way) for way in ways]
        beside = [seeding.payload("sleep_for", 1.0, queue=way) for way in ways for _ in range(5)]
        # One that waits longer than a lease and a grace without blocking anything.
        patient = seeding.payload("sleep_for", 6.0)
        jids = seeding.push(client, patient, *beside)
        eventually_sync(lambda: set(jids) <= ledger.history().runs.keys(), 15)
        blockers = seeding.push(client, *jobs)
        eventually_sync(lambda: ledger.history().ends.keys() >= {*blockers, *jids}, 60)
        eventually_sync(lambda: not redis_state.payloads(redis_state.dump(client)), 15)
        logs = {way: process.log() for way, process in blocked.items()}

        history = ledger.history()
        assert not history.lost([*blockers, *jids])
        assert not history.ran_twice()
        assert int(client.get("stat:processed") or 0) == len(blockers) + len(jids)
        assert "is dead" not in "".join([observer.log(), *logs.values()])

    for way, jid in zip(ways, blockers, strict=True):
        log = logs[way]
        named_at = log.index(f"by job block_loop {jid}")
        assert WHERE[way] in log[named_at:]
        named, done = (
            next(line for line in log.splitlines() if text in line)
            for text in (f"by job block_loop {jid}", f"class=block_loop jid={jid}: done")
        )
        # By their times: a job that kept the interpreter lock may get its line out before another thread does.
        assert named.split()[0] <= done.split()[0]
        print(named)
