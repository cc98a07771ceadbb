"""The blocked event loop, named: which job holds it, and where."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Sequence

from sidelong.core import payload
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown

logger = logging.getLogger("sidelong.worker")

_AGAIN_AFTER = 10.0
_JOBS_NAMED = 20


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

    @property
    def lag(self) -> float:
        """Seconds the loop took, or has been taking, to answer the latest question."""
        asked_at = self._asked_at
        return self._lag if asked_at is None else max(self._lag, self._monotonic() - asked_at)

    @property
    def is_live(self) -> bool:
        """True while the loop turns."""
        return self.lag < self._threshold

    def check(self) -> None:
        """Ask the loop for a sign of life, or warn if it owes one; called from the watching thread.

        Raises:
            RuntimeError: the loop is closed.
        """
        now = self._monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self._warn_at = self._threshold
            self._loop.call_soon_threadsafe(self._answer)
            return
        blocked_for = now - self._asked_at
        if blocked_for >= self._warn_at:
            self._warn_at = blocked_for + _AGAIN_AFTER
            self._warn(blocked_for)

    def _answer(self) -> None:
        if self._asked_at is not None:
            self._lag = self._monotonic() - self._asked_at
            self._asked_at = None

    def _warn(self, blocked_for: float) -> None:
        frame = sys._current_frames().get(self._thread_id)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)\n"
        del frame
        logger.warning(
            "the event loop has been blocked for %.1f s by %s; everything in this process waits."
            " Its thread is here:\n%s",
            blocked_for,
            self._culprit(),
            stack.rstrip(),
        )

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
