"""Spans of enqueuing and executing jobs, as an exporter gets them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sidelong import Discard, Sidelong
from sidelong.features.tracing import Tracing
from tests.integration.worker.conftest import site
from tests.integration.worker.site import Site
from tests.support.eventually import eventually

__all__ = ["site"]


class Spans:
    """What was exported so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def of(self, kind: SpanKind) -> Sequence[ReadableSpan]:
        """Return the spans of one kind, in the order in which they ended."""
        return [span for span in self._exporter.get_finished_spans() if span.kind is kind]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def app(site: Site, spans: Spans) -> AsyncIterator[Sidelong]:
    app = site.app()
    app.use(Tracing(spans.provider))
    async with app:
        yield app


async def test_an_execution_is_linked_to_the_span_that_enqueued_it(app: Sidelong, site: Site, spans: Spans):
    @app.job(name="Traced", queue="low")
    async def traced(secret: str) -> None: ...

    with spans.provider.get_tracer("test").start_as_current_span("request") as request:
        jid = str(await traced.enqueue("s3cret"))
    async with app.worker():
        await site.drained()

    (sent,), (performed,) = spans.of(SpanKind.PRODUCER), spans.of(SpanKind.CONSUMER)
    assert (sent.name, performed.name) == ("enqueue Traced", "perform Traced")
    assert sent.parent.span_id == request.get_span_context().span_id
    assert [link.context.span_id for link in performed.links] == [sent.context.span_id]
    assert performed.parent is None
    assert performed.context.trace_id != sent.context.trace_id
    assert performed.attributes == {
        "messaging.system": "sidelong",
        "messaging.operation.type": "process",
        "messaging.destination.name": "low",
        "messaging.message.id": jid,
        "sidelong.job.class": "Traced",
        "sidelong.job.attempt": 1,
    }
    assert performed.status.status_code is StatusCode.UNSET


async def test_fifty_jobs_at_once_each_have_their_own_span(app: Sidelong, site: Site, spans: Spans):
    all_run = asyncio.Barrier(50)
    seen: dict[int, set[int]] = {}

    @app.job(name="Child")
    async def child(number: int) -> None: ...

    @app.job(name="Thread")
    def in_thread(number: int) -> None:
        seen[number].add(trace.get_current_span().get_span_context().span_id)

    @app.job(name="Parent")
    async def parent(number: int) -> None:
        seen[number] = {trace.get_current_span().get_span_context().span_id}
        await all_run.wait()
        await asyncio.sleep(0)
        seen[number].add(trace.get_current_span().get_span_context().span_id)
        await child.enqueue(number)

    await parent.enqueue_many([(number,) for number in range(50)])
    async with app.worker(concurrency=50):
        await site.drained(30)

    by_name: dict[str, dict[int, ReadableSpan]] = {}
    for span in (*spans.of(SpanKind.PRODUCER), *spans.of(SpanKind.CONSUMER)):
        by_name.setdefault(span.name, {})[span.context.span_id] = span
    assert {name: len(found) for name, found in by_name.items()} == dict.fromkeys(
        ("enqueue Parent", "perform Parent", "enqueue Child", "perform Child"), 50
    )
    assert Counter(len(found) for found in seen.values()) == {1: 50}
    assert {found.pop() for found in seen.values()} == set(by_name["perform Parent"])
    # Each child was enqueued by the execution it came from, and each execution is linked to its own enqueuing.
    assert {span.parent.span_id for span in by_name["enqueue Child"].values()} == set(by_name["perform Parent"])
    for name in ("Parent", "Child"):
        links = [span.links[0].context.span_id for span in by_name[f"perform {name}"].values()]
        assert sorted(links) == sorted(by_name[f"enqueue {name}"])


async def test_a_job_in_a_thread_sees_its_span(app: Sidelong, site: Site, spans: Spans):
    seen: list[int] = []

    @app.job(name="Thread")
    def in_thread() -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    await in_thread.enqueue()
    async with app.worker():
        await site.drained()

    assert seen == [span.context.span_id for span in spans.of(SpanKind.CONSUMER)]


async def test_attempts_are_linked_to_one_enqueuing_and_errors_are_told(app: Sidelong, site: Site, spans: Spans):
    @app.job(name="Fails")
    async def fails() -> None:
        raise ValueError("no")

    await fails.enqueue()
    async with app.worker():
        await site.has("retry")
        site.make_due()
        await eventually(lambda: len(spans.of(SpanKind.CONSUMER)) == 2, 15)
        await site.has("retry")

    (sent,), (first, second) = spans.of(SpanKind.PRODUCER), spans.of(SpanKind.CONSUMER)
    assert {span.links[0].context.span_id for span in (first, second)} == {sent.context.span_id}
    assert [span.attributes["sidelong.job.attempt"] for span in (first, second)] == [1, 2]
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "ValueError")
    assert [event.name for event in first.events] == ["exception"]


async def test_a_decision_of_the_job_is_no_error(app: Sidelong, site: Site, spans: Spans):
    @app.job(name="Discards")
    async def discards() -> None:
        raise Discard

    await discards.enqueue()
    async with app.worker():
        await site.drained()

    (performed,) = spans.of(SpanKind.CONSUMER)
    assert performed.status.status_code is StatusCode.UNSET
    assert performed.attributes["sidelong.job.decision"] == "Discard"


ODD = ["", "00-x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", 5, None, ["00"], {"a": 1}, "\x00" * 1000, "é" * 100_000]


@pytest.mark.parametrize("traceparent", ODD, ids=lambda value: ascii(value)[:12])
async def test_a_job_with_an_odd_origin_runs_without_a_link(
    app: Sidelong, site: Site, spans: Spans, traceparent: object
):
    ran: list[bool] = []

    @app.job(name="Odd")
    async def odd() -> None:
        ran.append(True)

    await app.client.push({"class": "Odd", "args": [], "traceparent": traceparent, "tracestate": traceparent})
    async with app.worker():
        await site.drained()

    assert ran == [True]
    assert [list(span.links) for span in spans.of(SpanKind.CONSUMER)] == [[]]


async def test_without_a_configured_provider_nothing_travels(site: Site):
    app = site.app()
    app.use(Tracing())

    @app.job(name="Plain")
    async def plain() -> None: ...

    async with app:
        await plain.enqueue()
        (raw,) = site.queue()
        async with app.worker():
            await site.drained()

    assert b"traceparent" not in raw
