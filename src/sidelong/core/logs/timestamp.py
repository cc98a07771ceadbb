"""Times of log records as text, to the millisecond."""

import time

_whole: tuple[int, str] = (-1, "")
_whole_local: tuple[int, str] = (-1, "")


def utc(created: float) -> str:
    """Return a time as `2026-01-31T12:00:00.000Z`."""
    global _whole
    second, text = _whole
    if int(created) != second:
        # Most records share their second with the one before.
        second = int(created)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _whole = (second, text)
    return f"{text}.{int((created - second) * 1000):03d}Z"


def local_time(created: float) -> str:
    """Return the time of day as `12:00:00.000`, in the zone of this machine."""
    global _whole_local
    second, text = _whole_local
    if int(created) != second:
        second = int(created)
        text = time.strftime("%H:%M:%S", time.localtime(second))
        _whole_local = (second, text)
    return f"{text}.{int((created - second) * 1000):03d}"
