import base64
import json
import zlib
from datetime import timedelta
from random import Random

import pytest

from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.lifecycle import Hooks
from sidelong.core.outcome import Dead, Retry, RetryIn
from sidelong.errors import UnknownJobError
from sidelong.worker.retries import Retries, encode_backtrace
from tests.support.clocks import ManualClock

NOW = 1_795_217_165.25


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


async def outcome_of(error, **fields):
    item = {"class": "Job", "args": [], "jid": "j1", "queue": "default", **fields}
    delivery = Delivery(json.dumps(item).encode(), 0, "default")
    hooks = Hooks()
    hooks.error_handlers.clear()
    retries = Retries(Config(redis_url="memory://"), ManualClock(NOW), hooks, Random(1))
    return await retries.outcome(delivery, None, raised(error))


async def test_a_first_failure_is_written_with_its_time():
    outcome = await outcome_of(ValueError("no"))

    assert isinstance(outcome, Retry)
    assert json.loads(outcome.raw) == {
        "class": "Job",
        "args": [],
        "jid": "j1",
        "queue": "default",
        "error_message": "no",
        "error_class": "ValueError",
        "failed_at": NOW,
        "retry_count": 0,
    }
    assert 15 <= outcome.delay < 25


async def test_a_later_failure_keeps_the_time_of_the_first():
    outcome = await outcome_of(ValueError("no"), retry_count=3, failed_at=5.5)

    item = json.loads(outcome.raw)
    assert (item["failed_at"], item["retried_at"], item["retry_count"]) == (5.5, NOW, 4)
    assert 4**4 + 15 <= outcome.delay < 4**4 + 15 + 50


async def test_a_retry_without_the_time_of_its_first_failure_gets_one():
    outcome = await outcome_of(ValueError("no"), retry_count=3)

    assert json.loads(outcome.raw)["failed_at"] == NOW


async def test_a_job_that_was_retried_by_hand_counts_from_there():
    outcome = await outcome_of(ValueError("no"), retry_count=-1, failed_at=5.5)

    assert json.loads(outcome.raw)["retry_count"] == 0
    assert 15 <= outcome.delay < 25


async def test_no_delay_at_all_is_a_choice():
    outcome = await outcome_of(RetryIn(0))

    assert outcome.delay == 0.0


HUNDRED_YEARS = 100 * 365 * 86_400


@pytest.mark.parametrize("delay", [1e300, timedelta.max])
async def test_no_delay_is_longer_than_a_hundred_years(delay):
    outcome = await outcome_of(RetryIn(delay))

    assert outcome.delay == HUNDRED_YEARS


@pytest.mark.parametrize("failed_at", [10**400, "x", None, True, []])
async def test_retry_for_falls_back_on_the_count_if_there_is_no_time_to_count_from(failed_at):
    last = await outcome_of(ValueError("no"), retry_for=60, retry=2, retry_count=1, failed_at=failed_at)
    earlier = await outcome_of(ValueError("no"), retry_for=60, retry=2, retry_count=0, failed_at=failed_at)

    assert isinstance(last, Dead)
    assert isinstance(earlier, Retry)


async def test_a_job_that_nobody_knows_is_never_dropped():
    without_retry = await outcome_of(UnknownJobError("nobody"), retry=False)
    without_trace = await outcome_of(UnknownJobError("nobody"), retry=False, dead=False)

    assert isinstance(without_retry, Dead)
    assert isinstance(without_trace, Dead)


def frames(text):
    return json.loads(zlib.decompress(base64.b64decode(text, validate=True)))


def test_a_backtrace_has_the_innermost_frame_first_and_no_source():
    def outer():
        inner()

    def inner():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        outer()

    lines = frames(encode_backtrace(caught.value, 100))
    names = [line.rsplit(":in ", 1)[1] for line in lines]
    assert names[:2] == ["inner", "outer"]
    assert all(line.startswith(f"{__file__}:") for line in lines[:2])
    assert frames(encode_backtrace(caught.value, 1)) == lines[:1]


def test_a_backtrace_holds_no_markup():
    code = compile("def f():\n    raise ValueError\nf()", "<script>\udcff", "exec")

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - there is no message
        exec(code, {})

    text = "".join(frames(encode_backtrace(caught.value, 100)))
    assert "(script)?" in text
    assert "<" not in text


def test_an_error_without_a_traceback_has_an_empty_backtrace():
    assert frames(encode_backtrace(ValueError("never raised"), 100)) == []
