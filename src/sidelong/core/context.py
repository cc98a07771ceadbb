"""What a running job can ask about itself."""

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import msgspec

from sidelong.core import payload, step_names
from sidelong.core.logs.fields import Fields
from sidelong.core.steps import DEFAULT_TTL, Once, StepKeeper


class Context(msgspec.Struct, eq=False):
    """The execution that is running: who it is, which attempt, and whether it should end.

    Attributes:
        jid: the job's id.
        queue: the queue it was fetched from.
        item: the payload as parsed; changes to it are not stored.
        cancelled: true once somebody wants this execution to end (stop, timeout or cancellation).
        log_fields: what stands beside its log records, kept from the first of them on.
    """

    # A Struct, since one is made for every job: that takes a seventh of the time.
    jid: str
    queue: str
    item: dict[str, Any]
    _is_stopping: Callable[[], bool]
    _steps: StepKeeper | None = None
    cancelled: bool = False
    log_fields: Fields | None = None
    has_finished: bool = False
    _used_steps: dict[bytes, object] | None = None

    @property
    def attempt(self) -> int:
        """Which attempt this is: 1 for the first run, counted as failures are recorded."""
        count = self.item.get("retry_count")
        # `retry_count` is 0 after the first failure.
        return count + 2 if type(count) is int and count >= 0 else 1

    @property
    def enqueued_at(self) -> float | None:
        """When the job entered its queue, in epoch seconds; None if the payload does not say."""
        return payload.instant(self.item.get("enqueued_at"))

    @property
    def tags(self) -> Sequence[str]:
        """The job's tags."""
        tags = self.item.get("tags")
        return tuple(tags) if isinstance(tags, list) else ()

    @property
    def stopping(self) -> bool:
        """True once the worker has been asked to stop; a long job may end early and tidy."""
        return self._is_stopping()

    def finished(self) -> None:
        """Declare the work complete.

        A job that returns after it was cancelled counts as interrupted and runs again, unless it called this.
        """
        self.has_finished = True

    def once(self, *name: str | int, ttl: float | timedelta = DEFAULT_TTL) -> Once:
        """Return the block around a step: a part of the job that later runs of this job are not to do again.

            async with context.once("charge") as step:
                if not step.done:
                    step.result = await charge(order_id)
            receipt = step.result

        What has come to the end of its block is remembered in Redis, with its result. The work of a step that is
        broken off, by an exception, a stop or a death, is done again. In a `def` job it is `with`. No two steps of a
        run of a job may have the same name.

        Args:
            name: its name, in one part or several: `once("charge", order_id)`.
            ttl: seconds or a timedelta for which it is remembered after a step of the job was touched last, at least:
                all steps of a job are remembered for as long as the one that is remembered longest.

        Raises:
            ArgumentError: the name is empty or longer than 512 bytes, or a part is neither a str nor an int.
            ConfigurationError: `ttl` is not from a second to a year.

        Where the block begins and ends, `StoreError` is raised if Redis cannot be reached for some time or refuses.
        At its end the step may not be remembered then, and may run again. `StepError` is raised where a step could be
        done twice or left out.
        """
        if self._steps is None:
            raise RuntimeError("steps are remembered for jobs that run, and this context belongs to none")
        if self._used_steps is None:
            self._used_steps = {}
        return Once(self._steps, self.jid, name, ttl, self._used_steps, sys._getframe(1).f_code)

    def idempotency_key(self, *parts: str | int) -> str:
        """Return a key for third parties that refuse a second request with the same one.

        It is the same in every run of this job and in every version of Sidelong: the SHA-256 of the JSON array
        `[jid, *parts]`, as 64 hexadecimal digits. The same work enqueued once more is another job, and has another key.

        Args:
            parts: what tells several keys of a job apart: `idempotency_key("order", 1234)`.

        Raises:
            ArgumentError: a part is neither a str nor an int.
        """
        return step_names.idempotency_key(self.jid, parts)


_current: ContextVar[Context | None] = ContextVar("sidelong_context", default=None)


def current_context() -> Context:
    """Return the context of the running job.

    Raises:
        RuntimeError: called outside a job.
    """
    context = _current.get()
    if context is None:
        raise RuntimeError("current_context() was called outside a job")
    return context


def running_context() -> Context | None:
    """Return the context of the running job; None outside a job."""
    return _current.get()


enter = _current.set
"""Makes a `Context` the current one in this task or thread."""
