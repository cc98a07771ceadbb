"""What `sidelong top` shows: one look at Redis."""

import asyncio
from collections.abc import AsyncIterable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from sidelong.api import (
    Entry,
    Figures,
    Metrics,
    MetricsReport,
    Process,
    ProcessSet,
    QueueSummary,
    RetrySet,
    Stats,
    Work,
    WorkSet,
)
from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.errors import Refused

T = TypeVar("T")

SectionName = Literal["queues", "processes", "busy", "retries"]
SECTIONS: Final[tuple[SectionName, ...]] = ("queues", "processes", "busy", "retries")

MOST_RETRIES: Final = 50
"""A set may hold millions: what is due first is what an operator can act on."""
_RATE_OVER: Final = 2
"""Minutes: the current one has hardly begun at times."""


@dataclass(frozen=True)
class Listed(Generic[T]):
    """The rows of a section.

    Attributes:
        rows: in the order in which they are shown, by what tells one from the others.
        total: how many there are in Redis.
        error: what Redis said if they cannot be read.
    """

    rows: Mapping[Hashable, T] = field(default_factory=dict)
    total: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """What one look has found.

    Attributes:
        taken_at: when, in epoch seconds.
        figures: counters and sizes; None if they cannot be read.
        queues: all queues, the longest first.
        processes: the living processes by identity.
        busy: the running jobs, the one that has run for longest first.
        retries: the jobs that are tried again first.
        rates: by queue, how many of its jobs ended in a minute, where that is known.
    """

    taken_at: float
    figures: Figures | None = None
    queues: Listed[QueueSummary] = field(default_factory=Listed)
    processes: Listed[Process] = field(default_factory=Listed)
    busy: Listed[Work] = field(default_factory=Listed)
    retries: Listed[Entry] = field(default_factory=Listed)
    rates: Mapping[str, float] = field(default_factory=dict)

    def listed(self, name: SectionName) -> Listed[Any]:
        """Return the rows of a section."""
        listed: Listed[Any] = getattr(self, name)
        return listed


class Look:
    """Takes snapshots.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self._app = app

    async def take(self) -> Snapshot:
        """Look once.

        Redis: what `Stats`, `ProcessSet`, `WorkSet`, `RetrySet.page` and `Metrics.queues` ask, all at once over one
        connection: four round trips, some more where there are more than 100 processes or 1,000 queues.

        Raises:
            StoreError: Redis cannot be reached, or refuses everything.
        """
        app = self._app
        answers = await asyncio.gather(
            Stats(app).fetch(slow=False),
            Stats(app).queue_summaries(),
            _all(ProcessSet(app)),
            _all(WorkSet(app)),
            RetrySet(app).page(0, MOST_RETRIES, earliest_first=True),
            Metrics(app).queues(minutes=_RATE_OVER),
            return_exceptions=True,
        )
        _check(answers)
        figures, queues, processes, works, retries, report = answers
        now = app.store.clock.now()
        known = figures if isinstance(figures, Figures) else None
        return Snapshot(
            now,
            known,
            _listed(queues, lambda queue: queue.name),
            _listed(processes, lambda process: process.identity),
            _listed(works, lambda work: (work.identity, work.tid, work.record.jid)),
            _listed(retries, lambda entry: (entry.score, entry.value), None if known is None else known.retry_size),
            _rates(report, now) if isinstance(report, MetricsReport) else {},
        )


async def _all(rows: AsyncIterable[T]) -> list[T]:
    return [row async for row in rows]


def _check(answers: Sequence[object]) -> None:
    """Raise what leaves nothing to be shown; one key that cannot be read spoils none of the others."""
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    for error in errors:
        if not isinstance(error, Refused) or len(errors) == len(answers):
            raise error


def _listed(answer: Sequence[T] | BaseException, key: Callable[[T], Hashable], total: int | None = None) -> Listed[T]:
    if isinstance(answer, BaseException):
        return Listed(error=shown(str(answer)))
    rows = {key(row): row for row in answer}
    return Listed(rows, len(rows) if total is None else max(total, len(rows)))


def _rates(report: MetricsReport, now: float) -> dict[str, float]:
    minutes = max(now - report.starts_at.timestamp(), 1.0) / 60
    return {name: series.total.executed / minutes for name, series in report.series.items()}
