"""What a worker process does on TERM, INT, HUP, TSTP, USR1, USR2 and TTIN."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from sidelong.core.counted import counted
from sidelong.core.logs.message import LogMessage
from sidelong.worker import stacks
from sidelong.worker.worker import Worker

logger = logging.getLogger("sidelong.cli")

_STOP = (signal.SIGTERM, signal.SIGINT)
_QUIET = (signal.SIGTSTP, signal.SIGUSR1)
_LEFT_TO_OTHERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Programs have uses of their own for them, and a worker that is quiet or stops stays so."""
_HANDLED = (*_STOP, *_QUIET, signal.SIGTTIN, signal.SIGHUP, signal.SIGUSR2)
_ENDS_FORKED = (signal.SIGTERM, signal.SIGHUP)
"""What a process that a job has forked heeds as any other does, although it has these handlers: `terminate()` of
multiprocessing is a TERM. The rest comes from the keyboard to all at once, and the worker lets its jobs end."""
_HANDLER_ENDS_WITHIN = 0.05
"""Seconds."""


class Signals:
    """Turns signals into calls on a worker; those that come before there is a worker are kept for it.

    The handlers are Python's, not the event loop's: they are there while user code is imported, they stay
    until the process ends, and a third TERM or a TTIN works even while a job blocks the loop.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._stop_requests = 0
        self._has_hung_up = False
        self._wants_quiet = False
        self._is_importing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: Worker | None = None
        self._previous: dict[int, Callable[[int, FrameType | None], object]] = {}

    @property
    def stop_requested(self) -> bool:
        """True once a TERM, INT or HUP has come."""
        return self._stop_requests > 0 or self._has_hung_up

    def install(self) -> None:
        """Take the signals over; a handler that user code has set meanwhile is kept and called first.

        HUP is left alone where it is ignored, as under nohup. It, USR1 and USR2 are left to user code that wants them:
        what the latter mean is a habit from Sidekiq before version 6.
        """
        for number in _HANDLED:
            current = signal.getsignal(number)
            if current == self._receive:
                continue
            if number in _LEFT_TO_OTHERS and current is not signal.SIG_DFL:
                continue
            if callable(current) and current is not signal.default_int_handler:
                self._previous[number] = current
            signal.signal(number, self._receive)

    @contextmanager
    def importing(self) -> Iterator[None]:
        """While user code is imported a TERM, INT or HUP raises SystemExit in it: there is nothing to stop yet."""
        self._is_importing = True
        try:
            yield
        finally:
            self._is_importing = False
            self.install()

    def attach(self, worker: Worker, loop: asyncio.AbstractEventLoop) -> None:
        """Send signals to `worker` from now on, and those that came before it existed."""
        self._worker, self._loop = worker, loop
        if self._wants_quiet:
            self._in_loop(worker.quiet)
        if self.stop_requested:
            self._in_loop(self._stop_soon)

    def detach(self) -> None:
        """Only count from now on: the worker has stopped, and a late TERM must not spoil the exit status."""
        self._worker = self._loop = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        if previous is not None:
            previous(number, frame)
        if os.getpid() != self._pid:
            if previous is None and number in _ENDS_FORKED:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
        elif number in _STOP:
            self._stop(number)
        elif number == signal.SIGHUP:
            self._hang_up()
        elif number in _QUIET:
            self._wants_quiet = True
            if self._worker is not None:
                self._in_loop(self._worker.quiet)
        elif number == signal.SIGTTIN:
            # A thread of its own: this handler may have interrupted a write to the stream the log goes to.
            threading.Thread(target=self._log_stacks, name="sidelong-stacks", daemon=True).start()

    def _hang_up(self) -> None:
        """Stop once, however often it comes: from the kernel, from a shell, and beside a TERM."""
        if self.stop_requested:
            return
        self._has_hung_up = True
        if self._is_importing:
            sys.exit(0)
        self._in_loop(self._stop_soon)

    def _stop(self, number: int) -> None:
        self._stop_requests += 1
        if self._stop_requests >= 3:
            os.write(2, b"sidelong: third request to stop, leaving now.\n")
            os._exit(128 + number)
        if self._is_importing:
            sys.exit(0)
        if self._worker is not None:
            self._in_loop(self._stop_soon if self._stop_requests == 1 else self._stop_now)

    def _stop_soon(self) -> None:
        if self._worker is not None:
            tell_of_stop(self._worker)
            self._worker.stop_soon()

    def _stop_now(self) -> None:
        if self._worker is not None:
            tell_of_stop_now(self._worker)
            self._worker.stop_now()

    def _in_loop(self, call: Callable[[], object]) -> None:
        if self._loop is None:
            return
        try:
            # Safe from a handler, and wakes a loop that is waiting.
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            # The loop is closed: nothing is left to stop.
            return

    def _log_stacks(self) -> None:
        # Until then the main thread's stack would show nothing but the handler that started this thread.
        time.sleep(_HANDLER_ENDS_WITHIN)
        worker = self._worker
        dump = worker.dump_stacks() if worker else stacks.dump(None, (), ())
        logger.warning(LogMessage("Stacks, as asked by TTIN:", lines=dump))


def tell_of_stop(worker: Worker, *others: Worker, by_signal: bool = True) -> None:
    """Log that workers stop, how long their jobs have and, if a signal is the reason, what a second one does."""
    one, many = f"has {worker.config.timeout:g} s", f"have {worker.config.timeout:g} s"
    if by_signal:
        one, many = f"{one}; a second signal cancels it", f"{many}; a second signal cancels them"
    logger.info("Stopping: %s", _running((worker, *others), one, many))


def tell_of_stop_now(*workers: Worker) -> None:
    """Log that workers stop without waiting, and what becomes of their jobs."""
    fate = "cancelled and handed back"
    logger.info("Stopping now: %s", _running(workers, f"is {fate}", f"are {fate}"))


def _running(workers: Sequence[Worker], one: str, many: str) -> str:
    """Return a sentence on the running jobs, for one job or for many."""
    count = sum(len(worker.running) for worker in workers)
    if not count:
        return "nothing is running"
    return f"{counted(count, 'running job')} {one if count == 1 else many}"
