"""What stands beside every record that is logged inside a job: its class, its jid, and what users add."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sidelong.core import payload
from sidelong.core.context import Context, running_context
from sidelong.core.display import shown, size
from sidelong.core.logs.fields import Fields

_MOST_TAGS = 10
_ROOM_FOR_TAGS = 250
_NOTHING = Fields()

_added: ContextVar[Mapping[str, Any] | None] = ContextVar("sidelong_log_context", default=None)


@contextmanager
def log_context(**keys: Any) -> Iterator[None]:
    """Put `keys` beside every record that is logged in this block, in this task and in those it starts.

    Blocks may be nested; at the end of each the keys are as they were before. What a job is keeps its own values:
    `class`, `jid`, `bid` and `tags`.
    """
    before = _added.get()
    _added.set({**before, **keys} if before else keys)
    try:
        yield
    finally:
        _added.set(before)


def context_of(record: logging.LogRecord) -> Fields:
    """Return what stands beside `record`, as it was when this was first asked, and leave it in `record.job_context`.

    A record may be written later by another thread, where another job runs or none: the first answer holds.
    """
    known = record.__dict__.get("job_context")
    if type(known) is not Fields:
        known = record.job_context = current_fields()
    return known


class JobContextFilter(logging.Filter):
    """Gives each record of a handler `jid`, `job_class` and `job_context`, for format strings and other formatters.

    Outside a job the first two are empty strings. What a record already has stays as it is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes and let the record through."""
        fields, attributes = context_of(record), record.__dict__
        attributes.setdefault("jid", fields.get("jid", ""))
        attributes.setdefault("job_class", fields.get("class", ""))
        return True


def current_fields() -> Fields:
    """Return what stands beside a record that is logged here and now."""
    context, added = running_context(), _added.get()
    fields = _of_job(context) if context is not None else _NOTHING
    return Fields({**fields, **added, **fields}) if added else fields


def _of_job(context: Context) -> Fields:
    if context.log_fields is not None:
        return context.log_fields
    item = context.item
    fields = Fields({"class": shown(payload.job_class(item)), "jid": shown(context.jid)})
    if (batch := item.get("bid")) is not None:
        fields["bid"] = shown(batch)
    if tags := context.tags:
        fields["tags"] = _first(tags)
    context.log_fields = fields
    return fields


def _first(tags: Sequence[Any]) -> list[str]:
    """Return the first tags, as many as fit beside all else into a line of 2 kB."""
    found: list[str] = []
    room = _ROOM_FOR_TAGS
    for tag in tags[:_MOST_TAGS]:
        text = shown(tag)
        room -= size(text)
        if room < 0:
            break
        found.append(text)
    return found
