"""A stored job as whoever looks from outside sees it; any bytes make a record, and none makes an error."""

from functools import cached_property
from typing import Any

from sidelong.api.backtraces import read_backtrace
from sidelong.api.display import display_arguments, display_class
from sidelong.api.instants import read_instant
from sidelong.core import payload
from sidelong.core.clock import Clock, SystemClock
from sidelong.core.display import shown
from sidelong.errors import InvalidPayloadError

_SYSTEM_CLOCK = SystemClock()


class JobRecord:
    """One job at the moment at which it was read. Reading its attributes asks Redis nothing.

    Args:
        value: the stored bytes.
        queue: the queue it was found in, if it was one.
        clock: source of time for `latency`.

    Attributes:
        value: the stored bytes: what Redis knows the job by.
    """

    def __init__(self, value: bytes, queue: str | None = None, *, clock: Clock = _SYSTEM_CLOCK) -> None:
        self.value = value
        self._queue = queue
        self._clock = clock

    @cached_property
    def item(self) -> dict[str, Any] | None:
        """The payload; None if the bytes are not a JSON object. Not to be changed."""
        return self._parsed[0]

    @cached_property
    def fault(self) -> str | None:
        """Why no worker could run this: no JSON object, no class, no arguments; None for what is sound."""
        item, error = self._parsed
        if item is None:
            return error
        try:
            payload.wire_class(item)
            payload.arguments(item)
        except InvalidPayloadError as error_of_field:
            return str(error_of_field)
        return None

    @property
    def queue(self) -> str:
        """The queue it was found in, else the one it names, else ""."""
        return self._queue if self._queue is not None else self._text("queue")

    @property
    def jid(self) -> str:
        """Its id, "" if it has none: such a job cannot be addressed."""
        return self._text("jid")

    @property
    def job_class(self) -> str:
        """The class or wire name that the worker looks up, "" if there is none."""
        return self._text("class")

    @cached_property
    def display_class(self) -> str:
        """The class for people: that of the job which an adapter such as ActiveJob wraps."""
        return display_class(self._fields)

    @property
    def args(self) -> list[Any]:
        """The positional arguments; none if they are not a list. Not to be changed."""
        args = self._fields.get("args")
        return args if type(args) is list else []

    @cached_property
    def display_args(self) -> list[Any]:
        """The arguments for people: unwrapped, `***` for secrets, `[encrypted data]` for ciphertext."""
        return display_arguments(self._fields)

    @property
    def bid(self) -> str | None:
        """The id of its batch."""
        return self._text("bid") or None

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        tags = self._fields.get("tags")
        return [tag for tag in tags if type(tag) is str] if type(tags) is list else []

    @property
    def created_at(self) -> float | None:
        """When it was made, in epoch seconds."""
        return read_instant(self._fields.get("created_at"))

    @property
    def enqueued_at(self) -> float | None:
        """When it was put into a queue last, in epoch seconds."""
        return read_instant(self._fields.get("enqueued_at"))

    @property
    def failed_at(self) -> float | None:
        """When it failed for the first time, in epoch seconds."""
        return read_instant(self._fields.get("failed_at"))

    @property
    def retried_at(self) -> float | None:
        """When it failed last, if more than once, in epoch seconds."""
        return read_instant(self._fields.get("retried_at"))

    @property
    def retry_count(self) -> int | None:
        """How often it was retried; None if it never failed."""
        return payload.retry_count(self._fields)

    @property
    def failures(self) -> int:
        """How often it has failed."""
        return 0 if self.retry_count is None else max(1, self.retry_count + 1)

    @property
    def error_class(self) -> str | None:
        """The class of its last error."""
        return self._text("error_class") or None

    @property
    def error_message(self) -> str | None:
        """What its last error said."""
        message = self._fields.get("error_message")
        return message if type(message) is str else None

    @property
    def error_text(self) -> str:
        """What its last error was, class and message in one text; "" if it has none."""
        name, message = self.error_class, self.error_message
        return f"{name or 'error'}: {message}" if message else name or ""

    @cached_property
    def error_backtrace(self) -> list[str] | None:
        """The frames of its last error, innermost first; None if none were stored or they cannot be read."""
        return read_backtrace(self._fields.get("error_backtrace"))

    @property
    def latency(self) -> float:
        """Seconds since it was put into its queue, else since it was made; 0 if neither is known."""
        since = self.enqueued_at if self.enqueued_at is not None else self.created_at
        return max(0.0, self._clock.now() - since) if since is not None else 0.0

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field of the payload, `default` if it is missing."""
        return self._fields.get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __contains__(self, key: object) -> bool:
        return key in self._fields

    def __repr__(self) -> str:
        what = shown(self.display_class) if self.item is not None else f"invalid: {shown(self.fault)}"
        return f"<{type(self).__name__} {shown(self.jid) or '(no jid)'} {what}>"

    @cached_property
    def _parsed(self) -> tuple[dict[str, Any] | None, str | None]:
        try:
            return payload.parse(self.value), None
        except InvalidPayloadError as error:
            return None, str(error)

    @property
    def _fields(self) -> dict[str, Any]:
        return self.item if self.item is not None else {}

    def _text(self, key: str) -> str:
        text = self._fields.get(key)
        return text if type(text) is str else ""
