"""What is being executed: one task per delivery, from its start until its outcome is known."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial

from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.outcome import CANCELLED, HANDED_BACK, LOST, Cancelled, HandedBack, Outcome, Retry
from sidelong.store.control import CancelAnswer
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
        """Execute deliveries, a task each; they begin in the next turn of the loop.

        A task factory of the program around us may begin them at once: then some have ended when this returns.
        """
        loop = asyncio.get_running_loop()
        if loop.get_task_factory() is not None:
            self._start_eagerly(deliveries)
            return
        # Where the loop makes plain tasks, asking it for one costs a tenth of what a job costs.
        new_task, run, copy_context = asyncio.Task, self._run, self._context.copy
        self._running.update(deliveries)
        for delivery in deliveries:
            delivery.outcome = None
            delivery.task = new_task(run(delivery), loop=loop, name="sidelong-job", context=copy_context())

    def _start_eagerly(self, deliveries: Sequence[Delivery]) -> None:
        loop = asyncio.get_running_loop()
        for delivery in deliveries:
            delivery.outcome = None
            # One by one: what a job does in its first step must meet none that has no task yet.
            self._running.add(delivery)
            task = loop.create_task(self._run(delivery), name="sidelong-job", context=self._context.copy())
            if delivery.outcome is None:
                delivery.task = task

    def hand_back(self, delivery: Delivery) -> None:
        """Let a delivery that does not run go back to its queue."""
        delivery.outcome = HANDED_BACK
        self.finished.append(delivery)

    def settle_again(self, deliveries: Sequence[Delivery]) -> None:
        """Take back deliveries that have ended and could not be settled."""
        self.finished += deliveries
        self._wake.set()

    def take_finished(self, most: int) -> list[Delivery]:
        """Return the first of those that have ended, to be settled."""
        taken = self.finished[:most]
        del self.finished[:most]
        return taken

    def cancel(self, reason: CancelReason) -> None:
        """Ask everything that runs to end."""
        for delivery in self.running:
            self._cancel_running(delivery, reason)

    def cancel_one(self, delivery: Delivery) -> CancelAnswer:
        """Call a delivery off: one that runs, has ended without being settled, or was not started."""
        if delivery in self._running:
            self._cancel_running(delivery, CancelReason.CANCEL)
            return CancelAnswer.TOLD if delivery.is_in_thread else CancelAnswer.CANCELLED
        if delivery.outcome is None:
            self.finished.append(delivery)
            self._wake.set()
        elif not isinstance(delivery.outcome, Retry | HandedBack | Cancelled):
            return CancelAnswer.ABSENT
        if delivery.outcome is not CANCELLED:
            delivery.outcome = CANCELLED
            self._executor.tell_cancelled(delivery)
        return CancelAnswer.CANCELLED

    def _cancel_running(self, delivery: Delivery, reason: CancelReason) -> None:
        task = delivery.task
        self._executor.cancel(delivery, reason)
        if task is not None:
            # A task that is cancelled before its first step never enters its coroutine.
            task.add_done_callback(partial(self._never_began, delivery))

    def abandon(self, *, is_fenced: bool) -> None:
        """Let go of what still runs, although it does not end; whatever it does afterwards is not recorded.

        It goes back to its queue, unless it was called off.
        """
        for delivery in self.running:
            delivery.outcome = LOST if is_fenced else self._broken_off(delivery)
            self._running.discard(delivery)
            self.finished.append(delivery)
        self._wake.set()

    async def _run(self, delivery: Delivery) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await self._executor.execute(delivery)
        except BaseException as fault:
            if delivery.cancel_reason is not None:
                outcome = self._broken_off(delivery)
            else:
                _tell_fault(fault)
            if isinstance(fault, asyncio.CancelledError | GeneratorExit):
                raise
        finally:
            # Here and not in a callback of the task, which would come a turn of the loop later: jobs that end in
            # the same turn are so settled in the same call.
            self._ended_with(delivery, outcome or Retry(delivery.raw, _AFTER_FAULT))

    def _never_began(self, delivery: Delivery, _: "asyncio.Task[None]") -> None:
        if delivery in self._running:
            self._ended_with(delivery, self._broken_off(delivery))

    def _ended_with(self, delivery: Delivery, outcome: Outcome) -> None:
        delivery.task = None
        try:
            self._running.remove(delivery)
        except KeyError:
            return  # abandoned meanwhile
        delivery.outcome = outcome
        if not self.finished:
            # Who waits has found nothing here.
            self._wake.set()
        self.finished.append(delivery)

    def _broken_off(self, delivery: Delivery) -> Outcome:
        if delivery.cancel_reason is not CancelReason.CANCEL:
            return HANDED_BACK
        self._executor.tell_cancelled(delivery)
        return CANCELLED


def _tell_fault(fault: BaseException) -> None:
    # A log that raises must not keep the slot.
    with suppress(Exception):
        logger.critical("a job could not be run for a fault of the worker; it is retried", exc_info=fault)
