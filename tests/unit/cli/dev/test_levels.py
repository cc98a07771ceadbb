import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from sidelong.cli.dev.levels import SIGNALS, Level, level_after, signals_to_take
from sidelong.cli.dev.stopping import Stopping


@pytest.fixture
def stopping():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stopping = Stopping(patience=3600)
    stopping.install()
    yield stopping
    stopping.end()
    for number, handler in before.items():
        signal.signal(number, handler)


class Heard:
    """The levels that came through, in order."""

    def __init__(self):
        self.levels = []
        self._came = asyncio.Event()

    def __call__(self, level):
        self.levels.append(level)
        self._came.set()

    async def until(self, level):
        async with asyncio.timeout(10):
            while self.levels[-1:] != [level]:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
async def heard(stopping):
    heard = Heard()
    stopping.attach(asyncio.get_running_loop(), heard)
    return heard


def send(number):
    os.kill(os.getpid(), number)


def tell(stopping, level):
    """Tell a level as the supervisor's link does: from another thread."""
    thread = threading.Thread(target=stopping.tell, args=[level])
    thread.start()
    thread.join()


def test_signals_are_counted_into_levels():
    assert [level_after(count) for count in range(5)] == [
        Level.GO_ON,
        Level.SOON,
        Level.NOW,
        Level.LEAVE,
        Level.LEAVE,
    ]


async def test_a_request_that_comes_both_ways_is_one(stopping, heard):
    send(signal.SIGINT)
    tell(stopping, Level.SOON)
    await heard.until(Level.SOON)

    tell(stopping, Level.NOW)
    send(signal.SIGINT)
    await heard.until(Level.NOW)

    assert heard.levels == [Level.SOON, Level.NOW]


@pytest.mark.parametrize("number", SIGNALS)
async def test_each_signal_ends_it_by_itself(stopping, heard, number):
    send(number)

    await heard.until(Level.SOON)


async def test_a_terminal_that_is_gone_may_be_told_of_twice(stopping, heard):
    send(signal.SIGHUP)
    await heard.until(Level.SOON)
    send(signal.SIGHUP)
    send(signal.SIGTERM)
    await heard.until(Level.NOW)

    assert heard.levels == [Level.SOON, Level.NOW]


def test_it_outlives_its_terminal_where_that_was_asked_for():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signals_to_take() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_reload_can_become_an_end(stopping, heard):
    tell(stopping, Level.RELOAD)
    send(signal.SIGTERM)
    await heard.until(Level.SOON)

    assert heard.levels == [Level.RELOAD, Level.SOON]


async def test_what_was_told_before_there_was_a_loop_comes_through(stopping):
    stopping.tell(Level.RELOAD)

    heard = Heard()
    stopping.attach(asyncio.get_running_loop(), heard)
    await heard.until(Level.RELOAD)


@pytest.mark.parametrize("level", [Level.RELOAD, Level.SOON])
def test_what_is_being_imported_is_broken_off(stopping, level):
    thread = threading.Thread(target=stopping.tell, args=[level])

    def start():
        with stopping.starting():
            thread.start()
            threading.Event().wait(30)

    with pytest.raises(SystemExit) as caught:
        start()

    assert caught.value.code == 0


def test_nothing_is_imported_after_the_end_was_asked_for(stopping):
    stopping.tell(Level.SOON)

    with pytest.raises(SystemExit), stopping.starting():
        pytest.fail("it was begun")


BLOCKED = """
import asyncio, sys, time
from sidelong.cli.dev.levels import Level
from sidelong.cli.dev.stopping import Stopping

stopping = Stopping(patience=0.1)
stopping.install()
stopping.overdue = lambda: print("overdue", flush=True)

async def main():
    stopping.attach(asyncio.get_running_loop(), print)
    stopping.tell(Level[sys.argv[1]])
    time.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize(("level", "output", "status"), [("RELOAD", "overdue\n", 1), ("LEAVE", "", 130)])
def test_a_process_whose_loop_is_blocked_ends_all_the_same(level, output, status):
    done = subprocess.run([sys.executable, "-c", BLOCKED, level], capture_output=True, text=True, timeout=30)

    assert (done.stdout, done.returncode) == (output, status)


FORKED = """
import os, signal
from sidelong.cli.dev.stopping import Stopping

Stopping(patience=60).install()
if not (child := os.fork()):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    finally:
        print("the child unwinds what it has a copy of", flush=True)
print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_an_interrupt_ends_what_a_job_has_forked_and_nothing_of_it_goes_on():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=30)

    assert done.stdout == f"{signal.SIGINT:d}\n"
