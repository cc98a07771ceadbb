"""What a job asks for beyond its arguments: queue, retries, time limits, hooks."""

import copy
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from sidelong.core.serialization import check_arguments, is_plain, plain_text
from sidelong.core.setting_checks import exception_classes, true_or_false
from sidelong.errors import ArgumentError, ConfigurationError

RetryInHook = Callable[[int, BaseException, dict[str, Any]], Any]
"""`(count, exception, payload)`, count 0 at the first failure; returns seconds, or None for the usual."""
RetriesExhaustedHook = Callable[[dict[str, Any], BaseException], Any]
"""`(payload, exception)`, plain or async; returning or raising `Discard` skips the dead set."""

DEFAULT_QUEUE: Final = "default"
MAX_RETRY_FOR: Final = 1_000_000_000
LOG_LEVELS: Final = ("debug", "info", "warn", "warning", "error", "fatal", "critical")

_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
# Keys of a payload that say what the job is and what became of it; an option may not overwrite them.
_RESERVED: Final = frozenset(
    {"args", "at", "class", "created_at", "discarded_at", "enqueued_at", "error_backtrace", "error_class"}
    | {"error_message", "failed_at", "jid", "retried_at", "retry_count"}
)


def check_queue_name(name: object) -> str:
    """Return `name` if it can name a queue.

    Raises:
        ConfigurationError: it is not 1 to 128 characters of those that Sidekiq's pages accept.
    """
    if not isinstance(name, str) or not _QUEUE_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a queue name: use 1 to 128 letters, digits, dots, colons, dashes or underscores"
        )
    return plain_text(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The options of a job, complete and checked; build them with `merge`.

    Args:
        queue: where the job waits.
        retry: how often it is tried again: True for `max_retries`, 0 to die at the first failure, False to be
            dropped at the first failure.
        retry_for: seconds from the first failure during which it is tried again, however often.
        retry_queue: where its retries wait.
        retry_in: chooses the delay before a retry.
        retries_exhausted: called once no retry is left.
        dead: False keeps it out of the dead set.
        backtrace: how many lines of the traceback are stored; True for all.
        tags: words shown beside it.
        timeout: seconds an execution may take.
        log_level: the log level while it runs.
        typed: whether arguments are converted as the parameters are annotated.
        transient: exceptions of which error handlers hear only once no retry is left.
        extra: any other option; it travels in the payload.
    """

    queue: str = DEFAULT_QUEUE
    retry: bool | int = True
    retry_for: int | None = None
    retry_queue: str | None = None
    retry_in: RetryInHook | None = None
    retries_exhausted: RetriesExhaustedHook | None = None
    dead: bool | None = None
    backtrace: bool | int | None = None
    tags: tuple[str, ...] | None = None
    timeout: float | None = None
    log_level: str | None = None
    typed: bool = True
    transient: tuple[type[Exception], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def merge(cls, *layers: Mapping[str, Any]) -> "JobOptions":
        """Combine layers of options, from the most general to the most particular.

        None gives an option its default back.

        Raises:
            ConfigurationError: an option cannot work; the message says which and why.
        """
        given = {name: value for layer in layers for name, value in layer.items()}
        known = {name: _CHECKS[name](value) for name in _CHECKS if (value := given.pop(name, None)) is not None}
        extra = {name: _extra(name, value) for name, value in given.items() if value is not None}
        return cls(**known, extra=MappingProxyType(extra))

    def override(self, changes: Mapping[str, Any]) -> "JobOptions":
        """Return these options with `changes` laid over them.

        Raises:
            ConfigurationError: an option cannot work.
        """
        current = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "extra"}
        return self.merge(current, self.extra, changes)

    def to_payload(self) -> dict[str, Any]:
        """Return the part of a payload that states these options, in Sidekiq's order; hooks and such stay behind."""
        payload: dict[str, Any] = {"retry": self.retry, "queue": self.queue}
        for name in _OPTIONAL_KEYS:
            if (value := getattr(self, name)) is not None:
                payload[name] = list(value) if name == "tags" else value
        payload.update(self.extra)
        return payload


def options_payload(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return options given for one push as its payload states them, and no others.

    Raises:
        ConfigurationError: an option cannot work, or is one that only a job's definition can hold.
    """
    refuse_local(changes)
    complete = JobOptions.merge(changes).to_payload()
    return {name: complete[name] for name in changes if name in complete}


def refuse_local(changes: Mapping[str, Any]) -> None:
    """Refuse, among the options of one push, those that a payload does not carry.

    Raises:
        ConfigurationError: there is one.
    """
    for name in _LOCAL:
        if name in changes:
            raise ConfigurationError(f"{name} does not travel: give it where the job is defined")


def has_containers(payload: Mapping[str, Any]) -> bool:
    """Return whether a copy of `payload` would share a list or dict with it."""
    return any(isinstance(value, list | dict) for value in payload.values())


_LOCAL: Final = ("retry_in", "retries_exhausted", "typed", "transient")
_OPTIONAL_KEYS: Final = ("retry_for", "retry_queue", "dead", "backtrace", "tags", "timeout", "log_level")


def _retry(value: Any) -> bool | int:
    if isinstance(value, int) and value >= 0:
        return _plain_number(value)
    raise ConfigurationError(f"retry must be True, False or a number of retries from 0 up, not {value!r}")


def _retry_for(value: Any) -> int:
    seconds = _seconds("retry_for", value)
    if seconds > MAX_RETRY_FOR:
        raise ConfigurationError(f"retry_for is seconds from the first failure, at most {MAX_RETRY_FOR:,}")
    return int(seconds)


def _timeout(value: Any) -> float:
    if seconds := _seconds("timeout", value):
        return seconds
    raise ConfigurationError("timeout must be more than 0 seconds")


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{name} must be seconds or a timedelta, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"{name} must be a finite number of seconds from 0 up, not {value!r}")
    return int(value) if isinstance(value, int) else float(value)


def _plain_number(value: int) -> bool | int:
    """Return what JSON can carry of a member of an enum and the like."""
    return value if isinstance(value, bool) else int(value)


def _hook(name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if callable(value):
            return value
        raise ConfigurationError(f"{name} must be a function, not {value!r}")

    return check


def _backtrace(value: Any) -> bool | int:
    if isinstance(value, int) and value >= 0:
        return _plain_number(value)
    raise ConfigurationError(f"backtrace must be True, False or a number of lines, not {value!r}")


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(tag, str) and tag for tag in value):
        tags = tuple(map(plain_text, value))
        if all(map(is_plain, tags)):
            return tags
    raise ConfigurationError(f"tags must be a list of non-empty strings that UTF-8 can carry, not {value!r}")


def _log_level(value: Any) -> str:
    if isinstance(value, str) and value.lower() in LOG_LEVELS:
        return value.lower()
    raise ConfigurationError(f"log_level must be one of {', '.join(LOG_LEVELS)}, not {value!r}")


def _extra(name: str, value: Any) -> Any:
    if name in _RESERVED:
        raise ConfigurationError(f"{name!r} is a field of every payload and cannot be an option")
    try:
        check_arguments([value], root=f"option {name}")
    except ArgumentError as error:
        raise ConfigurationError(f"the option {name!r} travels in the payload, but {error}") from error
    # Whatever becomes of the caller's own list or dict, all jobs get what was checked.
    return copy.deepcopy(value)


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "queue": check_queue_name,
    "retry": _retry,
    "retry_for": _retry_for,
    "retry_queue": check_queue_name,
    "retry_in": _hook("retry_in"),
    "retries_exhausted": _hook("retries_exhausted"),
    "dead": partial(true_or_false, "dead"),
    "backtrace": _backtrace,
    "tags": _tags,
    "timeout": _timeout,
    "log_level": _log_level,
    "typed": partial(true_or_false, "typed"),
    "transient": partial(exception_classes, "transient"),
}
