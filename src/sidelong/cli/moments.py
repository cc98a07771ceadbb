"""Durations and instants as people type them."""

import math
import re
from datetime import datetime
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+")


def read_duration(text: str) -> float:
    """Return seconds for `90`, `90s`, `10m`, `2h`, `1d` or `1h30m`.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip().lower()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return _seconds(text, f"{text!r} is not a duration: write seconds, or 90s, 10m, 2h, 1d, 1h30m")


def read_instant(text: str) -> float:
    """Return epoch seconds for an ISO 8601 time with a zone, or for epoch seconds.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _seconds(text, f"{text!r} is not a time: write it as 2030-01-31T08:00:00Z, or in epoch seconds")
    if moment.tzinfo is None:
        return _seconds(text, f"{text!r} has no time zone: end it with Z for UTC, or with an offset such as +02:00")
    return moment.timestamp()


def _seconds(text: str, otherwise: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(otherwise) from None
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    raise ValueError(otherwise)
