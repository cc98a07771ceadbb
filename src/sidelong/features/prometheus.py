"""Figures for Prometheus, read from Redis at each scrape: they are there with no worker up.

Needs the extra `metrics`.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any, Final
from urllib.parse import parse_qs

from sidelong.api import Figures, Process, ProcessSet, QueueSummary, Stats
from sidelong.app import Sidelong
from sidelong.core.durations import BOUNDS_MS
from sidelong.core.gauges import Gauge
from sidelong.core.job_figures import JobFigures
from sidelong.errors import ConfigurationError, Refused, StoreError
from sidelong.features.scaling import read_scale
from sidelong.store.server_load import ServerLoad, read_load

try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
        SummaryMetricFamily,
    )
    from prometheus_client.exposition import CONTENT_TYPE_LATEST
except ImportError:
    raise ConfigurationError("Prometheus needs the extra 'metrics': pip install 'sidelong[metrics]'") from None

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""The media type of `read_metrics`."""

_GAUGES_WITHIN: Final = 2.0
_JSON: Final = "application/json"

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


async def read_metrics(app: Sidelong) -> bytes:
    """Return all figures as Prometheus reads them; where Redis does not answer, that alone and the gauges.

    Redis: as `Stats.fetch`, `Stats.queue_summaries`, an iteration of `ProcessSet`, and INFO twice and PING.

    Args:
        app: whose Redis it is, whose gauges, and whose workers in this process.
    """
    families: list[Metric] = []
    is_up = True
    try:
        # First: it finds out whether Redis is there at all.
        load = await read_load(app.store.admin, app.store.clock)
        families += _of_server(load)
        families += _of_totals(await Stats(app).fetch(slow=False))
        families += _of_queues(await _summaries(app))
        families += _of_processes([process async for process in ProcessSet(app)])
    except StoreError as error:
        families, is_up = [], False
        await app.hooks.report_error(error, {"context": "metrics for Prometheus"})
    families.append(_gauge("redis_up", "Whether Redis answers.", int(is_up)))
    values, faults = await app.gauges.read(_GAUGES_WITHIN)
    for name, fault in faults.items():
        await app.hooks.report_error(fault, {"context": f"gauge {name}"})
    families += [_own(gauge, values[gauge.name]) for gauge in app.gauges if gauge.name in values]
    families += _of_executions(app.executions)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(families))
    return generate_latest(registry)


async def _summaries(app: Sidelong) -> list[QueueSummary]:
    """Return the queues; where it cannot be read which there are, Redis is not down for that."""
    try:
        return await Stats(app).queue_summaries()
    except Refused as error:
        await app.hooks.report_error(error, {"context": "metrics for Prometheus"})
        return []


def exporter(app: Sidelong) -> Asgi:
    """Return an ASGI application that answers `/metrics` for Prometheus and `/scale` for autoscalers.

    It can be served by itself or mounted anywhere, at `/metrics` for instance. It asks for no password: it tells
    names of queues and hosts, but nothing of jobs.

    `/scale` is `features.scaling.Scale` as JSON; `/scale?queue=a&queue=b` is about those queues.

    Args:
        app: whose Redis it is.
    """

    async def respond(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] == "lifespan":
            await _live(app, receive, send)
        elif scope["type"] == "http":
            status, kind, body = await _answer(app, scope)
            headers = [
                *([(b"allow", b"GET, HEAD")] if status == 405 else []),
                (b"content-type", kind.encode()),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return respond


async def _answer(app: Sidelong, scope: Message) -> tuple[int, str, bytes]:
    if scope["method"] not in ("GET", "HEAD"):
        return 405, _JSON, b'{"error":"only GET is answered here"}'
    match scope["path"].rstrip("/").rpartition("/")[2]:
        case "metrics":
            return 200, CONTENT_TYPE, await read_metrics(app)
        case "scale":
            try:
                query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=1000)
                scale = await read_scale(app, query.get("queue", []))
            except ValueError:
                return 400, _JSON, b'{"error":"the query is too long"}'
            except StoreError:
                return 503, _JSON, b'{"error":"Redis does not answer"}'
            return 200, _JSON, json.dumps(asdict(scale)).encode()
    return 404, _JSON, b'{"error":"there is only /metrics and /scale"}'


