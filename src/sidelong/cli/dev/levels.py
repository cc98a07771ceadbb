"""How urgently the host is to end: the highest of what it was told and of what it got itself.

A Ctrl-C reaches supervisor and host, a TERM perhaps one of them only. As levels rather than counts both can be passed
on, and one that came both ways is not taken for two.
"""

from enum import IntEnum


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
