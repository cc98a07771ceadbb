import pdb
import signal
import threading

import pytest

from sidelong.cli.dev.debugger import has_taken_signal, is_debugging
from sidelong.cli.dev.sources import DevFilter
from sidelong.core.logs.message import LogMessage
from tests.support.eventually import eventually_sync
from tests.unit.cli.dev.test_sources import record


class Person:
    """Types what a debugger reads, when it is told to."""

    def __init__(self):
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def readline(self):
        self.asked.set()
        self.may_answer.wait(60)
        return "continue\n"


@pytest.fixture
def person(capfd):
    """Somebody at a debugger, which a job in another thread has called."""
    person = Person()

    def job():
        debugger = pdb.Pdb(stdin=person, nosigint=True, readrc=False)
        debugger.use_rawinput = False
        debugger.set_trace()
        return 1

    thread = threading.Thread(target=job)
    thread.start()
    assert person.asked.wait(60)
    yield person
    person.may_answer.set()
    thread.join()


def test_a_debugger_that_waits_is_seen_until_it_goes_on(person):
    assert is_debugging()

    person.may_answer.set()
    eventually_sync(lambda: not is_debugging(), within=60)


def test_that_it_blocks_the_event_loop_is_not_told(person):
    blocked = record("sidelong.worker", LogMessage("blocked", kind="blocked"))

    assert not DevFilter().filter(blocked)
    person.may_answer.set()
    eventually_sync(lambda: DevFilter().filter(blocked), within=60)


def test_a_signal_that_a_debugger_has_taken_is_seen():
    before = signal.getsignal(signal.SIGINT)
    assert not has_taken_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, pdb.Pdb(readrc=False).sigint_handler)
    try:
        assert has_taken_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
