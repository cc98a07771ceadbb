"""Processed and failed jobs, in total and per day."""

from datetime import UTC, datetime
from functools import lru_cache

from sidelong.store import keys


def counter_keys(now: float) -> tuple[str, str, str, str]:
    """Return the keys of processed and failed, each followed by that of the UTC day of `now`."""
    return _keys_of_day(int(now // keys.DAY))


def daily_keys(now: float) -> tuple[str, str]:
    """Return the keys of processed and failed of the UTC day of `now`."""
    _, processed, _, failed = counter_keys(now)
    return processed, failed


@lru_cache(maxsize=2)
def _keys_of_day(days: int) -> tuple[str, str, str, str]:
    day = datetime.fromtimestamp(days * keys.DAY, UTC).strftime("%Y-%m-%d")
    return (
        keys.PROCESSED,
        keys.daily(keys.PROCESSED, day),
        keys.FAILED,
        keys.daily(keys.FAILED, day),
    )
