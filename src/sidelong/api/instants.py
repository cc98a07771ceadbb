"""Times as any program may have written them, in epoch seconds."""

from datetime import UTC, datetime
from typing import Any, Final

_LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999: what lies beyond is no date."""
_LEAST_MILLISECONDS: Final = 100_000_000_000
"""As milliseconds this is in the year 1973: a smaller whole number counts seconds."""


def read_instant(value: Any) -> float | None:
    """Return a stored time in epoch seconds; None if it is none, or lies outside the years 1970 to 9999.

    Sidekiq 8 writes whole milliseconds where its predecessors write seconds with a fraction; other producers write
    whole seconds, or text (wire-format §1.3).

    Args:
        value: what the payload holds.
    """
    if type(value) is str:
        return _read_text(value)
    if type(value) is int:
        if not 0 <= value <= _LATEST * 1000:
            return None
        return value / 1000 if value >= _LEAST_MILLISECONDS else float(value)
    return value if type(value) is float and 0 <= value <= _LATEST else None


def as_date(seconds: float | None) -> datetime | None:
    """Return epoch seconds as a time in UTC; None for what no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read_text(text: str) -> float | None:
    if len(text) > 64:
        return None
    try:
        return read_instant(int(text) if text.isdecimal() else float(text))
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
        # Without a zone it is that of Redis' data, which is UTC.
        return read_instant((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
