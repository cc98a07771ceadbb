"""What a failure becomes: another attempt, the dead set, or nothing."""

import base64
import inspect
import logging
import math
import traceback
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from sidelong.client.registry import AnyJob
from sidelong.core import backoff, payload, serialization
from sidelong.core.cancellation import is_of_this_task
from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown
from sidelong.core.json_copy import json_copy
from sidelong.core.lifecycle import Hooks
from sidelong.core.logs.message import LogMessage
from sidelong.core.outcome import DROPPED, Dead, Discard, Kill, Outcome, Retry, RetryIn

logger = logging.getLogger("sidelong.worker")

_BACKTRACE_LIMIT = 1000
# Any later is never, and scores have to stay numbers that every reader takes for a date.
_LONGEST_DELAY = 100 * 365 * 86_400.0


class Retries:
    """Decides how a failed execution is settled; everything that users may hook into it is guarded."""

    def __init__(self, config: Config, clock: Clock, hooks: Hooks, random: Random) -> None:
        self._config = config
        self._clock = clock
        self._hooks = hooks
        self._random = random

    async def outcome(self, delivery: Delivery, job: AnyJob | None, error: BaseException) -> Outcome:
        """Return how to settle a delivery whose execution raised `error`.

        Args:
            delivery: its payload is read anew: what middleware changed is not stored.
            job: None if no job has the payload's name.
            error: what was raised.
        """
        item = payload.parse(delivery.raw)
        # Those three are decisions of the job, not errors.
        is_error = not isinstance(error, Discard | Kill | RetryIn)
        is_transient = _is_one_of(error, self._transient(job))
        if is_error and not is_transient:
            await self._tell(delivery, item, error)
        decision = await self._decision(delivery, item, job, error)
        if isinstance(decision, Retry):
            return decision
        if is_error and is_transient:
            # What another attempt may heal is told once there is none.
            await self._tell(delivery, payload.parse(delivery.raw), error)
        return await (self._drop(item, error) if isinstance(decision, Discard) else self._die(item, job, error))

    async def _decision(
        self, delivery: Delivery, item: dict[str, Any], job: AnyJob | None, error: BaseException
    ) -> Retry | Discard | Kill:
        """Record the failure in the payload, and return what becomes of the job."""
        allowed = self._retries_allowed(item, job)
        if isinstance(error, Discard) or allowed is None:
            return Discard()
        count = self._record(delivery, item, error)
        if isinstance(error, Kill) or self._is_exhausted(item, count, allowed):
            return Kill()
        choice = await self._choice(count, item, job, error)
        if isinstance(choice, Discard | Kill):
            return choice
        return Retry(serialization.dumps(item), min(choice, _LONGEST_DELAY))

    # Who is told.

    async def _tell(self, delivery: Delivery, item: dict[str, Any], error: BaseException) -> None:
        await self._hooks.report_error(error, {"context": "job", "job": item, "queue": delivery.queue})

    def _transient(self, job: AnyJob | None) -> tuple[type[Exception], ...]:
        return self._config.transient if job is None else (*self._config.transient, *job.options.transient)

    # Whether there is another attempt.

    def _retries_allowed(self, item: dict[str, Any], job: AnyJob | None) -> int | None:
        value = item.get("retry")
        if value is None:
            value = job.options.retry if job is not None else True
        allowed = payload.retries_allowed(value, self._config.max_retries)
        # A job that nobody here knows may be that of a deploy under way: it dies visibly rather than vanish.
        return 0 if allowed is None and job is None else allowed

    def _is_exhausted(self, item: dict[str, Any], count: int, allowed: int) -> bool:
        retry_for = item.get("retry_for")
        if isinstance(retry_for, int | float) and not isinstance(retry_for, bool) and retry_for > 0:
            # As in Sidekiq 8.1: the time takes the place of the count.
            failed_at = payload.instant(item.get("failed_at"))
            if failed_at is not None:
                return self._clock.now() - failed_at > retry_for
        return count >= allowed

    # How long until then.

    async def _choice(
        self, count: int, item: dict[str, Any], job: AnyJob | None, error: BaseException
    ) -> float | Discard | Kill:
        """Return the seconds until the next attempt, or what the job's hook chose instead."""
        if isinstance(error, RetryIn):
            return error.delay
        hook = job.options.retry_in if job is not None else None
        if hook is not None:
            try:
                choice = self._chosen(await _answer(hook, count, error, json_copy(item)), count)
            except (Discard, Kill) as raised:
                return raised
            except Exception as fault:
                await self._hooks.report_error(fault, {"context": "retry_in hook", "job": item})
            else:
                if choice is not None:
                    return choice
        return backoff.retry_delay(count, self._random)

    def _chosen(self, answer: Any, count: int) -> float | Discard | Kill | None:
        """Return what a hook has chosen by its answer, None if nothing.

        Raises:
            Exception: the answer is such that it cannot even be looked at, such as a number beyond all floats.
        """
        if isinstance(answer, Discard | Kill):
            return answer
        if answer in ("discard", Discard):
            return Discard("retry_in chose to discard")
        if answer in ("kill", Kill):
            return Kill("retry_in chose to kill")
        if type(answer) in (int, float) and math.isfinite(answer) and answer > 0:
            return float(answer) + backoff.jitter(count, self._random) * _jitter_share(answer)
        return None

    # The end.

    async def _die(self, item: dict[str, Any], job: AnyJob | None, error: BaseException) -> Outcome:
        keep = item.get("dead") is not False or job is None
        hook = job.options.retries_exhausted if job is not None else None
        if hook is not None:
            try:
                answer = await _answer(hook, json_copy(item), error)
                if answer in ("discard", Discard) or isinstance(answer, Discard):
                    keep = False
            except Discard:
                keep = False
            except Exception as fault:
                await self._hooks.report_error(fault, {"context": "retries_exhausted hook", "job": item})
        self._tell_death(item, keep)
        await self._hooks.report_death(item, error)
        return Dead(serialization.dumps(item)) if keep else DROPPED

    def _tell_death(self, item: dict[str, Any], keep: bool) -> None:
        fate = "it is kept in the dead set" if keep else "it is dropped"
        fields = {"class": shown(payload.job_class(item)), "jid": shown(item.get("jid"))}
        # A log that raises must not change what becomes of the job.
        with suppress(Exception):
            logger.warning(LogMessage(f"no retries left: {fate}", fields))

    async def _drop(self, item: dict[str, Any], error: BaseException) -> Outcome:
        # Only handlers see this field; it is never stored (wire-format §1.3).
        item["discarded_at"] = int(self._clock.now() * 1000)
        await self._hooks.report_death(item, error)
        return DROPPED

    # What is recorded.

    def _record(self, delivery: Delivery, item: dict[str, Any], error: BaseException) -> int:
        return payload.record_failure(
            item, queue=delivery.queue, error=error, backtrace=self._backtrace(item, error), now=self._clock.now()
        )

    def _backtrace(self, item: dict[str, Any], error: BaseException) -> str | None:
        lines = item.get("backtrace")
        if lines is True:
            limit = _BACKTRACE_LIMIT
        elif isinstance(lines, int) and lines > 0:
            limit = min(lines, _BACKTRACE_LIMIT)
        else:
            return None
        return encode_backtrace(error, limit)


