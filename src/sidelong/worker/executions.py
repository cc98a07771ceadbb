"""What is being executed: one task per delivery, from its start until its outcome is known."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial

from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.outcome import HANDED_BACK, LOST, Outcome, Retry
from sidelong.worker.executor import Executor

logger = logging.getLogger("sidelong.worker")

_AFTER_FAULT = 60.0


class Executions:
    """Starts deliveries, and collects them as they end.

    Args:
        executor: runs one delivery.
        context: a snapshot of the context at boot; every job starts with a copy of it, so that nothing one job
            sets is seen by the next.
        wake: set whenever there is something to settle.

    Attributes:
        finished: deliveries whose outcome is known, and which are not on their way to be settled.
    """

    def __init__(self, executor: Executor, context: Context, wake: asyncio.Event) -> None:
        self.finished: list[Delivery] = []
        self._running: set[Delivery] = set()
        self._executor = executor
        self._context = context
        self._wake = wake

    @property
    def running(self) -> list[Delivery]:
        """The deliveries that are being executed; a copy, safe to take from any thread."""
        return list(self._running)

    @property
    def count(self) -> int:
        """How many are being executed."""
        return len(self._running)

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Execute deliveries, a task each; they begin in the next turn of the loop."""
        loop = asyncio.get_running_loop()
        # Where the loop makes plain tasks, asking it for one costs a tenth of what a job costs.
        new_task = loop.create_task if loop.get_task_factory() is not None else partial(asyncio.Task, loop=loop)
        run, copy_context = self._run, self._context.copy
        self._running.update(deliveries)
        for delivery in deliveries:
            delivery.outcome = None
            delivery.task = new_task(run(delivery), name="sidelong-job", context=copy_context())

    def hand_back(self, delivery: Delivery) -> None:
        """Let a delivery that does not run go back to its queue."""
        delivery.outcome = HANDED_BACK
        self.finished.append(delivery)

    def take_finished(self, most: int) -> list[Delivery]:
        """Return the first of those that have ended, to be settled."""
        taken = self.finished[:most]
        del self.finished[:most]
        return taken

    def cancel(self, reason: CancelReason) -> None:
        """Ask everything that runs to end."""
        for delivery in self.running:
            task = delivery.task
            self._executor.cancel(delivery, reason)
            if task is not None:
                # A task that is cancelled before its first step never enters its coroutine.
                task.add_done_callback(partial(self._never_began, delivery))

    def abandon(self, *, is_fenced: bool) -> None:
        """Hand back what still runs, although it does not end; whatever it does afterwards is not recorded."""
        for delivery in self.running:
            delivery.outcome = LOST if is_fenced else HANDED_BACK
            self._running.discard(delivery)
            self.finished.append(delivery)
        self._wake.set()

    async def _run(self, delivery: Delivery) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await self._executor.execute(delivery)
        except BaseException as fault:
            if delivery.cancel_reason is not None:
                outcome = HANDED_BACK
            else:
                _tell_fault(fault)
            if isinstance(fault, asyncio.CancelledError | GeneratorExit):
                raise
        finally:
            # Here and not in a callback of the task, which would come a turn of the loop later: jobs that end in
            # the same turn are so settled in the same call.
            self._ended_with(delivery, outcome or Retry(delivery.raw, _AFTER_FAULT))

    def _never_began(self, delivery: Delivery, _: "asyncio.Task[None]") -> None:
        self._ended_with(delivery, HANDED_BACK)

    def _ended_with(self, delivery: Delivery, outcome: Outcome) -> None:
        delivery.task = None
        if delivery not in self._running:
            return  # abandoned meanwhile
        self._running.discard(delivery)
        delivery.outcome = outcome
        self.finished.append(delivery)
        self._wake.set()


def _tell_fault(fault: BaseException) -> None:
    # A log that raises must not keep the slot.
    with suppress(Exception):
        logger.critical("a job could not be run for a fault of the worker; it is retried", exc_info=fault)
