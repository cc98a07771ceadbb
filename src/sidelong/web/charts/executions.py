"""How many jobs of one class were executed, and how many of them failed, in each part of a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidelong.core.job_figures import JobFigures
from sidelong.web.charts.scales import HEIGHT, Lines, halves, round_up
from sidelong.web.charts.times import TimeAxis

_GAP: Final = 0.2
"""Of the room of a column, what stays empty."""


@dataclass(frozen=True, slots=True)
class ExecutionBar:
    """One column; failed executions stand at its foot.

    Attributes:
        at: when it begins.
        figures: what was executed.
        x: where it begins.
        width: of it.
        y: where it begins, from above.
        height: of it.
        failed_y: where the part of failed ones begins.
        failed_height: of that part.
    """

    at: datetime
    figures: JobFigures
    x: float
    width: float
    y: float
    height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class ExecutionChart:
    """Bars and the lines behind them.

    Attributes:
        axis: the time.
        bars: the earliest first; without those of nothing.
        lines: numbers beside the lines.
    """

    axis: TimeAxis
    bars: list[ExecutionBar]
    lines: Lines
    height: int = HEIGHT


def execution_chart(axis: TimeAxis, points: Mapping[datetime, JobFigures]) -> ExecutionChart:
    """Return the executions of each column."""
    columns = axis.summed(points)
    top = round_up(max([1, *(max(figures.executed, figures.failed) for figures in columns.values())]))
    bars = []
    for column, figures in columns.items():
        height, failed_height = HEIGHT * figures.executed / top, HEIGHT * figures.failed / top
        bars.append(
            ExecutionBar(
                axis.begin(column),
                figures,
                x=round(axis.room * (column + _GAP / 2), 2),
                width=round(axis.room * (1 - _GAP), 2),
                y=round(HEIGHT - height, 2),
                height=round(height, 2),
                failed_y=round(HEIGHT - failed_height, 2),
                failed_height=round(failed_height, 2),
            )
        )
    return ExecutionChart(axis, bars, halves(top))