def _is_one_of(error: BaseException, kinds: tuple[type[Exception], ...]) -> bool:
    """Tell whether an exception, or each one of a group, is of these kinds."""
    if not kinds:
        return False
    left = [error]
    while left:
        each = left.pop()
        if any(kind in type(each).__mro__ for kind in kinds):
            continue
        if not isinstance(each, BaseExceptionGroup):
            return False
        left.extend(each.exceptions)
    return True


async def _answer(hook: Callable[..., Any], *args: Any) -> Any:
    """Call a hook and return its answer; what would end this task or the event loop is raised as a RuntimeError."""
    try:
        answer = hook(*args)
        return await answer if inspect.isawaitable(answer) else answer
    except Exception:
        raise
    except BaseException as error:
        if is_of_this_task(error):
            raise
        raise RuntimeError(f"the hook raised {type(error).__name__}") from error


def _jitter_share(chosen: float) -> float:
    """Keep the jitter in proportion: a delay of a second that its author chose must not become twenty."""
    return min(1.0, chosen / 15.0)


def encode_backtrace(error: BaseException, limit: int) -> str:
    """Return the traceback as Sidekiq stores it: JSON, deflated, in one line of Base64; innermost first.

    Source lines are left out: Sidekiq's pages show frames unescaped (wire-format §3.3).
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno}:in {frame.name}" for frame in reversed(frames)]
    text = serialization.dumps([_plain(line) for line in lines[:limit]])
    return base64.b64encode(zlib.compress(text)).decode("ascii")


def _plain(line: str) -> str:
    cleaned = line.encode("utf-8", "replace").decode("utf-8")
    return cleaned.replace("<", "(").replace(">", ")")
