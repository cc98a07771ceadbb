import asyncio
import os
import signal
import subprocess
import sys

import pytest

from sidelong.cli.signals import Signals
from sidelong.core.config import Config

HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
)


class StubWorker:
    """Notes what it is asked, and lets a test wait for it."""

    config = Config(timeout=25)

    def __init__(self, running=0):
        self.running = [object()] * running
        self.asked = []
        self.changed = asyncio.Event()

    def _note(self, what):
        self.asked.append(what)
        self.changed.set()

    def stop_soon(self):
        self._note("stop_soon")

    def stop_now(self):
        self._note("stop_now")

    def quiet(self):
        self._note("quiet")

    def dump_stacks(self):
        self._note("dump_stacks")
        return "Job 0123 is at line 7"

    async def is_asked(self, what):
        async with asyncio.timeout(5):
            while self.asked[-1:] != [what]:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def signals():
    before = {number: signal.getsignal(number) for number in HANDLED}
    signals = Signals()
    signals.install()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


async def test_the_first_request_stops_and_the_second_stops_now(signals):
    worker = StubWorker()
    signals.attach(worker, asyncio.get_running_loop())

    send(signal.SIGTERM)
    await worker.is_asked("stop_soon")
    send(signal.SIGINT)
    await worker.is_asked("stop_now")

    assert worker.asked == ["stop_soon", "stop_now"]


@pytest.mark.parametrize(
    ("running", "first", "second"),
    [
        (0, "Stopping: nothing is running", "Stopping now: nothing is running"),
        (
            1,
            "Stopping: 1 running job has 25 s; a second signal cancels it",
            "Stopping now: 1 running job is cancelled and handed back",
        ),
        (
            2,
            "Stopping: 2 running jobs have 25 s; a second signal cancels them",
            "Stopping now: 2 running jobs are cancelled and handed back",
        ),
    ],
)
async def test_a_stop_says_what_becomes_of_the_running_jobs(signals, caplog, running, first, second):
    worker = StubWorker(running)
    signals.attach(worker, asyncio.get_running_loop())

    with caplog.at_level("INFO", "sidelong.cli"):
        send(signal.SIGTERM)
        await worker.is_asked("stop_soon")
        send(signal.SIGTERM)
        await worker.is_asked("stop_now")

    assert caplog.messages == [first, second]


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGUSR1])
async def test_tstp_and_usr1_quiet(signals, number):
    worker = StubWorker()
    signals.attach(worker, asyncio.get_running_loop())

    send(number)
    await worker.is_asked("quiet")

    assert not signals.stop_requested


async def test_what_came_before_the_worker_reaches_it(signals):
    worker = StubWorker()
    send(signal.SIGTSTP)
    send(signal.SIGTERM)

    signals.attach(worker, asyncio.get_running_loop())
    await worker.is_asked("stop_soon")

    assert worker.asked == ["quiet", "stop_soon"]


async def test_a_stop_after_the_worker_has_ended_is_only_counted(signals):
    worker = StubWorker()
    signals.attach(worker, asyncio.get_running_loop())
    signals.detach()

    send(signal.SIGTERM)
    await asyncio.sleep(0)

    assert worker.asked == []
    assert signals.stop_requested


def test_a_stop_during_the_import_ends_it(signals):
    with pytest.raises(SystemExit) as caught, signals.importing():
        send(signal.SIGTERM)

    assert caught.value.code == 0
    assert signals.stop_requested


def test_a_handler_that_user_code_has_set_is_called_too(signals):
    seen = []
    with signals.importing():
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))

    send(signal.SIGTERM)

    assert seen == [signal.SIGTERM]
    assert signals.stop_requested


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
async def test_hup_usr1_and_usr2_are_left_to_user_code_that_wants_them(signals, number):
    seen, worker = [], StubWorker()
    with signals.importing():
        signal.signal(number, lambda number, frame: seen.append(number))
    signals.attach(worker, asyncio.get_running_loop())

    send(number)
    send(signal.SIGTERM)
    await worker.is_asked("stop_soon")

    assert seen == [number]
    assert worker.asked == ["stop_soon"]


