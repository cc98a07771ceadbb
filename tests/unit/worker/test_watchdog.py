import logging

import pytest

from sidelong.core.delivery import Delivery
from sidelong.worker.watchdog import Watchdog


class Loop:
    """Keeps what it is asked to call, until it turns."""

    def __init__(self):
        self.calls = []

    def call_soon_threadsafe(self, call):
        self.calls.append(call)

    def turn(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def loop(monkeypatch):
    # There is no running loop whose current task could be asked for.
    monkeypatch.setattr("asyncio.current_task", lambda loop: None)
    return Loop()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.WARNING, "sidelong.worker")
    return lambda: [record.getMessage() for record in caplog.records]


def delivery(name, jid):
    made = Delivery(b"", 0, "default")
    made.item = {"class": name, "jid": jid}
    return made


def test_a_loop_that_answers_is_live(loop, time, lines):
    watchdog = Watchdog(loop, 1.0, list, time)

    for _ in range(10):
        watchdog.check()
        time.now += 0.01
        loop.turn()
        time.now += 0.2

    assert watchdog.is_live
    assert watchdog.lag == pytest.approx(0.01)
    assert lines() == []


def test_a_silent_loop_is_not_live_and_is_warned_of_once_in_ten_seconds(loop, time, lines):
    watchdog = Watchdog(loop, 1.0, lambda: [delivery("Blocker", "j1")], time)

    watchdog.check()
    for _ in range(60):
        time.now += 0.2
        watchdog.check()
    live, lag = watchdog.is_live, watchdog.lag

    assert not live
    assert lag == pytest.approx(12.0)
    assert len(lines()) == 2
    assert lines()[0].startswith("the event loop has been blocked for 1.")
    assert "Blocker j1" in lines()[0]
    # The stack of the thread that is watched, which is this one.
    assert "test_a_silent_loop_is_not_live" in lines()[0]


def test_a_loop_that_answers_again_is_live_again(loop, time, lines):
    watchdog = Watchdog(loop, 1.0, list, time)
    watchdog.check()
    time.now += 5
    watchdog.check()

    loop.turn()
    after_answer = watchdog.lag
    watchdog.check()
    loop.turn()

    assert after_answer == pytest.approx(5.0)
    assert watchdog.is_live
    assert "by code outside any job" in lines()[0]


def test_a_thread_that_overslept_tells_that_all_stood_still(loop, time, lines):
    watchdog = Watchdog(loop, 1.0, lambda: [delivery("Regex", "j1")], time)
    watchdog.check()

    watchdog.check(overslept=4.0)

    assert watchdog.lag == 4.0
    assert "stood still for 4.0 s" in lines()[0]
    assert "Regex j1" in lines()[0]


def test_what_a_payload_says_is_one_short_line(loop, time, lines):
    watchdog = Watchdog(loop, 1.0, lambda: [delivery("C" * 10_000, "a\nb\x1b")] * 100, time)
    watchdog.check()
    time.now += 2

    watchdog.check()

    assert len(lines()[0].split("\n")[0]) < 10_000
    assert "\x1b" not in lines()[0]
