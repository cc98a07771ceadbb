"""The axis of time: which column of a chart a moment falls into, what stands below, and marks across."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sidelong.api.deploys import Deploy
from sidelong.core.job_figures import JobFigures
from sidelong.web.charts.scales import WIDTH

_MOST_COLUMNS: Final = 144
_MOST_LABELS: Final = 7
_LABELS_EVERY: Final = (10, 30, 60, 120, 240, 480, 720, 1440)
"""Minutes."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A time, cut into columns of the same length.

    Attributes:
        starts_at: when it begins.
        ends_at: when it ends; the last column may be a shorter one.
        step: how long a column is.
    """

    starts_at: datetime
    ends_at: datetime
    step: timedelta

    @classmethod
    def of(cls, starts_at: datetime, ends_at: datetime, step: timedelta) -> "TimeAxis":
        """Return the axis for figures of this step; where they are too many, a column holds several."""
        count = (ends_at - starts_at) // step
        return cls(starts_at, ends_at, step * max(1, -(-count // _MOST_COLUMNS)))

    @property
    def columns(self) -> int:
        """How many there are."""
        return max(1, -(-(self.ends_at - self.starts_at) // self.step))

    @property
    def room(self) -> float:
        """How wide each is."""
        return WIDTH / self.columns

    def column(self, moment: datetime) -> int:
        """Return the number of the column that a moment falls into."""
        return (moment - self.starts_at) // self.step

    def begin(self, column: int) -> datetime:
        """Return when a column begins."""
        return self.starts_at + column * self.step

    def x(self, moment: datetime) -> float:
        """Return how far from the left a moment is."""
        return round(WIDTH * ((moment - self.starts_at) / (self.step * self.columns)), 2)

    @property
    def is_over_a_day(self) -> bool:
        """Whether a time of day does not tell which day."""
        return self.ends_at - self.starts_at > timedelta(days=1)

    @property
    def labels(self) -> list[tuple[datetime, float]]:
        """Round times, with where each is."""
        minutes = (self.ends_at - self.starts_at) / timedelta(minutes=1)
        every = timedelta(minutes=next(each for each in _LABELS_EVERY if minutes / each < _MOST_LABELS))
        midnight = self.starts_at.replace(hour=0, minute=0, second=0, microsecond=0)
        moment = midnight - -(self.starts_at - midnight) // every * every
        found = []
        while moment < self.ends_at:
            found.append((moment, self.x(moment)))
            moment += every
        return found

    def summed(self, points: Mapping[datetime, JobFigures]) -> dict[int, JobFigures]:
        """Return the figures of each column that has any."""
        columns: dict[int, JobFigures] = {}
        for moment, figures in sorted(points.items()):
            columns.setdefault(self.column(moment), JobFigures()).add(figures)
        return columns

    def marks(self, deploys: Iterable[Deploy]) -> Sequence[tuple[Deploy, float]]:
        """Return the deploys of this time, with where each is."""
        return [(deploy, self.x(deploy.at)) for deploy in deploys if self.starts_at <= deploy.at < self.ends_at]
