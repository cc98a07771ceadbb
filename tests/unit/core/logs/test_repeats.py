import logging
import subprocess
import sys
import threading

import pytest

from sidelong.core.logs.message import LogMessage
from sidelong.core.logs.repeats import RepeatLimit


class Time:
    """A clock that calls what is due when it is moved."""

    def __init__(self):
        self.now = 1000.0
        self._due = []

    def __call__(self):
        return self.now

    @property
    def waiting(self):
        return len(self._due)

    def later(self, seconds, function):
        call = (self.now + seconds, function)
        self._due.append(call)
        return lambda: self._due.remove(call) if call in self._due else None

    def move(self, seconds):
        self.now += seconds
        due = [function for at, function in self._due if at <= self.now]
        self._due = [(at, function) for at, function in self._due if at > self.now]
        for function in due:
            function()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def limit(time):
    return RepeatLimit(most=3, interval=10, monotonic=time, later=time.later)


@pytest.fixture
def logger(limit, caplog):
    made = logging.getLogger("limited")
    made.addFilter(limit)
    caplog.set_level(logging.INFO, "limited")
    yield made
    made.removeFilter(limit)


def test_the_first_pass_and_the_rest_are_counted_when_the_interval_ends(logger, time, caplog):
    for number in range(10):
        logger.warning("beat %d was refused", number)
    before = list(caplog.messages)
    time.move(10)

    assert before == ["beat 0 was refused", "beat 1 was refused", "beat 2 was refused"]
    assert caplog.messages[3:] == ["beat 9 was refused (repeated 7 more times within 10 s)"]
    assert caplog.records[-1].levelno == logging.WARNING


def test_after_the_interval_it_begins_anew(logger, time, caplog):
    for _ in range(4):
        logger.error("again")
    time.move(10)
    caplog.clear()

    logger.error("again")
    time.move(100)

    assert caplog.messages == ["again"]


def test_one_wake_up_waits_however_often_a_record_comes_just_before_it(logger, time):
    for _ in range(5):
        for _ in range(5):
            logger.error("again")
        # The interval is over, and what is to be called then is not called yet.
        time.now += 10
        for _ in range(5):
            logger.error("again")
        time.move(0)

    assert time.waiting == 1


def test_a_record_of_another_kind_just_before_a_wake_up_does_not_put_it_off(logger, time, caplog):
    for _ in range(5):
        logger.error("first")
    time.now += 9
    for _ in range(3):
        logger.error("second")
    time.now += 1
    logger.error("second")

    assert caplog.messages[-1] == "first (repeated 2 more times within 10 s)"
    time.move(9)
    assert caplog.messages[-1] == "second (repeated 1 more times within 10 s)"


def test_what_is_logged_while_a_wake_up_is_called_off_does_not_call_it_off_again(time, caplog):
    called_off = []

    def later(seconds, function):
        def call_off():
            called_off.append(function)
            logger.error("again")

        return call_off

    limit = RepeatLimit(most=1, interval=10, monotonic=time, later=later)
    logger = logging.getLogger("limited.signal")
    logger.addFilter(limit)
    for _ in range(2):
        for _ in range(3):
            logger.error("again")
        time.now += 10
    logger.error("again")
    logger.error("again")

    assert 1 <= len(called_off) <= 2


def test_the_next_record_brings_the_count_if_nothing_else_has(caplog):
    time = Time()
    limit = RepeatLimit(most=1, interval=10, monotonic=time, later=lambda seconds, function: lambda: None)
    logger = logging.getLogger("limited.late")
    logger.addFilter(limit)
    for _ in range(5):
        logger.error("again")

    time.move(60)
    logger.error("again")

    assert caplog.messages == ["again", "again (repeated 4 more times within 10 s)", "again"]


def test_the_end_of_the_process_loses_no_count(logger, limit, caplog):
    for _ in range(5):
        logger.error("again")

    limit.flush()
    limit.flush()

    assert caplog.messages[3:] == ["again (repeated 2 more times within 10 s)"]


def test_what_differs_in_template_level_or_kind_is_counted_apart(logger, caplog):
    for _ in range(3):
        logger.error("one")
        logger.warning("one")
        logger.error("two")
        logger.error(LogMessage("text", {}, kind=("job", "Charge")))
        logger.error(LogMessage("text", {}, kind=("job", "Refund")))

    assert len(caplog.records) == 15


