"""The two formats for eyes: plain, one line per record for files and pipes; pretty, for a terminal."""

import logging
from collections.abc import Collection
from typing import Final

from sidelong.core.display import escaped
from sidelong.core.logs.context import context_of
from sidelong.core.logs.fields import Fields
from sidelong.core.logs.message import fields_of, lines_of, text_of
from sidelong.core.logs.timestamp import local_time, utc

_INDENT: Final = "    "
_COLUMN: Final = 30
"""How wide short messages are in the pretty format, so that what stands behind them is aligned."""
_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_COLOURS: Final = (
    (logging.CRITICAL, "\x1b[1;37;41m"),
    (logging.ERROR, "\x1b[31m"),
    (logging.WARNING, "\x1b[33m"),
    (logging.INFO, "\x1b[32m"),
    (logging.NOTSET, "\x1b[36m"),
)
_SHORT: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}


class PlainFormatter(logging.Formatter):
    """`time pid LEVEL logger class=... jid=...: message`, in UTC; all lines below a record are indented.

    Control characters are escaped, so that no text can pass for another record or for commands to a terminal.

    Args:
        timestamps: False leaves the time out, for platforms that add it.
    """

    def __init__(self, *, timestamps: bool = True) -> None:
        super().__init__()
        self._timestamps = timestamps

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        context = context_of(record)
        at = f"{utc(record.created)} " if self._timestamps else ""
        beside = f" {context}" if context else ""
        origin = f"{record.process} {record.levelname} {escaped(record.name)}{beside}"
        return _with_lines(record, f"{at}{origin}: {_message(record, context)}")


class PrettyFormatter(logging.Formatter):
    """Time, level and message in columns, then what it belongs to; local time, and colours if wanted.

    Args:
        colours: whether to write them.
        timestamps: False leaves the time out.

    Attributes:
        has_colours: whether they are written.
        unnamed: loggers whose names are left out, where something else tells what they would.
    """

    def __init__(self, *, colours: bool, timestamps: bool = True) -> None:
        super().__init__()
        self.has_colours = colours
        self.unnamed: Collection[str] = ()
        self._timestamps = timestamps
        self._dim, self._reset = (_DIM, _RESET) if colours else ("", "")
        self._colours = _COLOURS if colours else ()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        context = context_of(record)
        at = f"{self._dim}{local_time(record.created)}{self._reset} " if self._timestamps else ""
        level = f"{self._colour(record.levelno)}{_SHORT.get(record.levelname, record.levelname):<5}{self._reset}"
        name = "" if record.name in self.unnamed else escaped(record.name)
        line = f"{at}{level} {_message(record, context):<{_COLUMN}}"
        origin = f"{name} {context}".strip()
        return _with_lines(record, f"{line}  {self._dim}{origin}{self._reset}" if origin else line.rstrip())

    def _colour(self, level: int) -> str:
        return next((colour for least, colour in self._colours if level >= least), "")


def _message(record: logging.LogRecord, context: Fields) -> str:
    text, own = escaped(text_of(record)), fields_of(record)
    if own is context or not own or own.keys() <= context.keys():
        return text
    return f"{text} {Fields((key, own[key]) for key in own if key not in context)}"


def _with_lines(record: logging.LogRecord, line: str) -> str:
    # Indented, for a message inside a traceback may have lines that look like records.
    return "\n".join([line, *(f"{_INDENT}{escaped(each)}" for each in lines_of(record).split("\n") if each)])
