"""What a running job can ask about itself."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from sidelong.core import payload
from sidelong.core.logs.fields import Fields


class Context:
    """The execution that is running: who it is, which attempt, and whether it should end.

    Attributes:
        jid: the job's id.
        queue: the queue it was fetched from.
        item: the payload as parsed; changes to it are not stored.
        cancelled: true once somebody wants this execution to end (stop, timeout or cancellation).
        log_fields: what stands beside its log records, kept from the first of them on.
    """

    __slots__ = ("_is_stopping", "cancelled", "has_finished", "item", "jid", "log_fields", "queue")

    def __init__(self, jid: str, queue: str, item: dict[str, Any], is_stopping: Callable[[], bool]) -> None:
        self.jid = jid
        self.queue = queue
        self.item = item
        self.cancelled = False
        self.log_fields: Fields | None = None
        self.has_finished = False
        self._is_stopping = is_stopping

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


def enter(context: Context) -> None:
    """Make `context` the current one in this task or thread."""
    _current.set(context)
