"""`sidelong top` on a real terminal, beside a real worker."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

from tests.support import seeding

LEAVES_SCREEN = "\x1b[?1049l"


class TerminalOf:
    """A terminal of 80 x 24 in which `sidelong top` runs."""

    def __init__(self, url):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.settings = termios.tcgetattr(self.slave)
        foreign = ("SIDELONG_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidelong", "top", "--redis", url, "--every", "0.2"],
            env=environment | {"TERM": "xterm"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            # Of this session: where nobody could continue it, nothing stops.
            process_group=0,
            # Who runs the tests in the background may have told them to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.shown = ""

    def sees(self, text, within=30.0):
        """Wait until this is shown that has not been waited for before."""
        deadline = time.monotonic() + within
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self.shown[-3000:]!r}"
            self.shown += os.read(self.master, 65536).decode()
        self.shown = self.shown.partition(text)[2]

    def press(self, keys):
        os.write(self.master, keys)

    def ends(self):
        """Wait for the end, and return the exit status."""
        self.sees(LEAVES_SCREEN)
        return self.process.wait(30)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(redis_server):
    terminal = TerminalOf(redis_server.url)
    yield terminal
    terminal.close()


def test_a_job_is_cancelled_and_a_queue_paused_and_the_terminal_is_left_as_it_was(terminal, redis_client, start):
    seeding.push(redis_client, seeding.payload("sleep_for", 600.0, jid="a" * 24))
    start()

    terminal.sees("BUSY 1")
    in_between = termios.tcgetattr(terminal.slave)
    terminal.press(b"\t\tc")
    terminal.sees(f"Cancel {'a' * 24} sleep_for? [y/N]")
    terminal.press(b"y")
    terminal.sees(f"{'a' * 24} sleep_for ran in ")
    terminal.sees("BUSY 0")
    terminal.press(b"\t\t")
    terminal.sees("> default")
    terminal.press(b"p")
    terminal.sees("default is paused")
    paused = redis_client.smembers("paused")
    terminal.press(b"q")

    assert terminal.ends() == 0
    assert paused == {b"default"}
    assert in_between != terminal.settings
    assert termios.tcgetattr(terminal.slave) == terminal.settings


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)]
)
def test_a_signal_ends_it_and_the_terminal_is_left_as_it_was(terminal, number, status):
    terminal.sees("QUEUES 0")

    terminal.process.send_signal(number)

    assert terminal.ends() == status
    assert termios.tcgetattr(terminal.slave) == terminal.settings


def test_it_can_be_suspended_and_continued(terminal):
    terminal.sees("QUEUES 0")
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.sees(LEAVES_SCREEN)
    _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert termios.tcgetattr(terminal.slave) == terminal.settings

    terminal.process.send_signal(signal.SIGCONT)
    terminal.sees("QUEUES 0")
    terminal.press(b"q")

    assert terminal.ends() == 0
