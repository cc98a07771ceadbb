import time

import pytest

from tests.support.eventually import eventually, eventually_sync


def third_time() -> bool:
    third_time.calls += 1
    return third_time.calls >= 3


async def test_returns_the_first_true_value() -> None:
    values = iter([None, 0, "yes", "later"])

    assert await eventually(lambda: next(values)) == "yes"


async def test_awaits_an_async_predicate() -> None:
    third_time.calls = 0

    async def predicate() -> bool:
        return third_time()

    assert await eventually(predicate) is True


async def test_takes_an_assertion_for_not_yet() -> None:
    third_time.calls = 0

    def predicate() -> bool:
        assert third_time()
        return True

    assert await eventually(predicate)


async def test_shows_the_last_value_when_it_gives_up() -> None:
    with pytest.raises(AssertionError, match=r"within 0.02 s; its last value: \[\]"):
        await eventually(list, within=0.02)


async def test_lets_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)


def test_does_the_same_without_an_event_loop() -> None:
    third_time.calls = 0
    began = time.monotonic()

    assert eventually_sync(third_time)
    with pytest.raises(AssertionError, match="its last value: 0"):
        eventually_sync(lambda: 0, within=0.02)

    assert time.monotonic() - began < 2
