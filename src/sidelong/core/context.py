"""What a running job can ask about itself."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from sidelong.core import payload
from sidelong.core.logs.fields import Fields


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
    cancelled: bool = False
    log_fields: Fields | None = None
    has_finished: bool = False

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
