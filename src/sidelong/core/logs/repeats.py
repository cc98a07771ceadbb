"""Fold what Sidelong itself would log again and again: a flood of one warning hides all others."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Final

from sidelong.core.display import shown
from sidelong.core.logs.fields import Fields
from sidelong.core.logs.message import LogMessage

LIMITED: Final = ("sidelong", "sidelong.client", "sidelong.store", "sidelong.worker")
"""Our loggers but `sidelong.job`, whose lines are one story per job, and `sidelong.cli`, which answers a person."""

_MOST = 5
_INTERVAL = 10.0
_MOST_KINDS = 500


class _Window:
    """How often one kind of record came in one interval."""

    __slots__ = ("ends_at", "folded", "passed", "text")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.passed = 1
        self.folded = 0
        self.text = ""


class RepeatLimit(logging.Filter):
    """Lets through the first few warnings or errors of a kind, and one line that counts the rest of the interval.

    Records of one logger and level are of a kind if their message is the same before arguments are put in. There is
    no lock, which a fork could leave taken for ever: a race between threads costs one count.

    Args:
        most: how many of a kind pass in an interval.
        interval: its length, in seconds, from the first of them.
        monotonic: source of time, in seconds.
        later: calls a function after so many seconds, and returns what calls that off.
    """

    def __init__(
        self,
        *,
        most: int = _MOST,
        interval: float = _INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], Callable[[], None]] | None = None,
    ) -> None:
        super().__init__()
        self._most = most
        self._interval = interval
        self._monotonic = monotonic
        self._later = later or _call_later
        self._windows: dict[tuple[str, int, Hashable], _Window] = {}
        self._wakes_at = 0.0
        self._call_off: Callable[[], None] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written; what is folded is counted."""
        if record.levelno < logging.WARNING or getattr(record, "is_summary", False):
            return True
        now = self._monotonic()
        key = (record.name, record.levelno, _kind(record))
        window = self._windows.get(key)
        if window is None or now >= window.ends_at:
            if window is not None or len(self._windows) >= _MOST_KINDS:
                self._close(now)
            if len(self._windows) < _MOST_KINDS:
                self._windows[key] = _Window(now + self._interval)
            return True
        if window.passed < self._most:
            window.passed += 1
            return True
        window.folded += 1
        window.text = _text(record)
        if now >= self._wakes_at:
            self._wake()
        return False

    def flush(self) -> None:
        """Write all summaries now, and wait for nothing: nobody may be there when their intervals end."""
        self._close(float("inf"))
        self._wakes_at = 0.0
        if self._call_off is not None:
            self._call_off()

    def forget(self) -> None:
        """Begin anew, without summaries, as the child of a fork does: it is its parent that writes them."""
        self._windows.clear()
        self._wakes_at = 0.0
        # Not called off: that takes a lock, which a fork could have left taken.
        self._call_off = None

    def _wake_at(self, at: float, now: float) -> None:
        # A record may come in the moment between the end of an interval and its wake-up: of two that wait, each would
        # ask to be woken again, for ever. All is set before: to call off takes a lock, and a signal may log meanwhile.
        self._wakes_at = at
        call_off, self._call_off = self._call_off, None
        if call_off is not None:
            call_off()
        self._call_off = self._later(at - now, self._wake)

    def _wake(self) -> None:
        now = self._monotonic()
        self._close(now)
        if waiting := [window.ends_at for window in tuple(self._windows.values()) if window.folded]:
            self._wake_at(min(waiting), now)

    def _close(self, now: float) -> None:
        for key, window in tuple(self._windows.items()):
            if now >= window.ends_at and self._windows.pop(key, None) is window and window.folded:
                self._summarize(key, window)

    def _summarize(self, key: tuple[str, int, Hashable], window: _Window) -> None:
        name, level, _ = key
        text = f"{window.text} (repeated {window.folded} more times within {self._interval:g} s)"
        summary = logging.LogRecord(name, level, __file__, 0, LogMessage(text), None, None)
        # It belongs to no job, whichever is running as it is written.
        summary.job_context = Fields()
        summary.is_summary = True
        # A handler that fails must not keep the others of these lines from being written.
        with suppress(Exception):
            logging.getLogger(name).handle(summary)


def limit_repeats() -> None:
    """Limit what our own loggers say; calling it again changes nothing."""
    for name in LIMITED:
        logging.getLogger(name).addFilter(REPEATS)


def _kind(record: logging.LogRecord) -> Hashable:
    message = record.msg
    if isinstance(message, LogMessage):
        return message.kind
    return message if isinstance(message, str) else type(message).__name__


def _text(record: logging.LogRecord) -> str:
    try:
        return record.msg.text if isinstance(record.msg, LogMessage) else shown(record.getMessage())
    except Exception:
        return shown(record.msg)


def _call_later(seconds: float, function: Callable[[], None]) -> Callable[[], None]:
    timer = threading.Timer(seconds, function)
    timer.name = "sidelong-log-repeats"
    timer.daemon = True
    # No thread can be started while the interpreter ends; then `atexit` writes the summaries.
    with suppress(RuntimeError):
        timer.start()
    return timer.cancel


REPEATS = RepeatLimit()
"""Loggers belong to the process, and so does their limit."""

atexit.register(REPEATS.flush)
os.register_at_fork(after_in_child=REPEATS.forget)
