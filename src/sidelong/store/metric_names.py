"""How figures of executions are called in Redis: classes, queues and times."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sidelong.store import names

FIELDS: Final = {
    "executed": "p",
    "failed": "f",
    "milliseconds": "ms",
    "retried": "r",
    "dead": "d",
    "discarded": "x",
    "waits": "n",
    "waited_ms": "w",
}
"""Attributes of `JobFigures` to what follows the class in the name of a field."""
SIDEKIQ_FIELDS: Final = {name: FIELDS[name] for name in ("executed", "failed", "milliseconds")}

MINUTE: Final = timedelta(minutes=1)
TEN_MINUTES: Final = timedelta(minutes=10)

_LONGEST: Final = 512


def stored(name: str) -> str:
    """Return the name of a class or queue as it stands in names of keys and fields: what is longer is cut."""
    try:
        raw = names.written(name)
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "replace")
    return names.read_name(raw[:_LONGEST])


def field(name: str, suffix: str) -> bytes:
    """Return the field of a hash that holds one figure of a class or queue."""
    return names.written(f"{name}|{suffix}")


def start_of(moment: datetime, step: timedelta) -> datetime:
    """Return when the minute, or the ten minutes, of a moment began."""
    minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return minute - (minute - datetime.min.replace(tzinfo=UTC)) % step


def stamp(moment: datetime, step: timedelta) -> str:
    """Return how keys of ours call a minute, or ten; the last digit tells them apart."""
    text = moment.strftime("%Y-%m-%dT%H:%M")
    return text if step == MINUTE else text[:-1]
