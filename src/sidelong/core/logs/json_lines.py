"""The format for machines: one JSON object per record, in one line."""

import json
import logging
from functools import lru_cache
from typing import Any, Final

from sidelong.core.display import shown
from sidelong.core.logs.context import context_of
from sidelong.core.logs.message import fields_of, lines_of, text_of
from sidelong.core.logs.timestamp import utc

_USUAL: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime", "is_summary", "job_class", "job_context", "message", "taskName",
}  # fmt: skip
"""What records have anyway; all else was given with `extra`."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_encode: Final = json.JSONEncoder(default=shown, allow_nan=False, separators=(",", ":")).encode


class JsonFormatter(logging.Formatter):
    """`ts`, `pid`, `tid`, `lvl`, `logger` and `msg`; `ctx` holds class, jid and so on, and what `extra` brings.

    `trace` holds a traceback or what else has lines of its own. Everything but ASCII is escaped, as JSON allows.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry: dict[str, Any] = {
            "ts": utc(record.created),
            "pid": record.process,
            "tid": _base36(record.thread or 0),
            "lvl": record.levelname,
            "logger": record.name,
            "msg": text_of(record),
        }
        attributes = record.__dict__
        beside = {name: attributes[name] for name in attributes.keys() - _USUAL}
        if not beside.get("jid"):
            # Of the filter, outside a job.
            beside.pop("jid", None)
        if own := fields_of(record):
            beside.update(own)
        beside.update(context_of(record))
        if beside:
            entry["ctx"] = beside
        if lines := lines_of(record):
            entry["trace"] = lines
        try:
            return _encode(entry)
        except Exception:
            # Keys that are no strings, numbers that JSON has not, objects that contain themselves.
            entry["ctx"] = {shown(key): shown(value) for key, value in beside.items()}
            return _encode(entry)


@lru_cache
def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
