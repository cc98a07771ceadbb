"""The blocked event loop, named: which job holds it, and where."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

from sidelong.core import payload
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown
from sidelong.core.logs.message import LogMessage
from sidelong.worker import executor
from sidelong.worker.side_log import SideLog

logger = logging.getLogger("sidelong.worker")

_AGAIN_AFTER = 10.0
_JOBS_NAMED = 20


def _stack_with_source(frame: FrameType) -> str:
    stack = traceback.extract_stack(frame)
    inside = [depth for depth, each in enumerate(stack) if each.filename == executor.__file__]
    # What lies above the job is the same every time, and would scroll the job's name off the screen.
    return "".join(traceback.format_list(stack[inside[-1] + 1 :] if inside else stack))


def _bare_stack(frame: FrameType) -> str:
    lines = [
        f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
        for frame, line in traceback.walk_stack(frame)
    ]
    return "\n".join(reversed(lines))


class Watchdog:
    """Measures from another thread how long the event loop takes to answer.

    Args:
        loop: the event loop that is watched; `__init__` runs in its thread.
        threshold: seconds after which a silent loop counts as blocked.
        running: returns the deliveries that are being executed.
        monotonic: source of time, in seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threshold: float,
        running: Callable[[], Sequence[Delivery]],
        monotonic: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._threshold = threshold
        self._running = running
        self._monotonic = monotonic
        self._thread_id = threading.get_ident()
        self._asked_at: float | None = None
        self._warn_at = threshold
        self._lag = 0.0
        self._log = SideLog(logger)

    @property
    def lag(self) -> float:
        """Seconds the loop took, or has been taking, to answer the latest question."""
        asked_at = self._asked_at
        return self._lag if asked_at is None else max(self._lag, self._monotonic() - asked_at)

    @property
    def is_live(self) -> bool:
        """True while the loop turns."""
        return self.lag < self._threshold

    def check(self, overslept: float = 0.0) -> None:
        """Ask the loop for a sign of life, or warn if it owes one; called from the watching thread.

        Args:
            overslept: seconds by which the watching thread woke up late. C code that keeps the interpreter lock
                stops this thread as well: it can only tell afterwards.

        Raises:
            RuntimeError: the loop is closed.
        """
        now = self._monotonic()
        if overslept >= self._threshold:
            self._lag = overslept
            self._asked_at = None
            # The lock is ours for a moment only, and reading source lines gives it away: the job would be over
            # before it is named.
            self._warn(
                f"the whole process stood still for {overslept:.1f} s: it was frozen, or the interpreter lock was kept",
                _bare_stack,
            )
            return
        if self._asked_at is None:
            self._asked_at = now
            self._warn_at = self._threshold
            self._loop.call_soon_threadsafe(self._answer)
            return
        blocked_for = now - self._asked_at
        if blocked_for >= self._warn_at:
            self._warn_at = blocked_for + _AGAIN_AFTER
            self._warn(f"the event loop has been blocked for {blocked_for:.1f} s")

    def _answer(self) -> None:
        if self._asked_at is not None:
            self._lag = self._monotonic() - self._asked_at
            self._asked_at = None

    def _warn(self, what: str, written: Callable[[FrameType], str] = _stack_with_source) -> None:
        culprit = self._culprit()
        frame = sys._current_frames().get(self._thread_id)
        stack = written(frame) if frame is not None else "(no stack)"
        del frame
        text = f"{what} by {culprit}; everything in this process waits. Its thread is here:"
        self._log.log(logging.WARNING, LogMessage(text, lines=stack.rstrip(), kind="blocked"))

    def _culprit(self) -> str:
        running = self._running()
        current = asyncio.current_task(self._loop)
        for delivery in running:
            if current is not None and delivery.task is current:
                return f"job {_name(delivery)}"
        if not running:
            return "code outside any job"
        names = ", ".join(_name(delivery) for delivery in running[:_JOBS_NAMED])
        return f"code outside any job, or one of the {len(running)} running jobs: {names}"


def _name(delivery: Delivery) -> str:
    item = delivery.item or {}
    return f"{shown(payload.job_class(item))} {shown(item.get('jid'))}"
