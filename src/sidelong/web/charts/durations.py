"""How long jobs took: how many fell into each bucket of durations, in all and as time went on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Final

from sidelong.core.durations import BOUNDS_MS, BUCKETS
from sidelong.core.job_figures import JobFigures
from sidelong.web.charts.scales import HEIGHT, WIDTH, Lines, halves, round_up
from sidelong.web.charts.times import TimeAxis

_GAP: Final = 0.15
_ROW: Final = 14
"""How high a bucket is where time goes on."""
_LABELS_EVERY: Final = 4
_SMALLEST: Final = 1.6
_LARGEST: Final = 8.5
"""Radius of a dot."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Durations that count as one.

    Attributes:
        least: milliseconds, included.
        bound: milliseconds, excluded; None for what has none.
        count: how many jobs took so long.
    """

    least: int
    bound: int | None
    count: int


@dataclass(frozen=True, slots=True)
class BucketBar:
    """One bucket of a histogram."""

    bucket: Bucket
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars and the lines behind them.

    Attributes:
        bars: the shortest durations first.
        lines: numbers beside the lines.
        labels: milliseconds below, with where each stands.
    """

    bars: list[BucketBar]
    lines: Lines
    labels: list[tuple[int, float]]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Dot:
    """The jobs of one column that took about as long.

    Attributes:
        at: when the column begins.
        bucket: how long, and how many.
        x: of its middle.
        y: of its middle.
        radius: its area goes with the count.
    """

    at: datetime
    bucket: Bucket
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """Dots and the lines behind them.

    Attributes:
        axis: the time.
        dots: the earliest first.
        lines: milliseconds beside the lines.
    """

    axis: TimeAxis
    dots: list[Dot]
    lines: Lines
    height: int = BUCKETS * _ROW


def histogram(counts: Sequence[int]) -> Histogram:
    """Return how many jobs took how long.

    Args:
        counts: per bucket, as in `JobFigures`.
    """
    top = round_up(max([1, *counts]))
    room = WIDTH / BUCKETS
    bars = []
    for place, bucket in enumerate(_buckets(counts)):
        height = HEIGHT * bucket.count / top
        bars.append(
            BucketBar(
                bucket,
                x=round(room * (place + _GAP / 2), 2),
                width=round(room * (1 - _GAP), 2),
                y=round(HEIGHT - height, 2),
                height=round(height, 2),
            )
        )
    labels = [(BOUNDS_MS[place], round(room * (place + 1), 2)) for place in _labelled()]
    return Histogram(bars, halves(top), labels)


def scatter(axis: TimeAxis, points: Mapping[datetime, JobFigures]) -> Scatter:
    """Return which durations occurred when."""
    columns = axis.summed(points)
    most = max([1, *(count for figures in columns.values() for count in figures.histogram)])
    dots = [
        Dot(
            axis.begin(column),
            bucket,
            x=round(axis.room * (column + 0.5), 2),
            y=round(_ROW * (BUCKETS - place - 0.5), 2),
            radius=round(max(_SMALLEST, _LARGEST * sqrt(bucket.count / most)), 2),
        )
        for column, figures in columns.items()
        for place, bucket in enumerate(_buckets(figures.histogram))
        if bucket.count
    ]
    lines = [(BOUNDS_MS[place], float(_ROW * (BUCKETS - place - 1))) for place in _labelled()]
    return Scatter(axis, dots, lines)


def _buckets(counts: Sequence[int]) -> list[Bucket]:
    edges = [0, *BOUNDS_MS, None]
    return [Bucket(least or 0, bound, count) for least, bound, count in zip(edges[:-1], edges[1:], counts, strict=True)]


def _labelled() -> range:
    """Return the places of the bounds that are written beside a chart."""
    return range(0, len(BOUNDS_MS), _LABELS_EVERY)
