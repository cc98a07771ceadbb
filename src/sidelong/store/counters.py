"""Processed and failed jobs, in total and per day."""

from datetime import UTC, datetime

from sidelong.store import keys


def counter_keys(now: float) -> tuple[str, str, str, str]:
    """Return the keys of processed and failed, each followed by that of the UTC day of `now`."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    return (
        keys.PROCESSED,
        keys.daily(keys.PROCESSED, day),
        keys.FAILED,
        keys.daily(keys.FAILED, day),
    )
