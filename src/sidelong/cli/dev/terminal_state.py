"""The terminal as it was: a debugger that was cut off leaves one that does not show what is typed."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_terminal() -> Iterator[None]:
    """Give the terminal its settings back at the end, if there is one."""
    try:
        descriptor = sys.stdin.fileno()
        settings = termios.tcgetattr(descriptor)
    except (AttributeError, OSError, ValueError, termios.error):
        settings = None
    try:
        yield
    finally:
        # From the background it would stop this process.
        with suppress(OSError, termios.error):
            if settings is not None and os.tcgetpgrp(descriptor) == os.getpgrp():
                termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
