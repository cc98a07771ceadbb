"""When the host is to end: what the supervisor says and what signals say, as one level that only rises."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from sidelong.cli.dev.debugger import has_taken_signal, is_debugging
from sidelong.cli.dev.levels import SIGNALS, Level, counted_with, level_after, signals_to_take

logger = logging.getLogger("sidelong.cli")

_INTERRUPTED: Final = 128 + signal.SIGINT
_LOOKS_EVERY: Final = 0.3


class Stopping:
    """Takes levels from any thread and from signals, and passes each on once.

    Attributes:
        level: the highest that was asked for.
        patience: seconds within which the host must have ended; then `overdue` is called, and the process ends. A
            debugger that waits for a person does not count.
        overdue: called then, from a thread: the event loop is blocked.
        debugging: called, from a thread, where a debugger holds it up.
    """

    def __init__(self, patience: float) -> None:
        self.level = Level.GO_ON
        self.patience = patience
        self.overdue: Callable[[], None] = _nothing
        self.debugging: Callable[[], None] = _nothing
        self._signals = 0
        self._is_starting = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reached: Callable[[Level], None] = _ignore
        self._lock = threading.RLock()
        self._has_ended = threading.Event()

    def install(self) -> None:
        """Take the signals over; those that were held back until now arrive."""
        for number in signals_to_take():
            signal.signal(number, self._receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # What a job forks is another process, which ends by signals as usual, and saves nothing.
        os.register_at_fork(after_in_child=_give_signals_back)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """While user code is imported, whatever ends the host raises SystemExit in it: there is nothing to stop yet."""
        self._is_starting = True
        try:
            if self.level:
                sys.exit(0)
            yield
        finally:
            self._is_starting = False

    def attach(self, loop: asyncio.AbstractEventLoop, reached: Callable[[Level], None]) -> None:
        """Call `reached` in `loop` with each level from now on, and with the one that was reached before."""
        self._loop, self._reached = loop, reached
        self._keep_signals()
        if self.level:
            self._pass_on(self.level)

    def tell(self, level: Level) -> None:
        """Take a level from another thread."""
        if self._rise(level) and self._is_starting:
            # Only a signal gets through to what is being imported.
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None:
        """Take note that the host has ended in time."""
        self._has_ended.set()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signals = counted_with(number, self._signals)
        self._rise(level_after(self._signals))
        if self._is_starting:
            sys.exit(0)

    def _rise(self, level: Level) -> bool:
        with self._lock:
            if level <= self.level:
                return False
            is_first, self.level = not self.level, level
        if level is Level.LEAVE:
            os._exit(_INTERRUPTED)
        if is_first:
            threading.Thread(target=self._wait, name="sidelong-dev-patience", daemon=True).start()
        self._pass_on(level)
        return True

    def _pass_on(self, level: Level) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._reached, level)
        except RuntimeError:
            # The loop is closed: nothing is left to end.
            return

    def _keep_signals(self) -> None:
        """Take Ctrl-C back from a debugger that went on: it would stop there again, rather than end all.

        The same goes for code that has given it back to Python, which would break off whatever runs.
        """
        if has_taken_signal(signal.SIGINT) or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._receive)
        if self._loop is not None:
            self._loop.call_later(_LOOKS_EVERY, self._keep_signals)

    def _wait(self) -> None:
        is_told = False
        latest = time.monotonic() + self.patience
        while time.monotonic() < latest:
            if self._has_ended.wait(min(_LOOKS_EVERY, self.patience)):
                return
            if is_debugging():
                latest = time.monotonic() + self.patience
                if not is_told:
                    is_told = True
                    self.debugging()
        try:
            self.overdue()
        finally:
            os._exit(1)


def _give_signals_back() -> None:
    for number in signals_to_take():
        # Not Python's own handler for Ctrl-C: it would unwind, in the child, the copy of all that runs here.
        signal.signal(number, signal.SIG_DFL)


def _nothing() -> None:
    """Do nothing."""


def _ignore(level: Level) -> None:
    """Take a level that nobody waits for."""
