"""A log message in parts, so that each format can put them where they belong."""

import logging
import traceback
from collections.abc import Hashable
from typing import Any

from sidelong.core.logs.fields import Fields


class LogMessage:
    """Given to a logger in place of a string; as a string it is all of its parts, for handlers that know no better.

    Attributes:
        text: one line that says what happened.
        fields: what it happened to, such as `class` and `jid`.
        lines: what follows below, such as a stack; "" for nothing.
        kind: messages of one kind are repeats of each other.
    """

    __slots__ = ("fields", "kind", "lines", "text")

    def __init__(
        self, text: str, fields: dict[str, Any] | None = None, *, lines: str = "", kind: Hashable = None
    ) -> None:
        self.text = text
        self.fields = fields if type(fields) is Fields else Fields(fields or {})
        self.lines = lines
        self.kind = text if kind is None else kind

    def __str__(self) -> str:
        line = f"{self.text} {self.fields}" if self.fields else self.text
        return f"{line}\n{self.lines}" if self.lines else line


class Advice(LogMessage):
    """What a worker says as it starts of things around it; whoever starts one again and again tells it once."""

    __slots__ = ()


def text_of(record: logging.LogRecord) -> str:
    """Return what a record says, without fields and lines; never raises for arguments that do not fit."""
    if isinstance(record.msg, LogMessage):
        return record.msg.text
    try:
        return record.getMessage()
    except Exception as error:
        # Its author will want to know, and the record may be the only trace of something else.
        return f"{record.msg} {record.args!r} ({type(error).__name__}: {error})"


def fields_of(record: logging.LogRecord) -> Fields | None:
    """Return the fields that a record's message brings with it, None for none."""
    return record.msg.fields if isinstance(record.msg, LogMessage) else None


def lines_of(record: logging.LogRecord) -> str:
    """Return what follows below a record: lines of the message, a traceback, a stack; "" for nothing."""
    parts = [record.msg.lines] if isinstance(record.msg, LogMessage) and record.msg.lines else []
    if record.exc_info and not record.exc_text:
        record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    if record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)
