"""How jobs have done: how many, how long, how they ended, minute by minute."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from sidelong.app import Sidelong
from sidelong.core.durations import BOUNDS_MS
from sidelong.core.job_figures import JobFigures
from sidelong.store.metric_names import MINUTE, TEN_MINUTES, start_of
from sidelong.store.metrics_reader import AT_ONCE, MetricsReader

HISTOGRAM_BOUNDS_MS: Final = BOUNDS_MS
"""Upper bounds of the buckets of a histogram, in milliseconds and exclusive; the last bucket has none."""

_MOST_MINUTES: Final = 480
_MOST_HOURS: Final = 72
_DEFAULT_MINUTES: Final = 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one job class or queue over a time.

    Attributes:
        name: the class or queue.
        total: of the whole time.
        points: of each part of it, by when that began; parts without figures are left out.
    """

    name: str
    total: JobFigures
    points: Mapping[datetime, JobFigures]


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """What Redis knows of a time.

    Attributes:
        starts_at: when it begins.
        ends_at: when it ends: with the current minute, or ten.
        step: how long each part of it is.
        series: by class or queue, those that took the most time together first.
        errors: what Redis said about keys that cannot be read, and count as empty here.
        is_complete: False if time was up before the begin was reached; it begins later then than was asked for.
    """

    starts_at: datetime
    ends_at: datetime
    step: timedelta
    series: Mapping[str, Series]
    errors: Sequence[str] = field(default=())
    is_complete: bool = True

    @property
    def times(self) -> list[datetime]:
        """When each part begins, the first one first."""
        return _times(self.starts_at, self.ends_at, self.step)

    @property
    def total(self) -> JobFigures:
        """The sum of all series."""
        return _total(series.total for series in self.series.values())


class Metrics:
    """Figures of executions by class and queue, as workers of either language flushed them.

    They are at most a heartbeat old. Minutes are kept for 8 hours, ten minutes for 72. Sidekiq knows `executed`,
    `failed`, `milliseconds` and the histogram; the others only our workers count. Every method raises `StoreError`
    where Redis cannot be reached or refuses.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def top_jobs(
        self,
        class_filter: str | re.Pattern[str] | None = None,
        *,
        minutes: int | None = None,
        hours: int | None = None,
        within: float | None = None,
    ) -> MetricsReport:
        """Return the figures of all job classes, without histograms.

        Redis: HGETALL of up to three keys for every minute, or of two for every ten, 60 times a round trip: O(n) in
        the classes that ran in each.

        Args:
            class_filter: what the name contains, in any case, or a pattern to be found in it; all if not given.
            minutes: the last 1 to 480 minutes, by the minute; 60 if neither is given.
            hours: the last 1 to 72 hours, by ten minutes.
            within: seconds after which no more is read, the latest times coming first; all is read if not given.

        Raises:
            ValueError: the time is out of range, or given twice.
        """
        report, reader = self._report(minutes, hours)
        report, found = await self._read(report, reader.jobs, within)
        return _filled(report, reader, found, class_filter)

    async def queues(
        self, *, minutes: int | None = None, hours: int | None = None, within: float | None = None
    ) -> MetricsReport:
        """Return the figures of all queues that our workers serve: what they executed of each, and how long it waited.

        `executed` is the rate at which a queue is drained. Nobody counts what is enqueued: it is what a queue grew by
        and what was drained.

        Redis: HGETALL for every minute, or every ten, 60 of them a round trip: O(n) in the queues served in each.

        Args:
            minutes: as `top_jobs`.
            hours: as `top_jobs`.
            within: as `top_jobs`.

        Raises:
            ValueError: the time is out of range, or given twice.
        """
        report, reader = self._report(minutes, hours)
        report, found = await self._read(report, reader.queues, within)
        return _filled(report, reader, found, None)

    async def for_job(
        self, name: str, *, minutes: int | None = None, hours: int | None = None, within: float | None = None
    ) -> MetricsReport:
        """Return the figures of one job class, with a histogram in each; its series is there even if it never ran.

        Redis: HMGET and GET of up to three keys each for every minute, or of two and one for every ten, 60 times a
        round trip: O(1) each. Beyond eight hours only our workers keep histograms.

        Args:
            name: the class.
            minutes: as `top_jobs`.
            hours: as `top_jobs`.
            within: as `top_jobs`.

        Raises:
            ValueError: the time is out of range, or given twice.
        """
        report, reader = self._report(minutes, hours)

        async def read(times: Sequence[datetime]) -> list[JobFigures]:
            return await reader.job(name, times)

        report, found = await self._read(report, read, within)
        points = {time: figures for time, figures in zip(report.times, found, strict=True) if _has_any(figures)}
        series = Series(name, _total(points.values()), points)
        return _with(report, reader, {name: series})

    def _report(self, minutes: int | None, hours: int | None) -> tuple[MetricsReport, MetricsReader]:
        if minutes is not None and hours is not None:
            raise ValueError("give minutes or hours, not both")
        if hours is not None:
            step, length = TEN_MINUTES, timedelta(hours=_checked("hours", hours, _MOST_HOURS))
        else:
            given = _DEFAULT_MINUTES if minutes is None else minutes
            step, length = MINUTE, timedelta(minutes=_checked("minutes", given, _MOST_MINUTES))
        ends_at = start_of(datetime.fromtimestamp(self.app.store.clock.now(), UTC), step) + step
        return MetricsReport(ends_at - length, ends_at, step, {}), MetricsReader(self.app.store.admin, step)

    async def _read(
        self, report: MetricsReport, read: Callable[[Sequence[datetime]], Awaitable[list[T]]], within: float | None
    ) -> tuple[MetricsReport, list[T]]:
        """Return what is known of each time of a report, and the report of the times that were read."""
        clock = self.app.store.clock
        times, begun_at = report.times, clock.monotonic()
        found: list[T] = []
        start = len(times)
        while start > 0:
            page = times[max(0, start - AT_ONCE) : start]
            found = [*await read(page), *found]
            start -= len(page)
            if within is not None and clock.monotonic() - begun_at > within:
                break
        return replace(report, starts_at=times[start], is_complete=start == 0), found


def _checked(name: str, value: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
    return value


def _filled(
    report: MetricsReport,
    reader: MetricsReader,
    found: Sequence[Mapping[str, JobFigures]],
    class_filter: str | re.Pattern[str] | None,
) -> MetricsReport:
    points: dict[str, dict[datetime, JobFigures]] = {}
    for time, named in zip(report.times, found, strict=True):
        for name, figures in named.items():
            if name in points or _is_meant(name, class_filter):
                points.setdefault(name, {})[time] = figures
    series = [Series(name, _total(each.values()), each) for name, each in points.items()]
    series.sort(key=lambda each: (-each.total.milliseconds, -each.total.executed, each.name))
    return _with(report, reader, {each.name: each for each in series})


def _with(report: MetricsReport, reader: MetricsReader, series: Mapping[str, Series]) -> MetricsReport:
    return replace(report, series=series, errors=tuple(reader.errors))


def _is_meant(name: str, class_filter: str | re.Pattern[str] | None) -> bool:
    if class_filter is None:
        return True
    if isinstance(class_filter, str):
        return class_filter.casefold() in name.casefold()
    return class_filter.search(name) is not None


def _times(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    return [start + place * step for place in range((end - start) // step)]


def _total(figures: Iterable[JobFigures]) -> JobFigures:
    total = JobFigures()
    for each in figures:
        total.add(each)
    return total


def _has_any(figures: JobFigures) -> bool:
    return figures != JobFigures()
