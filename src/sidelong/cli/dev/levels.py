"""How urgently the host is to end: the highest of what it was told and of what it got itself.

A Ctrl-C reaches supervisor and host, a TERM perhaps one of them only. As levels rather than counts both can be passed
on, and one that came both ways is not taken for two.
"""

import signal
from enum import IntEnum
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""All of them end `sidelong dev`; the last comes when the terminal is closed."""


class Level(IntEnum):
    """What is asked of the host."""

    GO_ON = 0
    RELOAD = 1
    """End soon: the code has changed."""
    SOON = 2
    """End, and give running jobs and requests their time."""
    NOW = 3
    """Cancel them, hand the jobs back and end."""
    LEAVE = 4
    """Leave at once."""


def level_after(signals: int) -> Level:
    """Return what is asked for by so many signals."""
    return Level(min(Level.RELOAD + signals, Level.LEAVE)) if signals else Level.GO_ON


def counted_with(number: int, signals: int) -> int:
    """Return how many signals have come, with one more; that the terminal is gone may be told several times."""
    return max(signals, 1) if number == signal.SIGHUP else signals + 1


def signals_to_take() -> list[signal.Signals]:
    """Return the signals that end it here: that the terminal is gone may have to be ignored, as under nohup."""
    return [each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]