async def test_a_terminal_that_is_closed_stops_it_once_and_a_term_beside_that_cuts_nothing_short(signals):
    worker = StubWorker()
    signals.attach(worker, asyncio.get_running_loop())

    send(signal.SIGHUP)
    await worker.is_asked("stop_soon")
    send(signal.SIGTERM)
    send(signal.SIGHUP)
    await asyncio.sleep(0)
    send(signal.SIGTERM)
    await worker.is_asked("stop_now")

    assert set(worker.asked[:-1]) == {"stop_soon"}


async def test_a_hup_that_came_before_the_worker_reaches_it(signals):
    worker = StubWorker()
    send(signal.SIGHUP)

    signals.attach(worker, asyncio.get_running_loop())
    await worker.is_asked("stop_soon")

    assert signals.stop_requested


def test_a_hup_during_the_import_ends_it(signals):
    with pytest.raises(SystemExit) as caught, signals.importing():
        send(signal.SIGHUP)

    assert caught.value.code == 0


async def test_usr2_changes_nothing(signals):
    worker = StubWorker()
    signals.attach(worker, asyncio.get_running_loop())

    send(signal.SIGUSR2)
    send(signal.SIGTSTP)
    await worker.is_asked("quiet")

    assert worker.asked == ["quiet"]


def test_a_hup_that_is_ignored_as_under_nohup_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    others = {number: signal.getsignal(number) for number in HANDLED}
    try:
        Signals().install()

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in others.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGHUP, before)


FORKED = """
import os, signal, time
from sidelong.cli.signals import Signals

Signals().install()
reading, writing = os.pipe()
if not (child := os.fork()):
    os.write(writing, b"ready")
    # In short sleeps: a signal that comes as Python goes to sleep is seen only when the sleep ends.
    while True:
        time.sleep(0.1)
os.read(reading, 5)
for number in (signal.SIGINT, signal.SIGTSTP, signal.{name}):
    os.kill(child, number)
print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_job_has_forked_ends_as_any_process_does_and_ignores_the_keyboard(number):
    program = FORKED.format(name=number.name)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)

    assert (done.stdout, done.stderr) == (f"{number.value}\n", "")


BLOCKED = """
import asyncio, signal, sys, time
from sidelong.cli.signals import Signals

class Worker:
    def dump_stacks(self):
        return "job 0123 blocks the loop"
    def stop_soon(self): ...
    def stop_now(self): ...

signals = Signals()
signals.install()

async def main():
    signals.attach(Worker(), asyncio.get_running_loop())
    print("blocked", flush=True)
    # In short sleeps: a signal that comes as Python goes (back) to sleep is seen only when the sleep ends.
    for _ in range(600):
        time.sleep(0.1)

asyncio.run(main())
"""


@pytest.fixture
def blocked():
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "blocked\n"
    yield process
    process.kill()
    process.communicate()


def test_ttin_logs_the_stacks_while_a_job_blocks_the_loop(blocked):
    blocked.send_signal(signal.SIGTTIN)

    assert "TTIN" in blocked.stderr.readline()
    assert blocked.stderr.readline() == "job 0123 blocks the loop\n"


def test_a_third_request_ends_a_process_whose_loop_is_blocked(blocked):
    for _ in range(2):
        blocked.send_signal(signal.SIGTERM)
        # The stacks show that the request before was seen: two at the same moment count as one.
        blocked.send_signal(signal.SIGTTIN)
        assert "TTIN" in blocked.stderr.readline()
        blocked.stderr.readline()

    blocked.send_signal(signal.SIGTERM)

    assert blocked.wait(timeout=30) == 128 + signal.SIGTERM
