"""Times as people read them, and as programs do."""

import math
from datetime import UTC, datetime
from typing import Final

from sidelong.core.spans import span

_LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999."""


def since(at: float | None, now: float) -> str:
    """Return how long ago that was, `in ...` for what is to come, `-` where it is not known."""
    if at is None or math.isnan(at):
        return "-"
    if math.isinf(at) or at > _LATEST:
        return "never" if at > 0 else "long ago"
    # A little ahead is a matter of two clocks, not of the future.
    if at - now > 0.5:
        return f"in {span(at - now)}"
    return f"{span(max(0.0, now - at))} ago"


def utc(at: float | None) -> str | None:
    """Return epoch seconds as ISO 8601 with a Z; None for what is no date."""
    if at is None or not 0 <= at <= _LATEST:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(at: float | None, now: float) -> str:
    """Return a time both ways: `3 min ago (2030-01-31 08:00:00 UTC)`."""
    exact = utc(at)
    return since(at, now) if exact is None else f"{since(at, now)} ({exact[:10]} {exact[11:19]} UTC)"
