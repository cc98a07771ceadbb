"""Signals that end the program with its workers and servers."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let the first signal end the block by SystemExit with 128 and its number; later ones change nothing.

    What was started is ended on the way out, which a second Ctrl-C would cut short.
    """
    # Whoever starts the program in the background may want some to be ignored.
    before = {number: signal.getsignal(number) for number in _ENDING}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, _do_nothing)
        raise SystemExit(128 + number)

    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


@contextmanager
def put_off() -> Iterator[None]:
    """Let a signal wait until the end of the block: what is started there is known by then, and can be ended."""
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDING}
    heeded = {number: handler for number, handler in before.items() if callable(handler)}
    for number in heeded:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    # Ignoring it would be inherited by what is started meanwhile.
    pass
