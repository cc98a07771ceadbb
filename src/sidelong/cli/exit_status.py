"""What the exit status of a command says; docs/command-line.md tells users."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Statuses that commands end with; one that a signal ends has 128 and the number of the signal."""

    DONE = 0
    FAILED = 1
    """Something that may work another time: Redis, the application's own code. Nothing was stored."""
    MISUSED = 2
    """The command line, a setting or the target has to be changed."""
    UNCERTAIN = 3
    """A job may or may not have been stored."""
    STOPPED = 4
    """A client middleware did not let a job through."""
