"""Lifecycle events, error handlers and death handlers.

All of them may be plain functions or coroutine functions. A failing one is reported and never costs a job.
"""

import inspect
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, get_args

from sidelong.core.cancellation import is_of_this_task
from sidelong.core.display import shown
from sidelong.core.json_copy import json_copy
from sidelong.core.logs.message import LogMessage
from sidelong.core.payload import error_message, job_class
from sidelong.errors import ConfigurationError, InvalidPayloadError, UnknownJobError

logger = logging.getLogger("sidelong")

Event = Literal["startup", "quiet", "shutdown", "exit", "heartbeat", "beat", "leader"]
EventHandler = Callable[[], Any]
ErrorHandler = Callable[[BaseException, dict[str, Any]], Any]
"""Called with an exception and where it happened: keys such as `context`, `job`, `event`."""
DeathHandler = Callable[[dict[str, Any], BaseException], Any]
"""Called with the payload of a job that will not run again, and its last exception."""

H = TypeVar("H", bound=Callable[..., Any])

EVENTS: Final[tuple[str, ...]] = get_args(Event)
# What is set up first is torn down last.
_REVERSED: Final = frozenset({"quiet", "shutdown", "exit"})


def log_error(exception: BaseException, context: Mapping[str, Any]) -> None:
    """Log an exception with the place it came from; the error handler there is from the start."""
    if not logger.isEnabledFor(logging.ERROR):
        return
    place = context.get("context", "error")
    job = context.get("job")
    # The arguments stay out of the log: they may hold secrets.
    which = {"class": shown(job_class(job)), "jid": shown(job.get("jid"))} if isinstance(job, dict) else {}
    # Where code of ours found that a payload is no job, or one that nobody knows, says nothing more.
    is_told = not isinstance(exception, InvalidPayloadError | UnknownJobError)
    kind = type(exception).__name__
    logger.error(
        LogMessage(
            f"{shown(place)}: {kind}: {shown(error_message(exception))}",
            which,
            # Jobs of one class that fail in one way are repeats; those of another class are news.
            kind=(place, which.get("class"), kind),
        ),
        exc_info=(type(exception), exception, _from_code_of_others(exception)) if is_told else None,
    )


class Hooks:
    """Holds the handlers of one application and calls them, each guarded by itself.

    Attributes:
        error_handlers: called in order; begins with `log_error`, which may be removed.
        death_handlers: called in order.
    """

    def __init__(self) -> None:
        self.error_handlers: list[ErrorHandler] = [log_error]
        self.death_handlers: list[DeathHandler] = []
        self._events: dict[str, list[EventHandler]] = {event: [] for event in EVENTS}

    def register(self, event: Event, handler: H) -> H:
        """Call `handler`, without arguments, at each `event`.

        Raises:
            ConfigurationError: there is no such event, or the handler cannot be called.
        """
        if event not in self._events:
            raise ConfigurationError(f"there is no event {event!r}: use one of {', '.join(EVENTS)}")
        self._events[event].append(_checked(handler))
        return handler

    def add_error_handler(self, handler: H) -> H:
        """Call `handler` with `(exception, context)` whenever something fails."""
        self.error_handlers.append(_checked(handler))
        return handler

    def add_death_handler(self, handler: H) -> H:
        """Call `handler` with `(payload, exception)` whenever a job dies."""
        self.death_handlers.append(_checked(handler))
        return handler

    async def emit(self, event: Event) -> None:
        """Call the handlers of `event`; those of quiet, shutdown and exit run in reverse order.

        Failures are reported to the error handlers. A failing startup is raised as well: a worker that could
        not prepare itself must not take jobs.
        """
        handlers = self._events[event]
        for handler in reversed(handlers) if event in _REVERSED else tuple(handlers):
            failure = await _guarded(handler)
            if failure is None:
                continue
            await self.report_error(failure, {"context": f"{event} handler", "event": event})
            if event == "startup":
                raise failure

    async def report_error(self, exception: BaseException, context: Mapping[str, Any]) -> None:
        """Tell every error handler of `exception`; one that fails itself is logged.

        Each gets a copy of the context and of the job in it: what is stored afterwards is not theirs to change.
        """
        for handler in tuple(self.error_handlers):
            # Ours changes nothing.
            failure = await _guarded(handler, exception, context if handler is log_error else json_copy(dict(context)))
            if failure is not None:
                # Guarded as well: where logs go may fail like any other code of others.
                await _guarded(log_error, failure, {"context": f"error handler {_name(handler)}"})

    async def report_death(self, payload: dict[str, Any], exception: BaseException) -> None:
        """Tell every death handler that the job in `payload`, of which each gets a copy, will not run again."""
        for handler in tuple(self.death_handlers):
            failure = await _guarded(handler, json_copy(payload), exception)
            if failure is not None:
                await self.report_error(failure, {"context": f"death handler {_name(handler)}", "job": payload})


async def _guarded(handler: Callable[..., Any], *args: Any) -> BaseException | None:
    """Call `handler`, awaiting it if need be, and return what it raised."""
    try:
        result = handler(*args)
        if result is not None and inspect.isawaitable(result):
            await result
    except BaseException as error:
        # Whatever it is, let through it would cost the job, or end the event loop and every job in it.
        if is_of_this_task(error):
            raise
        return error
    return None


def _from_code_of_others(exception: BaseException) -> TracebackType | None:
    """Return the traceback without the calls of ours that lead to the code of others, if there is any."""
    found = exception.__traceback__
    while found is not None and found.tb_frame.f_globals.get("__name__", "").startswith("sidelong."):
        found = found.tb_next
    return found or exception.__traceback__


def _checked(handler: H) -> H:
    if not callable(handler):
        raise ConfigurationError(f"a handler must be callable, not {handler!r}")
    return handler


def _name(handler: Callable[..., Any]) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__name__))
