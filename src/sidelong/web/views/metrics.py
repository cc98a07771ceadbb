"""How jobs have done over the last hours: all classes side by side, and each of them by itself."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from sidelong.api.deploys import Deploy, Deploys
from sidelong.api.metrics import Metrics, MetricsReport, Series
from sidelong.errors import Refused
from sidelong.web.charts.durations import histogram, scatter
from sidelong.web.charts.executions import execution_chart
from sidelong.web.charts.time_spent import time_spent_chart
from sidelong.web.charts.times import TimeAxis
from sidelong.web.visit import Visit

_HOURS: Final = (1, 2, 4, 8, 24, 48, 72)
_BY_THE_MINUTE: Final = 8
"""Hours for which there are figures of each minute."""
_MOST: Final = 200
"""Classes, and queues, of one page."""
_CHARTED: Final = 5
_JOBS_WITHIN: Final = 0.7
_COARSE_WITHIN: Final = 0.3
_QUEUES_WITHIN: Final = 0.2
"""Seconds after which the page shows what it has."""
_LONGEST: Final = 500

Number = Callable[[Series], Any]

_COLUMNS: Final[dict[str, Number]] = {
    "total_time": lambda series: series.total.milliseconds,
    "executed": lambda series: series.total.executed,
    "failed": lambda series: series.total.failed,
    "mean_time": lambda series: series.total.mean_ms or 0,
    "mean_wait": lambda series: series.total.mean_wait_ms or 0,
}
"""What the classes can be sorted by: the largest comes first."""


class Period(NamedTuple):
    """What the address asks for, made sound."""

    hours: int

    @property
    def asked(self) -> dict[str, int]:
        """As the API takes it."""
        return {"minutes": 60 * self.hours} if self.hours <= _BY_THE_MINUTE else {"hours": self.hours}

    @classmethod
    def read(cls, visit: Visit) -> "Period":
        """Take the hours from the address, one if it asks for none that there are."""
        given = visit.query.get("hours", "")
        return cls(next((hours for hours in _HOURS if str(hours) == given), _HOURS[0]))


async def metrics(visit: Visit) -> Response:
    """Return the page of all classes."""
    period, query = Period.read(visit), visit.query
    wanted = query.get("class", "")[:_LONGEST]
    sort = query["sort"] if query.get("sort") in _COLUMNS else "total_time"
    source = Metrics(visit.site.app)
    report = await source.top_jobs(wanted or None, **period.asked, within=_JOBS_WITHIN)
    is_coarse = not report.is_complete and "hours" not in period.asked
    if is_coarse:
        # There are fewer keys to read for every ten minutes, and nothing in them of what Sidekiq 7 has executed.
        report = await source.top_jobs(wanted or None, hours=period.hours, within=_COARSE_WITHIN)
    queues = await source.queues(**period.asked, within=_QUEUES_WITHIN)
    axis = TimeAxis.of(report.starts_at, report.ends_at, report.step)
    series = sorted(report.series.values(), key=_COLUMNS[sort], reverse=True)
    return await visit.page(
        "metrics.html",
        **_common(visit, period, report),
        marks=axis.marks(await _deploys(visit, period)),
        given={"hours": period.hours if period.hours != _HOURS[0] else None, "class": wanted},
        is_coarse=is_coarse,
        wanted=wanted,
        sort=sort,
        columns=list(_COLUMNS),
        rows=series[:_MOST],
        most=_MOST,
        count=len(series),
        chart=time_spent_chart(axis, list(report.series.values())[:_CHARTED]),
        queues=sorted(queues.series.values(), key=_COLUMNS["executed"], reverse=True)[:_MOST],
        queues_for=(queues.ends_at - queues.starts_at).total_seconds(),
    )


async def job(visit: Visit) -> Response:
    """Return the page of one class."""
    period, name = Period.read(visit), visit.names["job"]
    report = await Metrics(visit.site.app).for_job(name, **period.asked, within=_JOBS_WITHIN)
    series = report.series[name]
    axis = TimeAxis.of(report.starts_at, report.ends_at, report.step)
    return await visit.page(
        "job_metrics.html",
        **_common(visit, period, report),
        marks=axis.marks(await _deploys(visit, period)),
        name=name,
        total=series.total,
        executions=execution_chart(axis, series.points),
        histogram=histogram(series.total.histogram),
        scatter=scatter(axis, series.points),
        has_durations=any(series.total.histogram),
    )


def _common(visit: Visit, period: Period, report: MetricsReport) -> dict[str, Any]:
    return {
        "period": period.hours,
        "periods": _HOURS,
        "report": report,
        "starts_at": report.starts_at.timestamp(),
    }


async def _deploys(visit: Visit, period: Period) -> list[Deploy]:
    """Return the deploys of the time; none where they cannot be read."""
    try:
        return await Deploys(visit.site.app).list(hours=period.hours)
    except Refused:
        return []
