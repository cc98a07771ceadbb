"""How jobs have done, in the JSON API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidelong.api.deploys import Deploys
from sidelong.api.metrics import HISTOGRAM_BOUNDS_MS, Metrics, MetricsReport, Series
from sidelong.core.job_figures import JobFigures
from sidelong.errors import Refused
from sidelong.web.api.endpoint import PREFIX, endpoint
from sidelong.web.api.jobs import cut
from sidelong.web.api.parameters import Text
from sidelong.web.places import write_segment
from sidelong.web.visit import Visit

_BY_THE_MINUTE: Final = 8
"""Hours for which there are figures of each minute."""
_WITHIN: Final = 1.2
"""Seconds after which a report is what was read so far."""

Hours = Literal[1, 2, 4, 8, 24, 48, 72]


class Period(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which time is wanted.

    Attributes:
        hours: the last hours: up to 8 of them by the minute, more by ten minutes.
    """

    hours: Hours = 1

    @property
    def asked(self) -> dict[str, int]:
        """As `Metrics` takes it."""
        return {"minutes": 60 * self.hours} if self.hours <= _BY_THE_MINUTE else {"hours": self.hours}


class TopJobs(Period, kw_only=True, rename={"job_class": "class"}):
    """Which classes are wanted.

    Attributes:
        job_class: what their names contain.
        count: how many at most.
        points: of how many the parts of the time are told as well.
    """

    job_class: Text | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=200)] = 20
    points: Annotated[int, Meta(ge=0, le=20)] = 0


class ExecutionFigures(Struct, kw_only=True):
    """What is counted of executions.

    Attributes:
        executed: executions that ended, failed ones included.
        failed: those that failed.
        retried: those of the failed that will be tried again.
        dead: those that died.
        discarded: those that failed and are kept nowhere.
        milliseconds: what the successful ones took together.
        mean_ms: what one of them took on average; null if there was none.
        mean_wait_ms: how long a job waited in its queue on average; null if nothing is known of it.
    """

    executed: int
    failed: int
    retried: int
    dead: int
    discarded: int
    milliseconds: int
    mean_ms: float | None
    mean_wait_ms: float | None


class Point(ExecutionFigures, kw_only=True):
    """What is counted of a part of the time.

    Attributes:
        at: when it began.
    """

    at: datetime


class HistogramPoint(Point, kw_only=True):
    """What is counted of a part of the time, with how long each execution took.

    Attributes:
        histogram: how many successful executions fell into each bucket.
    """

    histogram: list[int]


class ClassFigures(ExecutionFigures, kw_only=True):
    """What is counted of a class, or of a queue.

    Attributes:
        name: the class or queue.
        url: where more is told of it; empty for a queue.
        points: of each part of the time in which there was something, if that was asked for.
    """

    name: str
    url: str
    points: list[Point]


class DeployMark(Struct, kw_only=True):
    """What was deployed when.

    Attributes:
        at: the minute.
        label: what.
    """

    at: datetime
    label: str


class Report(Struct, kw_only=True):
    """What is known of a time.

    Attributes:
        starts_at: when it begins; later than was asked for where there was no time to read all.
        ends_at: when it ends.
        step_seconds: how long each part of it is.
        deploys: what was deployed in it.
        errors: what Redis said about keys that cannot be read, and count as empty here.
    """

    starts_at: datetime
    ends_at: datetime
    step_seconds: int
    deploys: list[DeployMark]
    errors: list[str]


class TopReport(Report, kw_only=True):
    """How classes or queues have done.

    Attributes:
        figures: those that took the most time together first.
        size: how many there are.
    """

    figures: list[ClassFigures]
    size: int


class ClassReport(Report, kw_only=True):
    """How one class has done.

    Attributes:
        name: the class.
        total: of the whole time.
        bounds_ms: the upper bounds of the buckets of a histogram, exclusive; the last bucket has none.
        histogram: how many successful executions fell into each bucket.
        points: of each part of the time in which there was something.
    """

    name: str
    total: ExecutionFigures
    bounds_ms: list[int]
    histogram: list[int]
    points: list[HistogramPoint]


async def get_top_jobs(visit: Visit, query: TopJobs) -> TopReport:
    """Tell how all classes have done, those first that took the most time together."""
    wanted = query.job_class if isinstance(query.job_class, str) else None
    report = await Metrics(visit.site.app).top_jobs(wanted, **query.asked, within=_WITHIN)
    series = list(report.series.values())
    figures = [
        ClassFigures(
            name=cut(each.name),
            url=visit.place.url(f"{PREFIX}/metrics/jobs/{write_segment(each.name)}", hours=query.hours),
            points=_points(each) if number < query.points else [],
            **_counted(each.total),
        )
        for number, each in enumerate(series[: query.count])
    ]
    return TopReport(**await _report(visit, query, report), figures=figures, size=len(series))


async def get_queue_metrics(visit: Visit, query: Period) -> TopReport:
    """Tell how much was executed of each queue, and for how long its jobs waited."""
    report = await Metrics(visit.site.app).queues(**query.asked, within=_WITHIN)
    series = list(report.series.values())
    figures = [ClassFigures(name=cut(each.name), url="", points=[], **_counted(each.total)) for each in series[:200]]
    return TopReport(**await _report(visit, query, report), figures=figures, size=len(series))


async def get_job_metrics(visit: Visit, query: Period) -> ClassReport:
    """Tell how one class has done, part by part, and how long its jobs took."""
    name = visit.names["class"]
    report = await Metrics(visit.site.app).for_job(name, **query.asked, within=_WITHIN)
    series = report.series[name]
    points = [
        HistogramPoint(at=at, histogram=figures.histogram, **_counted(figures))
        for at, figures in sorted(series.points.items())
    ]
    return ClassReport(
        **await _report(visit, query, report),
        name=name,
        total=ExecutionFigures(**_counted(series.total)),
        bounds_ms=list(HISTOGRAM_BOUNDS_MS),
        histogram=series.total.histogram,
        points=points,
    )


async def _report(visit: Visit, period: Period, report: MetricsReport) -> dict[str, Any]:
    try:
        deploys = await Deploys(visit.site.app).list(hours=period.hours)
    except Refused:
        deploys = []
    return {
        "starts_at": report.starts_at,
        "ends_at": report.ends_at,
        "step_seconds": round(report.step.total_seconds()),
        "deploys": [DeployMark(at=deploy.at, label=deploy.label) for deploy in deploys],
        "errors": list(report.errors),
    }


def _points(series: Series) -> list[Point]:
    return [Point(at=at, **_counted(figures)) for at, figures in sorted(series.points.items())]


def _counted(figures: JobFigures) -> Mapping[str, Any]:
    return {name: getattr(figures, name) for name in ExecutionFigures.__struct_fields__}


ENDPOINTS: Final = (
    endpoint("GET", "/metrics", "metrics", get_top_jobs),
    endpoint("GET", "/metrics/jobs/{class}", "metrics", get_job_metrics),
    endpoint("GET", "/metrics/queues", "metrics", get_queue_metrics),
)
