"""When a job is to run: delays and instants as epoch seconds."""

import math
from datetime import datetime, timedelta
from typing import Final

# The end of the year 9999, which is as far as a datetime reaches.
_LATEST: Final = 253_402_300_799.0


def after(delay: float | timedelta, now: float) -> float:
    """Return the epoch second that lies `delay` (seconds or a timedelta) after `now`.

    Raises:
        TypeError: the delay is neither.
        ValueError: it is not finite, or leads beyond the year 9999.
    """
    if isinstance(delay, timedelta):
        delay = delay.total_seconds()
    if isinstance(delay, bool) or not isinstance(delay, int | float):
        raise TypeError(f"a delay must be seconds or a timedelta, not {type(delay).__name__}")
    return _checked(now + _checked(delay))


def instant(when: float | datetime) -> float:
    """Return `when`, an aware datetime or epoch seconds, as epoch seconds.

    Raises:
        TypeError: it is neither.
        ValueError: the datetime has no time zone, or the number is not finite or lies beyond the year 9999.
    """
    if isinstance(when, datetime):
        if when.utcoffset() is None:
            raise ValueError("a datetime without a time zone does not say when: use datetime.now(UTC) or astimezone()")
        return when.timestamp()
    if isinstance(when, bool) or not isinstance(when, int | float):
        raise TypeError(f"a time must be an aware datetime or epoch seconds, not {type(when).__name__}")
    return _checked(when)


def _checked(seconds: float) -> float:
    try:
        number = float(seconds)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"a time must be finite, not {number}")
    if number > _LATEST:
        raise ValueError("a time must not lie beyond the year 9999; it is in seconds, not milliseconds")
    return number
