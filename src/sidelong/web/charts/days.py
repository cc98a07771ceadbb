"""What was done on each day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from sidelong.web.charts.scales import HEIGHT, WIDTH, Lines, halves, round_up

_GAP: Final = 0.25
"""Of the room of a day, what stays empty."""


@dataclass(frozen=True, slots=True)
class DayBar:
    """One day; failed ones stand at the foot of all that were processed.

    Attributes:
        day: the day, in UTC.
        processed: how many jobs were processed.
        failed: how many of them failed.
        x: where its bar begins.
        width: of the bar.
        y: where the bar of processed jobs begins, from above.
        height: of that bar.
        failed_y: where the bar of failed jobs begins.
        failed_height: of that bar.
    """

    day: date
    processed: int
    failed: int
    x: float
    width: float
    y: float
    height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars and the lines behind them.

    Attributes:
        bars: from the earliest day to the latest.
        lines: numbers beside the lines, with how far from above each is.
        labels: days below, with where each stands.
        width: of the drawing.
        height: of the drawing.
    """

    bars: list[DayBar]
    lines: Lines
    labels: list[tuple[date, float]]
    width: int = WIDTH
    height: int = HEIGHT


def day_chart(processed: Mapping[date, int], failed: Mapping[date, int]) -> Chart:
    """Return what was done on each day."""
    days = sorted(processed)
    top = round_up(max([*processed.values(), *failed.values(), 1]))
    room = WIDTH / len(days)
    bars = []
    for place, day in enumerate(days):
        done, lost = max(0, processed[day]), max(0, failed.get(day, 0))
        height, lost_height = HEIGHT * done / top, HEIGHT * lost / top
        bars.append(
            DayBar(
                day,
                done,
                lost,
                x=round(place * room + room * _GAP / 2, 2),
                width=round(room * (1 - _GAP), 2),
                y=round(HEIGHT - height, 2),
                height=round(height, 2),
                failed_y=round(HEIGHT - lost_height, 2),
                failed_height=round(lost_height, 2),
            )
        )
    every = max(1, -(-len(days) // 7))
    labels = [(bar.day, round(bar.x + bar.width / 2, 2)) for bar in bars[::-every][::-1]]
    return Chart(bars, halves(top), labels)