def test_news_pass_however_often(logger, caplog):
    for _ in range(20):
        logger.info("done")

    assert len(caplog.records) == 20


def test_a_summary_belongs_to_no_job_and_has_no_traceback(logger, time, caplog):
    for _ in range(5):
        logger.error("again", exc_info=ValueError("boom"))
    time.move(10)

    summary = caplog.records[-1]

    assert (summary.job_context, summary.exc_info) == ({}, None)


def test_arguments_that_do_not_fit_are_no_reason_to_fail(limit):
    records = [logging.LogRecord("n", logging.ERROR, "", 0, "%d", ("x",), None) for _ in range(5)]

    assert [limit.filter(record) for record in records] == [True, True, True, False, False]


def test_so_many_kinds_are_remembered_and_no_more(limit, time, caplog):
    for number in range(10_000):
        limit.filter(logging.LogRecord("kinds", logging.ERROR, "", 0, f"kind {number}", (), None))
    passed = [limit.filter(logging.LogRecord("kinds", logging.ERROR, "", 0, "kind 9999", (), None)) for _ in range(5)]
    time.move(10)
    limit.filter(logging.LogRecord("kinds", logging.ERROR, "", 0, "kind 9999", (), None))
    later = [limit.filter(logging.LogRecord("kinds", logging.ERROR, "", 0, "kind 9999", (), None)) for _ in range(4)]

    # What cannot be counted is not held back.
    assert passed == [True] * 5
    assert later == [True, True, False, False]


def test_a_real_clock_brings_the_count_as_well(caplog):
    from tests.support.eventually import eventually_sync

    limit = RepeatLimit(most=1, interval=0.05)
    logger = logging.getLogger("limited.real")
    logger.addFilter(limit)

    for _ in range(5):
        logger.error("again")

    eventually_sync(lambda: any("more times" in message for message in caplog.messages))


def test_once_all_is_told_no_thread_waits_for_more(caplog):
    from tests.support.eventually import eventually_sync

    limit = RepeatLimit(most=1, interval=600)
    logger = logging.getLogger("limited.flushed")
    logger.addFilter(limit)
    others = waiting_threads()
    for _ in range(3):
        logger.error("again")
    waiting = waiting_threads() - others

    limit.flush()

    assert len(waiting) == 1
    eventually_sync(lambda: not waiting & waiting_threads())


def test_after_all_was_told_a_thread_waits_again_where_there_is_more(logger, limit, time, caplog):
    for _ in range(5):
        logger.error("again")
    limit.flush()
    caplog.clear()

    for _ in range(5):
        logger.error("again")
    time.move(10)

    assert caplog.messages[3:] == ["again (repeated 2 more times within 10 s)"]


def test_the_child_of_a_fork_leaves_to_its_parent_what_that_held_back():
    program = (
        "import logging, os, sys; logging.basicConfig()\n"
        "from sidelong import Sidelong; Sidelong('redis://localhost')\n"
        "def trouble(who):\n"
        "    for number in range(7): logging.getLogger('sidelong.worker').error('%s %d', who, number)\n"
        "trouble('parent')\n"
        "if not (child := os.fork()):\n"
        "    trouble('child')\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    lines = [line.removeprefix("ERROR:sidelong.worker:") for line in done.stderr.splitlines()]
    assert lines == [
        *(f"parent {number}" for number in range(5)),
        *(f"child {number}" for number in range(5)),
        "child 6 (repeated 2 more times within 10 s)",
        "parent 6 (repeated 2 more times within 10 s)",
    ]


def waiting_threads():
    return {each for each in threading.enumerate() if each.name == "sidelong-log-repeats"}


def test_what_was_held_back_is_told_before_a_program_ends():
    program = (
        "import logging; logging.basicConfig()\n"
        "from sidelong import Sidelong; Sidelong('redis://localhost')\n"
        "for number in range(9): logging.getLogger('sidelong.worker').error('trouble %d', number)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert done.stderr.splitlines() == [
        *(f"ERROR:sidelong.worker:trouble {number}" for number in range(5)),
        "ERROR:sidelong.worker:trouble 8 (repeated 4 more times within 10 s)",
    ]
