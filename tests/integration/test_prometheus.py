"""What monitors and autoscalers are told, with and without workers and Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from sidelong import ConfigurationError, Discard, Kill, Sidelong
from sidelong.api import Queue
from sidelong.features.prometheus import CONTENT_TYPE, exporter, read_metrics
from tests.integration.worker.conftest import site
from tests.integration.worker.site import Site, payload
from tests.support.eventually import eventually

__all__ = ["site"]

Samples = dict[str, float]


@pytest.fixture
async def app(site: Site) -> AsyncIterator[Sidelong]:
    async with site.app(beat_interval=0.1) as running:
        yield running


@pytest.fixture
async def http(app: Sidelong) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(exporter(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def read(app: Sidelong) -> Samples:
    """Return every sample by its name and labels."""
    families = text_string_to_metric_families((await read_metrics(app)).decode())
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


async def test_tells_of_queues_sets_and_totals_with_no_worker_up(app: Sidelong, site: Site):
    for number in range(3):
        site.push("Job", number, queue="low", enqueued_at=time.time() - 60)
    site.client.zadd("dead", {payload("Job"): 1.0})
    site.client.mset({"stat:processed": 70, "stat:failed": 7})
    await Queue(app, "low").pause()

    seen = await read(app)

    assert seen["sidelong_redis_up"] == 1
    assert seen["sidelong_queue_jobs|low"] == 3
    assert 60 <= seen["sidelong_queue_latency_seconds|low"] < 120
    assert seen["sidelong_queue_paused|low"] == 1
    assert [seen[f"sidelong_set_jobs|{name}"] for name in ("schedule", "retry", "dead")] == [0, 0, 1]
    assert (seen["sidelong_jobs_processed_total"], seen["sidelong_jobs_failed_total"]) == (70, 7)
    assert (seen["sidelong_processes"], seen["sidelong_jobs_busy"], seen["sidelong_capacity"]) == (0, 0, 0)
    assert 0 < seen["sidelong_redis_round_trip_seconds"] < 5
    if not site.is_embedded:
        assert seen["sidelong_redis_memory_bytes"] > 100_000
        assert seen["sidelong_redis_memory_limit_bytes"] == 0
        assert seen["sidelong_redis_connections"] >= 1


async def test_tells_of_workers(app: Sidelong):
    release = asyncio.Event()

    @app.job
    async def job() -> None:
        await release.wait()

    await job.enqueue()
    async with app.worker(concurrency=7) as worker:
        await eventually(lambda: worker.running)
        await eventually(lambda: _is_busy(app))
        seen = await read(app)
        release.set()

    assert (seen["sidelong_processes"], seen["sidelong_capacity"]) == (1, 7)
    assert 0 <= seen[f"sidelong_process_loop_lag_seconds|{worker.identity}"] < 30
    assert seen[f"sidelong_process_resident_bytes|{worker.identity}"] > 1_000_000


async def test_tells_of_what_is_executed_in_this_process(app: Sidelong, site: Site):
    @app.job(name="Quick")
    async def quick() -> None: ...

    @app.job(name="Fails")
    async def fails(error: str) -> None:
        raise {"retry": ValueError, "dead": Kill, "discard": Discard}[error]("no")

    before = await read(app)
    for number in range(3):
        site.push("Quick", queue="default", enqueued_at=time.time() - 10 * number)
    for error in ("retry", "dead", "dead", "discard"):
        await fails.enqueue(error)
    async with app.worker():
        await site.drained()
    seen = await read(app)

    assert not [name for name in before if name.startswith("sidelong_job_")]
    assert seen["sidelong_job_duration_seconds_bucket|Quick|+Inf"] == seen["sidelong_job_duration_seconds_count|Quick"]
    assert seen["sidelong_job_duration_seconds_count|Quick"] == 3
    assert 0 <= seen["sidelong_job_duration_seconds_sum|Quick"] < 10
    assert seen["sidelong_job_duration_seconds_bucket|Quick|335.0"] == 3
    assert seen["sidelong_job_wait_seconds_count|Quick"] == 3
    assert 30 <= seen["sidelong_job_wait_seconds_sum|Quick"] < 90
    ends = {end: seen[f"sidelong_job_executions_total|{end}|Fails"] for end in ("done", "retried", "dead", "discarded")}
    assert ends == {"done": 0, "retried": 1, "dead": 2, "discarded": 1}


async def _is_busy(app: Sidelong) -> bool:
    return (await read(app))["sidelong_jobs_busy"] == 1


async def test_names_may_hold_anything(app: Sidelong, site: Site):
    names = [b'a"b\\\n', b"\xff", "é 日本".encode()]
    for name in names:
        site.client.sadd("queues", name)
        site.client.lpush(b"queue:" + name, payload("Job"))

    seen = await read(app)

    assert {name for name in seen if name.startswith("sidelong_queue_jobs")} == {
        'sidelong_queue_jobs|a"b\\\n',
        "sidelong_queue_jobs|\\udcff",
        "sidelong_queue_jobs|é 日本",
    }


async def test_own_measures_are_told_and_one_that_fails_spoils_nothing(app: Sidelong):
    told: list[BaseException] = []
    app.error_handler(lambda error, context: told.append(error))

    async def orders() -> int:
        return 42

    app.gauge("shop_open_orders", orders, "Orders that are open.")
    app.gauge("shop_stock", lambda: 1.5)
    app.gauge("shop_broken", lambda: 1 / 0)
    app.gauge("shop_no_number", lambda: "many")  # type: ignore[arg-type,return-value]

    text = (await read_metrics(app)).decode()

    assert (
        "# HELP shop_open_orders Orders that are open.\n# TYPE shop_open_orders gauge\nshop_open_orders 42.0\n" in text
    )
    assert "shop_stock 1.5\n" in text
    assert "shop_broken" not in text
    assert [type(error) for error in told] == [ZeroDivisionError, ValueError]


@pytest.mark.parametrize(
    ("name", "measure"), [("no-name", float), ("", float), ("sidelong_x", float), (5, float), ("x", 5)]
)
def test_a_gauge_needs_a_name_and_a_function(name, measure):
    with pytest.raises(ConfigurationError, match="gauge"):
        Sidelong("memory://").gauge(name, measure)


async def test_the_scale_is_what_runs_and_waits_by_what_can_run(app: Sidelong, site: Site, http: httpx.AsyncClient):
    release = asyncio.Event()

    @app.job(name="Held")
    async def held() -> None:
        await release.wait()

    async def scale(query: str = "") -> dict[str, float]:
        return (await http.get(f"/scale{query}")).json()

    site.push("Held", queue="served", enqueued_at=time.time() - 30)
    site.push("Held", queue="served", enqueued_at=time.time() - 30)
    site.push("Held", queue="paused", enqueued_at=time.time() - 900)
    site.push("Held", queue="elsewhere", enqueued_at=time.time() - 10)
    await Queue(app, "paused").pause()
    before = await scale()
    async with app.worker(concurrency=1, queues=["served", "paused"]):
        await eventually(lambda: _is_busy(app))
        during, of_one, of_none = await scale(), await scale("?queue=served&queue=x"), await scale("?queue=elsewhere")
        release.set()

    assert before == {"latency": pytest.approx(30, abs=20), "queued": 3, "active": 0, "capacity": 0, "load": None}
    assert (during["queued"], during["active"], during["capacity"], during["load"]) == (2, 1, 1, 3.0)
    assert (of_one["queued"], of_one["active"], of_one["capacity"], of_one["load"]) == (1, 1, 1, 2.0)
    assert (of_none["queued"], of_none["capacity"], of_none["load"]) == (1, 0, None)


async def test_the_exporter_answers_at_two_places_and_nowhere_else(http: httpx.AsyncClient):
    metrics = await http.get("/metrics")
    head = await http.head("/metrics/")

    assert (metrics.status_code, metrics.headers["content-type"]) == (200, CONTENT_TYPE)
    assert "sidelong_redis_up 1.0" in metrics.text
    assert (head.status_code, head.content) == (200, b"")
    assert (await http.get("/")).status_code == 404
    refused = await http.post("/metrics")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert (await http.get("/scale?" + "queue=a&" * 2_000)).status_code == 400


async def test_the_exporter_can_be_mounted(app: Sidelong):
    host = Starlette(routes=[Mount("/internal", exporter(app)), Mount("/metrics", exporter(app))])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://test") as client:
        answers = [await client.get(path) for path in ("/internal/metrics", "/internal/scale", "/metrics/")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_a_redis_that_is_away_is_what_is_told():
    told: list[BaseException] = []
    app = Sidelong("redis://127.0.0.1:1")
    app.hooks.error_handlers[:] = [lambda error, context: told.append(error)]
    app.gauge("shop_stock", lambda: 3)

    async with app, httpx.AsyncClient(transport=httpx.ASGITransport(exporter(app)), base_url="http://test") as http:
        seen = await read(app)
        scale = await http.get("/scale")

    assert seen == {"sidelong_redis_up": 0, "shop_stock": 3}
    assert scale.status_code == 503
    assert json.loads(scale.content) == {"error": "Redis does not answer"}
    assert len(told) == 1


async def test_a_key_of_the_wrong_type_hides_nothing_else(app: Sidelong, site: Site):
    site.push("Job")
    site.client.set("retry", "x")

    seen = await read(app)

    assert (seen["sidelong_redis_up"], seen["sidelong_queue_jobs|default"]) == (1, 1)
    site.client.delete("retry")


@pytest.mark.allow_any_keys
async def test_unreadable_queues_are_an_error_and_no_outage(app: Sidelong, site: Site):
    errors = []

    @app.error_handler
    def note(error: BaseException, context: object) -> None:
        errors.append(str(error))

    site.client.set("queues", "nonsense")
    site.client.zadd("retry", {payload("Note"): 9e9})

    samples = await read(app)

    assert samples["sidelong_redis_up"] == 1
    assert [error.endswith("(key queues)") for error in errors] == [True]


async def test_served_by_itself_it_follows_the_lifespan_of_its_server(app: Sidelong):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return messages.pop(0)

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    await exporter(app)({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
