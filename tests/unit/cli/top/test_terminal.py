import os
import pty
import signal
import termios

import pytest
from rich.text import Text

from sidelong.cli.operator.output import OutputFailed
from sidelong.cli.top.terminal import Terminal


class Pty:
    """The two ends of a terminal of 20 x 4."""

    def __init__(self):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (4, 20))
        self.settings = termios.tcgetattr(slave)
        self.keyboard = os.fdopen(slave, "r")
        self.screen = os.fdopen(os.dup(slave), "w", encoding="ascii")

    def shown(self, last):
        """Return what is shown up to these characters, which may come in parts."""
        shown = ""
        while not shown.endswith(last):
            shown += os.read(self.master, 65536).decode()
        return shown

    def close(self):
        self.keyboard.close()
        self.screen.close()
        if self.master is not None:
            os.close(self.master)


@pytest.fixture
def ends():
    ends = Pty()
    yield ends
    ends.close()


async def test_whatever_ends_it_the_terminal_is_given_back_as_it_was(ends):
    def fail():
        with Terminal(ends.keyboard, ends.screen):
            assert termios.tcgetattr(ends.keyboard) != ends.settings
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert termios.tcgetattr(ends.keyboard) == ends.settings
    assert ends.shown("\x1b[?1049l") == "\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_that_would_end_it_at_once_is_kept_until_the_terminal_is_given_back(ends, number):
    with Terminal(ends.keyboard, ends.screen) as terminal:
        os.kill(os.getpid(), number)

        assert await terminal.keys.get() is None

    assert terminal.ended_by == number
    assert termios.tcgetattr(ends.keyboard) == ends.settings


async def test_a_frame_takes_as_many_lines_as_the_terminal_has(ends):
    with Terminal(ends.keyboard, ends.screen) as terminal:
        assert terminal.size == (20, 4)
        terminal.draw(Text("\n").join([Text("one …"), Text("x" * 30), *[Text("more")] * 5]))
        drawn = ends.shown("more\r\r\n\x1b[2Kmore").partition("\x1b[H")[2]

    # The terminal makes two line ends of one, which does no harm.
    lines = drawn.replace("\r", "").split("\n")
    assert lines == ["\x1b[2Kone ?", f"\x1b[2K{'x' * 20}", "\x1b[2Kmore", "\x1b[2Kmore"]


async def pressed(terminal, count):
    """Return the next keys."""
    keys = []
    while len(keys) < count:
        keys += await terminal.keys.get()
    return keys


async def test_keys_come_as_they_are_pressed(ends):
    with Terminal(ends.keyboard, ends.screen) as terminal:
        os.write(ends.master, b"p\x1b[A")
        assert await pressed(terminal, 2) == ["p", "up"]
        os.write(ends.master, b"\x1b")
        assert await pressed(terminal, 1) == ["escape"]


async def test_a_terminal_that_is_gone_is_the_end(ends):
    with Terminal(ends.keyboard, ends.screen) as terminal:
        os.close(ends.master)
        ends.master = None
        assert await terminal.keys.get() is None
        with pytest.raises(OutputFailed):
            terminal.draw(Text("one"))
