import logging

import pytest

from sidelong.core.config import Config
from sidelong.errors import Refused, ReplyLost, StoreError, Unavailable
from sidelong.worker.metrics import MetricsFlush
from sidelong.worker.outage import Outage
from sidelong.worker.recorder import Recorder


class Writer:
    """Stands for the store: fails with what it is told to, then takes what it gets."""

    def __init__(self) -> None:
        self.failures: list[StoreError] = []
        self.asked: list[int] = []
        self.executed = 0
        self.refused: list[str] = []

    def batches(self, jobs, queues):
        return [figures.executed for figures in jobs.values()]

    async def write(self, batch):
        self.asked.append(batch)
        if self.failures:
            raise self.failures.pop(0)
        self.executed += batch
        return self.refused


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def outage():
    return Outage("host:6379", lambda: 0.0)


@pytest.fixture
def metrics(recorder, writer, outage):
    return MetricsFlush(recorder, {}, writer, Config(), outage)


@pytest.fixture
def flush(metrics):
    return metrics.flush


def execute(recorder: Recorder, count: int) -> None:
    recorder.tallies["Job", "default"].took += [0.0] * count


async def test_asks_redis_nothing_while_nothing_was_executed(flush, writer):
    await flush()

    assert writer.asked == []


@pytest.mark.parametrize("failure", [Unavailable("away"), ReplyLost("cut"), Refused("READONLY"), Refused("NOPERM no")])
async def test_what_is_not_confirmed_is_sent_again_before_what_came_later(flush, writer, recorder, failure):
    writer.failures = [failure, failure]
    execute(recorder, 1)
    await flush()
    execute(recorder, 2)
    await flush()
    execute(recorder, 4)
    await flush()

    # The same batch three times, then all that was counted meanwhile.
    assert writer.asked == [1, 1, 1, 6]
    assert writer.executed == 7


async def test_an_unreachable_redis_is_an_outage_like_any_other(flush, writer, recorder, outage):
    writer.failures = [Unavailable("away")]
    execute(recorder, 1)

    await flush()

    assert outage.is_on


async def test_says_once_that_it_may_not_keep_metrics(flush, writer, recorder, outage, caplog):
    writer.failures = [Refused("NOPERM this user has no permissions")] * 3
    execute(recorder, 1)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await flush()

    assert [record.message for record in caplog.records] == [
        "metrics are not kept, everything else is: NOPERM this user has no permissions"
    ]
    assert not outage.is_on


async def test_says_once_that_a_key_was_refused_and_goes_on(flush, writer, recorder, caplog):
    writer.refused = ["WRONGTYPE \x1b[1m"]

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            execute(recorder, 1)
            await flush()

    assert writer.executed == 3
    assert [record.message for record in caplog.records] == [r"part of the metrics was refused: WRONGTYPE \x1b[1m"]


async def test_is_done_once_redis_has_confirmed_every_batch(metrics, writer, recorder):
    assert metrics.is_done
    writer.failures = [Unavailable("away")]
    execute(recorder, 1)
    await metrics.flush()
    assert not metrics.is_done

    await metrics.flush()

    assert metrics.is_done


async def test_is_never_done_after_an_answer_was_lost_for_the_batch_may_still_arrive(metrics, writer, recorder):
    writer.failures = [ReplyLost("cut")]
    execute(recorder, 1)
    await metrics.flush()
    await metrics.flush()

    assert writer.executed == 1
    assert not metrics.is_done
