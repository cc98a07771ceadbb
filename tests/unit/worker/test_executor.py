from random import Random

import pytest

from sidelong import Sidelong
from sidelong.core import serialization
from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.lifecycle import Hooks
from sidelong.core.middleware import Chain
from sidelong.core.outcome import DONE, Retry
from sidelong.worker.executor import Executor
from sidelong.worker.recorder import UNKNOWN_JOBS, Recorder
from sidelong.worker.retries import Retries
from sidelong.worker.suspects import Suspects
from sidelong.worker.threads import JobThreads
from tests.support.clocks import ManualClock

NOW = 1_000_000.0


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def executor(recorder: Recorder) -> Executor:
    app, config, clock = Sidelong("memory://"), Config(), ManualClock(NOW)

    @app.job(name="Job")
    async def job() -> None: ...

    async def mark(jid: str) -> None: ...

    return Executor(
        config=config,
        clock=clock,
        registry=app.registry,
        server_chain=Chain(),
        hooks=Hooks(),
        retries=Retries(config, clock, Hooks(), Random()),
        suspects=Suspects(mark),
        threads=JobThreads(),
        is_stopping=lambda: False,
        recorder=recorder,
    )


def delivery(name: str, **more: object) -> Delivery:
    item = {"class": name, "args": [], "jid": "a", "queue": "default", "retry": True, **more}
    return Delivery(serialization.dumps(item), 0, "default")


@pytest.mark.parametrize(
    ("enqueued_at", "waits", "waited_ms"),
    [
        (NOW - 2.5, 1, 2500),
        (int((NOW - 2.5) * 1000), 1, 2500),
        (NOW + 60.0, 1, 0),
        (-1e308, 0, 0),
        (10**300, 0, 0),
        ("yesterday", 0, 0),
        ([], 0, 0),
        (True, 0, 0),
        (None, 0, 0),
    ],
)
@pytest.mark.parametrize("name", ["Job", "Unknown"])
async def test_waiting_is_counted_where_a_payload_says_since_when(
    executor: Executor, recorder: Recorder, name: str, enqueued_at: object, waits: int, waited_ms: int
):
    outcome = await executor.execute(delivery(name, enqueued_at=enqueued_at))

    jobs, _ = recorder.take()
    assert isinstance(outcome, Retry) if name == "Unknown" else outcome is DONE
    figures = jobs[UNKNOWN_JOBS if name == "Unknown" else name]
    assert (figures.executed, figures.waits, figures.waited_ms) == (1, waits, waited_ms)
