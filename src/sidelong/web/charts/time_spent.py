"""The time that several classes of jobs took, side by side, in each part of a time."""

from collections.abc import Iterable
from dataclasses import dataclass

from sidelong.api.metrics import Series
from sidelong.web.charts.scales import HEIGHT, WIDTH, Lines, halves, round_up
from sidelong.web.charts.times import TimeAxis


@dataclass(frozen=True, slots=True)
class TimeSpentChart:
    """A line for each class.

    Attributes:
        axis: the time.
        curves: name of the class, and the points of its line as SVG writes them.
        lines: milliseconds beside the lines.
    """

    axis: TimeAxis
    curves: list[tuple[str, str]]
    lines: Lines
    height: int = HEIGHT


def time_spent_chart(axis: TimeAxis, series: Iterable[Series]) -> TimeSpentChart:
    """Return the milliseconds of each column."""
    curves = [(each.name, axis.summed(each.points)) for each in series]
    top = round_up(max([1, *(figures.milliseconds for _, columns in curves for figures in columns.values())]))
    drawn = []
    for name, columns in curves:
        heights = [columns[place].milliseconds / top if place in columns else 0.0 for place in range(axis.columns)]
        # A column stands for what lies within it: its point is in the middle.
        points = [
            f"{WIDTH * (place + 0.5) / axis.columns:.1f},{HEIGHT - HEIGHT * height:.1f}"
            for place, height in enumerate(heights)
        ]
        drawn.append((name, " ".join(points)))
    return TimeSpentChart(axis, drawn, halves(top))
