"""Lengths of time in words for people."""

import math
from typing import Final

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def span(seconds: float) -> str:
    """Return a length of time in its largest unit, such as `4 s`, `3 min` or `12 d`, rounded down."""
    if not math.isfinite(seconds):
        return "for ever"
    if 0 < seconds < 1:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"
