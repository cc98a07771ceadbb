"""How numbers become heights."""

from typing import Final

WIDTH: Final = 1000
HEIGHT: Final = 220

Lines = list[tuple[int, float]]
"""Numbers beside the lines behind a chart, with how far from above each line is."""


def round_up(number: int) -> int:
    """Return the next number above that reads well on an axis, and can be halved."""
    unit = 1
    while unit * 10 < number:
        unit *= 10
    return next(unit * factor for factor in (2, 4, 6, 8, 10, 20) if unit * factor >= number)


def halves(top: int, height: float = HEIGHT) -> Lines:
    """Return the lines of a chart that reaches from 0 to `top`."""
    return [(top * part // 2, round(height - height * part / 2, 2)) for part in (0, 1, 2)]
