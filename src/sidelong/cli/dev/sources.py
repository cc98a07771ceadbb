"""Which part of `sidelong dev` a line of the log comes from, and the word before it that tells.

A part is known by the context that its tasks run in, which is also that of the user's code in jobs and requests.
"""

import asyncio
import logging
from contextvars import Context, ContextVar, copy_context
from enum import StrEnum
from typing import Final

from sidelong.cli.dev.debugger import is_debugging
from sidelong.core.logs.json_lines import JsonFormatter
from sidelong.core.logs.message import LogMessage, text_of
from sidelong.core.logs.text import PrettyFormatter


class Source(StrEnum):
    """A part."""

    DEV = "dev"
    WORKER = "worker"
    WEB = "web"
    APP = "app"


_COLOURS: Final = {Source.DEV: "\x1b[1m", Source.WORKER: "\x1b[35m", Source.WEB: "\x1b[34m", Source.APP: "\x1b[36m"}
_RESET: Final = "\x1b[0m"
_WIDTH: Final = max(map(len, Source))
_BY_LOGGER: Final = (("sidelong.cli", Source.DEV), ("sidelong.web", Source.WEB), ("sidelong", Source.WORKER))
_ACCESS: Final = "uvicorn.access"
_SERVER: Final = "uvicorn.error"
_TOLD: Final = ("sidelong.cli", "sidelong.job", _ACCESS, _SERVER)
"""Loggers whose names say no more than the source does."""

_source: ContextVar[Source | None] = ContextVar("sidelong_dev_source", default=None)


def context_of_source(source: Source) -> Context:
    """Return a context for the tasks of a part."""
    context = copy_context()
    context.run(_source.set, source)
    return context


def source_of(record: logging.LogRecord) -> Source:
    """Return which part a record comes from that is logged here and now."""
    if record.name == "sidelong.cli" or (source := _source.get()) is None:
        # Threads of our own have no context; what the user's code does beside jobs and requests is the app's.
        names = (source for name, source in _BY_LOGGER if f"{record.name}.".startswith(f"{name}."))
        return next(names, Source.APP)
    return source


def with_source(formatter: logging.Formatter) -> logging.Formatter:
    """Return a formatter that writes as the given one does, with the source before each line."""
    if isinstance(formatter, PrettyFormatter):
        formatter.unnamed = _TOLD
    return formatter if isinstance(formatter, JsonFormatter) else SourceFormatter(formatter)


class SourceFormatter(logging.Formatter):
    """Writes the source, in a colour of its own, before all lines of a record.

    Args:
        inner: writes the rest; if it has colours, so has the source.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner
        self._has_colours = isinstance(inner, PrettyFormatter) and inner.has_colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        source = source_of(record)
        word = f"{source:<{_WIDTH}}"
        if self._has_colours:
            word = f"{_COLOURS[source]}{word}{_RESET}"
        return "\n".join(f"{word} {line}" for line in self._inner.format(record).split("\n"))


class DevFilter(logging.Filter):
    """Drops what the server says of the pages, which ask all the time, and that a debugger blocks the event loop.

    Where a request was broken off is dropped as well: that it was is told, and it may have been anywhere. Texts of many
    lines, as the server logs them, are made readable.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written."""
        if isinstance(record.msg, LogMessage) and record.msg.kind == "blocked":
            return not is_debugging()
        if record.name not in (_ACCESS, _SERVER):
            return True
        if source_of(record) is Source.WEB or _is_broken_off(record):
            return False
        text = text_of(record).strip()
        if "\n" in text:
            # A traceback as text: what was raised stands in its last line.
            record.__dict__.update(msg=LogMessage(text.rpartition("\n")[2], lines=text), args=())
        elif record.name == _SERVER:
            record.__dict__.update(msg=text, args=())
        return True


def _is_broken_off(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