async def _live(app: Sidelong, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
    """Served by itself, it gives its connections back at the end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await app.close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _Read:
    """What was read a moment ago, as prometheus-client collects it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _of_server(load: ServerLoad) -> Iterator[Metric]:
    yield _gauge("redis_round_trip_seconds", "From a question to Redis to its answer.", load.round_trip)
    for name, about, value in (
        ("redis_memory_bytes", "What the data of Redis takes.", load.memory_used),
        ("redis_memory_limit_bytes", "What it may take; 0 for no limit.", load.memory_limit),
        ("redis_connections", "Clients that are connected to Redis.", load.connections),
    ):
        if value is not None:
            yield _gauge(name, about, value)


def _of_totals(figures: Figures) -> Iterator[Metric]:
    yield _counter("jobs_processed", "Executions, failed ones included.", figures.processed)
    yield _counter("jobs_failed", "Executions that failed.", figures.failed)
    sets = {"schedule": figures.scheduled_size, "retry": figures.retry_size, "dead": figures.dead_size}
    yield _labelled("set_jobs", "Jobs in a set.", "set", sets)


def _of_queues(queues: Iterable[QueueSummary]) -> Iterator[Metric]:
    named = {_label(queue.name): queue for queue in queues}
    for name, about, values in (
        ("queue_jobs", "Jobs that wait in a queue.", {name: queue.size for name, queue in named.items()}),
        (
            "queue_latency_seconds",
            "For how long the next job of a queue has waited.",
            {name: queue.latency for name, queue in named.items()},
        ),
        (
            "queue_paused",
            "Whether workers leave a queue alone.",
            {name: int(queue.is_paused) for name, queue in named.items()},
        ),
    ):
        yield _labelled(name, about, "queue", values)


def _of_processes(processes: Iterable[Process]) -> Iterator[Metric]:
    living = list(processes)
    yield _gauge("processes", "Worker processes.", len(living))
    yield _gauge("jobs_busy", "Jobs that run.", sum(process.busy for process in living))
    capacity = sum(process.concurrency for process in living if not process.is_quiet)
    yield _gauge("capacity", "Jobs that can run at once in processes that fetch.", capacity)
    lags = {_label(each.identity): each.lag_ms / 1000 for each in living if each.lag_ms is not None}
    yield _labelled("process_loop_lag_seconds", "By how much the event loop of a process is late.", "process", lags)
    resident = {_label(each.identity): each.rss * 1024 for each in living}
    yield _labelled("process_resident_bytes", "Memory of a process.", "process", resident)


def _of_executions(executions: dict[str, JobFigures]) -> Iterator[Metric]:
    """Tell what workers in this process have executed; nothing where there are none."""
    if not executions:
        return
    durations = HistogramMetricFamily(
        "sidelong_job_duration_seconds", "How long successful executions in this process took.", labels=["job_class"]
    )
    waits = SummaryMetricFamily(
        "sidelong_job_wait_seconds", "How long jobs executed in this process had waited.", labels=["job_class"]
    )
    ends = CounterMetricFamily(
        "sidelong_job_executions", "Executions in this process, by what became of the job.", labels=["job_class", "end"]
    )
    for name, figures in executions.items():
        label = _label(name)
        durations.add_metric([label], _cumulated(figures.histogram), figures.milliseconds / 1000)
        waits.add_metric([label], count_value=figures.waits, sum_value=figures.waited_ms / 1000)
        for end, count in (
            ("done", figures.succeeded),
            ("retried", figures.retried),
            ("dead", figures.dead),
            ("discarded", figures.discarded),
        ):
            ends.add_metric([label, end], count)
    yield from (durations, waits, ends)


def _cumulated(histogram: Sequence[int]) -> list[tuple[str, float]]:
    """Return how many took no longer than each bound, as Prometheus counts."""
    bounds = [str(bound / 1000) for bound in BOUNDS_MS] + ["+Inf"]
    return list(zip(bounds, accumulate(histogram), strict=True))


def _own(gauge: Gauge, value: float) -> Metric:
    return GaugeMetricFamily(gauge.name, gauge.description, value=value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"sidelong_{name}", about, value=value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"sidelong_{name}", about, value=value)


def _labelled(name: str, about: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(f"sidelong_{name}", about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _label(name: str) -> str:
    """Return a name as text that can be sent: bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
