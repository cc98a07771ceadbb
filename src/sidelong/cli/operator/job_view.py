"""How one job is shown, in a row and as JSON; secrets in its arguments are hidden."""

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from sidelong.api import JobRecord
from sidelong.cli.operator.places import Found, Kind
from sidelong.cli.operator.table import Column
from sidelong.cli.operator.times import since, utc
from sidelong.core.display import escaped, shown
from sidelong.core.spans import span

_JID: Final = Column("JID")
_CLASS: Final = Column("CLASS", is_flexible=True, keeps_end=True)
_ARGUMENTS: Final = Column("ARGUMENTS", is_flexible=True)
_ERROR: Final = Column("ERROR", is_flexible=True)
_QUEUE: Final = Column("QUEUE", is_flexible=True)
_TRY: Final = Column("TRY", is_number=True)


def _when(title: str) -> Column:
    return Column(title, is_number=True)


COLUMNS: Final[dict[Kind, Sequence[Column]]] = {
    "queue": (_when("WAITS"), _JID, _CLASS, _ARGUMENTS),
    "scheduled": (_when("DUE"), _JID, _QUEUE, _CLASS, _ARGUMENTS),
    "retry": (_when("DUE"), _JID, _TRY, _CLASS, _ERROR),
    "dead": (_when("DIED"), _JID, _TRY, _CLASS, _ERROR),
    "running": (_when("RUNS"), _JID, _QUEUE, _CLASS, _ARGUMENTS, Column("PROCESS", is_flexible=True)),
}


def row(found: Found, now: float) -> list[str]:
    """Return the cells of a job for the columns of its place."""
    shown_as = cells(found, now)
    return [shown_as[column.title] for column in COLUMNS[found.place.kind]]


def cells(found: Found, now: float) -> dict[str, str]:
    """Return how a job is shown, by the titles of the columns of all places."""
    record = found.record
    texts = {
        "WAITS": span(record.latency) if record.enqueued_at or record.created_at else "-",
        "DUE": since(found.score, now),
        "DIED": since(found.score, now),
        "RUNS": "-",
        "PROCESS": "-",
        "JID": record.jid or "-",
        "QUEUE": record.queue,
        "TRY": str(record.failures or "-"),
        "CLASS": record.display_class,
        "ARGUMENTS": arguments_text(record),
        "ERROR": record.error_text,
    }
    if record.fault is not None:
        texts["CLASS"] = "(invalid)" if record.item is None else record.display_class
        texts["ARGUMENTS"] = texts["ERROR"] = f"invalid: {record.fault}"
    if found.process is not None:
        texts["PROCESS"] = found.process
    if found.work is not None:
        texts["RUNS"] = "-" if found.work.run_at is None else span(max(0.0, now - found.work.run_at))
    return texts


def plain(found: Found) -> dict[str, Any]:
    """Return a job as JSON can carry it; times are ISO 8601 in UTC."""
    record, work, score = found.record, found.work, found.score
    view: dict[str, Any] = {
        "place": found.place.kind,
        "queue": record.queue,
        "jid": record.jid,
        "class": record.job_class,
        "display_class": record.display_class,
        "args": record.display_args,
        "tags": record.tags,
        "bid": record.bid,
        "created_at": utc(record.created_at),
        "enqueued_at": utc(record.enqueued_at),
        "failed_at": utc(record.failed_at),
        "retried_at": utc(record.retried_at),
        "retry_count": record.retry_count,
        "error_class": record.error_class,
        "error_message": record.error_message,
        "fault": record.fault,
    }
    if record.item is None:
        # What is no JSON cannot be in JSON but as text.
        view["raw"] = escaped(record.value.decode("utf-8", "backslashreplace"))
    if score is not None:
        # An infinite score is a number in Redis, and none in JSON.
        view |= {"at": utc(score), "score": score if math.isfinite(score) else str(score)}
    if found.process is not None:
        view["process"] = found.process
    if work is not None:
        view |= {"tid": work.tid, "run_at": utc(work.run_at)}
    return view


def arguments_text(record: JobRecord) -> str:
    """Return the arguments in a line."""
    return ", ".join(json.dumps(argument, ensure_ascii=False) for argument in record.display_args)


def name_of(record: JobRecord) -> str:
    """Return jid and class, for sentences."""
    return f"{shown(record.jid) or '(no jid)'} {shown(record.display_class)}"
