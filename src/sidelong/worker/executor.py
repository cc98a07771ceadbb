"""Run one job, from its bytes to an outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sidelong.client.registry import AnyJob, Registry
from sidelong.core import payload, serialization
from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.context import Context, enter
from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.identity import new_jid
from sidelong.core.lifecycle import Hooks
from sidelong.core.middleware import Chain, compose
from sidelong.core.outcome import (
    BURIED,
    CANCELLED,
    DONE,
    HANDED_BACK,
    LOST,
    Discard,
    Kill,
    Outcome,
    RetryIn,
    Rewritten,
)
from sidelong.core.steps import StepKeeper
from sidelong.errors import InvalidPayloadError, JobTimeoutError
from sidelong.worker.job_logger import JobLogger
from sidelong.worker.recorder import Recorder
from sidelong.worker.retries import Retries
from sidelong.worker.suspects import Suspects
from sidelong.worker.threads import JobThreads


class Executor:
    """Executes deliveries; whatever a job does ends as an `Outcome`, never as an exception."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        registry: Registry,
        server_chain: Chain,
        hooks: Hooks,
        retries: Retries,
        suspects: Suspects,
        threads: JobThreads,
        is_stopping: Callable[[], bool],
        recorder: Recorder | None = None,
        steps: StepKeeper | None = None,
    ) -> None:
        self._config = config
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._registry = registry
        self._chain = server_chain
        self._hooks = hooks
        self._retries = retries
        self._suspects = suspects
        self._threads = threads
        self._is_stopping = is_stopping
        self._steps = steps
        self._tallies = recorder.tallies if recorder is not None else None
        self._log = JobLogger(is_wanted=config.job_logging)

    async def execute(self, delivery: Delivery) -> Outcome:
        """Read, resolve and run one delivery."""
        job: AnyJob | None = None
        delivery.began = self._monotonic()
        try:
            item = delivery.item = payload.parse(delivery.raw)
            jid = payload.usable_jid(item)
            if jid is None:
                # Before it runs: afterwards its bytes could be those of another job.
                return Rewritten(serialization.dumps({**item, "jid": new_jid()}))
            delivery.started_at = self._now()
            context = delivery.context = Context(jid, delivery.queue, item, self._is_stopping, self._steps)
            enter(context)
            if "log_level" in item:
                self._log.heed_level(item)
            job = self._registry.get(payload.wire_class(item))
            is_logged = self._log.is_on(item)
            if payload.CRASHES in item:
                await self._run_as_suspect(delivery, job, item, is_logged)
            else:
                await self._run(delivery, job, item, is_logged)
        except InvalidPayloadError as error:
            if delivery.item is None:
                return await self._bury(delivery, error)
            return await self._failed(delivery, job, error)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and _current_task() is None:
                raise  # the loop is gone and this coroutine is being torn down
            # SystemExit and KeyboardInterrupt would end the event loop: inside a job they are its failure.
            return await self._ended_by(delivery, job, error)
        took = self._monotonic() - delivery.began
        if delivery.cancel_reason is not None:
            outcome = await self._returned_although_cancelled(delivery, job, item, took)
            if outcome is not DONE:
                return outcome
        if self._tallies is not None:
            tally = self._tallies[job.name, delivery.queue]
            tally.took.append(took)
            # Written out, as the rest of this method: a call costs as much as what it would do.
            enqueued_at = item.get("enqueued_at")
            if type(enqueued_at) is float or (enqueued_at := payload.instant(enqueued_at)) is not None:
                tally.waited.append(delivery.started_at - enqueued_at)
        if is_logged:
            self._log.done(item, took)
        return DONE

    def cancel(self, delivery: Delivery, reason: CancelReason) -> None:
        """Ask a running execution to end; one in a thread can only see that it was asked."""
        before = delivery.cancel_reason
        if before is None or reason is CancelReason.FENCED:
            delivery.cancel_reason = reason
        elif reason is CancelReason.CANCEL and before is not CancelReason.FENCED:
            delivery.cancel_reason = reason
            if before is not CancelReason.TIMEOUT:
                # The same question again, or a stop.
                return
        if delivery.context is not None:
            delivery.context.cancelled = True
        task = delivery.task
        if task is None or delivery.is_in_thread:
            return
        if before is not None and delivery.cancel_reason is CancelReason.CANCEL and task.cancelling():
            # One more cancellation would break off the clean-up of a job that does not run again.
            return
        task.cancel()

    def tell_cancelled(self, delivery: Delivery) -> None:
        """Log that a job was called off whose end was not awaited, or which never began."""
        try:
            item = delivery.item or payload.parse(delivery.raw)
        except InvalidPayloadError:
            return
        if self._log.is_on(item):
            self._log.cancelled(item, self._elapsed(delivery) if delivery.started_at else None)

    # One execution.

    def _run(self, delivery: Delivery, job: AnyJob, item: dict[str, Any], is_logged: bool) -> Awaitable[Any]:
        """Return what is to be awaited: the job's own coroutine wherever nothing has to be around it."""
        if is_logged:
            self._log.start(item)
        if ("timeout" in item or job.options.timeout is not None) and (timeout := _timeout(item, job)):
            return self._run_timed(delivery, job, item, timeout)
        return self._perform(delivery, job, item)

    async def _run_timed(self, delivery: Delivery, job: AnyJob, item: dict[str, Any], timeout: float) -> None:
        timer = asyncio.get_running_loop().call_later(timeout, self._expire, delivery, timeout)
        try:
            await self._perform(delivery, job, item)
        finally:
            timer.cancel()

    def _perform(self, delivery: Delivery, job: AnyJob, item: dict[str, Any]) -> Awaitable[Any]:
        perform = self._in_loop if job.is_async else self._in_thread
        if self._chain.middlewares:
            return compose(self._chain, partial(perform, delivery, job))(item)
        return perform(delivery, job, item)

    async def _run_as_suspect(self, delivery: Delivery, job: AnyJob, item: dict[str, Any], is_logged: bool) -> None:
        crashes = payload.crashes_within(item, self._config.crash_window, delivery.started_at)
        async with self._suspects.admit(item["jid"], len(crashes)):
            delivery.began = self._monotonic()
            await self._run(delivery, job, item, is_logged)

    def _in_loop(self, delivery: Delivery, job: AnyJob, item: dict[str, Any]) -> Awaitable[Any]:
        # Read here, inside the middleware: it may have changed them.
        performing: Awaitable[Any] = job.target()(*job.convert(payload.arguments(item)))
        return performing

    async def _in_thread(self, delivery: Delivery, job: AnyJob, item: dict[str, Any]) -> Any:
        target, args = job.target(), payload.arguments(item)
        delivery.is_in_thread = True
        future = self._threads.start(lambda: target(*job.convert(args)), f"{job.name} {item['jid']}")
        result, error = await future
        delivery.is_in_thread = False
        if error is not None:
            raise error
        if asyncio.iscoroutine(result):
            result = await result
        return result

    def _expire(self, delivery: Delivery, timeout: float) -> None:
        self.cancel(delivery, CancelReason.TIMEOUT)
        asyncio.get_running_loop().call_later(self._config.cancel_grace, self._report_stuck, delivery, timeout)

    def _report_stuck(self, delivery: Delivery, timeout: float) -> None:
        if delivery.outcome is None and delivery.item is not None:
            self._log.stuck(delivery.item, timeout)

    # How it ended.

    async def _returned_although_cancelled(
        self, delivery: Delivery, job: AnyJob, item: dict[str, Any], took: float
    ) -> Outcome:
        if delivery.cancel_reason is CancelReason.FENCED:
            return LOST
        if not _is_finished(delivery, job):
            # It swallowed the cancellation: whether the work is complete, nobody knows.
            match delivery.cancel_reason:
                case CancelReason.STOP:
                    return self._hand_back(delivery)
                case CancelReason.TIMEOUT:
                    return await self._failed(delivery, job, self._timed_out(delivery, job))
        if delivery.cancel_reason is CancelReason.TIMEOUT:
            self._log.late(item, took)
        return DONE

    async def _ended_by(self, delivery: Delivery, job: AnyJob | None, error: BaseException) -> Outcome:
        _forget_cancellation()
        match delivery.cancel_reason:
            case CancelReason.FENCED:
                return LOST
            case CancelReason.STOP:
                return self._hand_back(delivery)
            case CancelReason.CANCEL:
                return await self._cancelled(delivery, error)
            case CancelReason.TIMEOUT if isinstance(error, asyncio.CancelledError):
                late = self._timed_out(delivery, job).with_traceback(error.__traceback__)
                return await self._failed(delivery, job, late)
        if isinstance(error, asyncio.CancelledError):
            # Nobody here asked for it: the job awaited something that was cancelled.
            error = RuntimeError("the job was cancelled from inside").with_traceback(error.__traceback__)
        return await self._failed(delivery, job, error)

    async def _failed(self, delivery: Delivery, job: AnyJob | None, error: BaseException) -> Outcome:
        assert delivery.item is not None
        try:
            outcome = await self._retries.outcome(delivery, job, error)
        finally:
            # Frames hold on to everything a job had in hand.
            error.__traceback__ = None
        if delivery.cancel_reason is CancelReason.CANCEL:
            # Called off while it was told that the job has failed.
            outcome = CANCELLED
        elif self._tallies is not None:
            tally = self._tallies[job.name if job is not None else "", delivery.queue]
            tally.fail(outcome)
            if (enqueued_at := payload.instant(delivery.item.get("enqueued_at"))) is not None:
                tally.waited.append(delivery.started_at - enqueued_at)
        if self._log.is_on(delivery.item):
            self._log.fail(delivery.item, self._elapsed(delivery), error, outcome)
        return outcome

    async def _cancelled(self, delivery: Delivery, error: BaseException) -> Outcome:
        if delivery.item is None:
            return CANCELLED
        if not isinstance(error, asyncio.CancelledError | Discard | Kill | RetryIn):
            # What went wrong as it cleaned up, or in a thread that knew nothing of it.
            await self._hooks.report_error(
                error, {"context": "job", "job": payload.parse(delivery.raw), "queue": delivery.queue}
            )
        error.__traceback__ = None
        if self._log.is_on(delivery.item):
            self._log.cancelled(delivery.item, self._elapsed(delivery))
        return CANCELLED

    def _hand_back(self, delivery: Delivery) -> Outcome:
        if delivery.item is not None and self._log.is_on(delivery.item):
            self._log.interrupted(delivery.item, self._elapsed(delivery))
        return HANDED_BACK

    async def _bury(self, delivery: Delivery, error: InvalidPayloadError) -> Outcome:
        await self._hooks.report_error(
            error,
            {"context": "payload goes to the dead set unread", "queue": delivery.queue, "raw": delivery.raw},
        )
        return BURIED

    def _timed_out(self, delivery: Delivery, job: AnyJob | None) -> JobTimeoutError:
        assert delivery.item is not None
        assert job is not None
        return JobTimeoutError(f"the job ran longer than its timeout of {_timeout(delivery.item, job):g} s")

    def _elapsed(self, delivery: Delivery) -> float:
        return self._monotonic() - delivery.began


def _timeout(item: dict[str, Any], job: AnyJob) -> float:
    """Return the seconds that an execution may take, 0 for any; what the payload says goes first."""
    timeout: Any = item.get("timeout", job.options.timeout)
    return float(timeout) if type(timeout) in (int, float) and timeout > 0 else 0.0


def _is_finished(delivery: Delivery, job: AnyJob | None) -> bool:
    """Tell whether a normal return means that the work is complete, although we asked the job to end."""
    has_said_so = delivery.context is not None and delivery.context.has_finished
    return has_said_so or (job is not None and not job.is_async)


def _forget_cancellation() -> None:
    """Let this task go on awaiting: handlers run in it, and settle what happened."""
    task = _current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
