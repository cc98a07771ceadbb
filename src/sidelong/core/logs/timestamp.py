"""Times of log records as text, to the millisecond."""

import time
from functools import lru_cache


def utc(created: float) -> str:
    """Return a time as `2026-01-31T12:00:00.000Z`."""
    second = int(created)
    return f"{_utc_second(second)}.{int((created - second) * 1000):03d}Z"


def local_time(created: float) -> str:
    """Return the time of day as `12:00:00.000`, in the zone of this machine."""
    second = int(created)
    return f"{_local_second(second)}.{int((created - second) * 1000):03d}"


# Most records share their second with the one before.
@lru_cache(maxsize=2)
def _utc_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=2)
def _local_second(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))
