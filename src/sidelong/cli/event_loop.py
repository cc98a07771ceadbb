"""Which event loop a command makes for itself: uvloop where it is installed, unless a setting says otherwise.

A worker inside another program never comes here: it runs on the loop of that program.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from sidelong.errors import ConfigurationError
from sidelong.settings import from_outside


@dataclass(frozen=True, slots=True)
class EventLoop:
    """A kind of event loop.

    Attributes:
        name: how the log calls it.
        make: returns a new one.
    """

    name: str
    make: Callable[[], asyncio.AbstractEventLoop]


def choose_event_loop(wanted: str, source: str) -> EventLoop:
    """Return the event loop to run on.

    Args:
        wanted: one of `EVENT_LOOPS`.
        source: where that stands, as `app.sources` has it.

    Raises:
        ConfigurationError: uvloop is wanted and cannot be imported.
    """
    if wanted != "asyncio":
        try:
            # Here, so that only a process that runs on it loads it.
            import uvloop
        except ImportError as error:
            # It may be installed and broken: the message says what Python said.
            if wanted == "uvloop":
                sentence = f"event_loop is uvloop, which cannot be imported ({error}): pip install 'sidelong[fast]'"
                raise from_outside(ConfigurationError(sentence), source) from None
        else:
            occupy_standard_streams()
            return EventLoop("uvloop", uvloop.new_event_loop)
    # By name, for a policy that the application has set would make another.
    return EventLoop("asyncio", asyncio.SelectorEventLoop)


def occupy_standard_streams() -> None:
    """Open what a closed standard stream has left free.

    libuv aborts the process if it is given such a number; and what libraries print would go to the file that has it.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
