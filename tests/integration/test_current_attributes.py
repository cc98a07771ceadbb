"""Context variables that travel with jobs through a real Redis: many at once, on schedule and through retries."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from sidelong import Sidelong, current_context
from sidelong.features.current_attributes import CurrentAttributes
from tests.integration.worker.conftest import real_site
from tests.integration.worker.site import Site
from tests.support.eventually import eventually

__all__ = ["real_site"]

JOBS = 50


@pytest.fixture
def tenant() -> ContextVar[str]:
    return ContextVar("tenant")


@pytest.fixture
async def app(real_site: Site, tenant: ContextVar[str]) -> AsyncIterator[Sidelong]:
    app = real_site.app()
    app.use(CurrentAttributes(tenant))
    async with app:
        yield app


async def test_fifty_jobs_at_once_and_what_they_enqueue_each_have_their_own(
    app: Sidelong, real_site: Site, tenant: ContextVar[str]
):
    all_run = asyncio.Barrier(JOBS)
    seen: list[tuple[str, int, str]] = []

    @app.job(name="Child")
    async def child(number: int) -> None:
        seen.append(("child", number, tenant.get()))

    @app.job(name="Thread")
    def in_thread(number: int) -> None:
        seen.append(("thread", number, tenant.get()))
        child.sync.enqueue(number)
        tenant.set("a thread's")

    @app.job(name="Parent")
    async def parent(number: int) -> None:
        await all_run.wait()
        seen.append(("parent", number, tenant.get()))
        await in_thread.enqueue(number)
        tenant.set("a parent's")

    for number in range(JOBS):
        tenant.set(f"tenant {number}")
        await parent.enqueue(number)
    tenant.set("the host's")
    async with app.worker(concurrency=JOBS):
        await real_site.drained(30)

    assert sorted(seen) == sorted(
        (name, number, f"tenant {number}") for name in ("parent", "thread", "child") for number in range(JOBS)
    )
    assert tenant.get() == "the host's"


async def test_jobs_keep_it_on_schedule_and_through_a_retry(app: Sidelong, real_site: Site, tenant: ContextVar[str]):
    all_run = asyncio.Barrier(JOBS)
    seen: list[tuple[int, int, str]] = []
    told: list[str] = []

    @app.error_handler
    def tell(error: BaseException, context: dict[str, object]) -> None:
        told.append(tenant.get())

    @app.job(name="Fails")
    async def fails(number: int) -> None:
        attempt = current_context().attempt
        await all_run.wait()
        seen.append((attempt, number, tenant.get()))
        if attempt == 1:
            raise ValueError("once")

    for number in range(JOBS):
        tenant.set(f"tenant {number}")
        await fails.enqueue_in(3600, number)
    scheduled = {item["jid"]: item["cattr"] for item, _ in real_site.members("schedule")}
    tenant.set("the host's")
    async with app.worker(concurrency=JOBS):
        real_site.make_due("schedule")
        await real_site.has("retry", JOBS, 15)
        failed = {item["jid"]: item["cattr"] for item, _ in real_site.members("retry")}
        real_site.make_due("retry")
        await eventually(lambda: len(seen) == 2 * JOBS, 15)
        await real_site.drained()

    tenants = [f"tenant {number}" for number in range(JOBS)]
    assert failed == scheduled
    assert sorted(seen) == [(attempt, number, tenants[number]) for attempt in (1, 2) for number in range(JOBS)]
    assert sorted(told) == sorted(tenants)


async def test_a_slot_and_a_thread_begin_each_job_anew(app: Sidelong, real_site: Site, tenant: ContextVar[str]):
    seen: list[tuple[str, str]] = []

    @app.job(name="Coroutine")
    async def coroutine() -> None:
        seen.append(("coroutine", tenant.get()))

    @app.job(name="Thread")
    def in_thread() -> None:
        seen.append(("thread", tenant.get()))

    tenant.set("acme")
    for job in (coroutine, in_thread):
        await job.enqueue()
        # Of a program that stores nothing, as one before a deploy.
        real_site.push(job.name, jid="b" * 24)
        real_site.push(job.name, jid="c" * 24, cattr={"user": 7})
    tenant.set("the host's")
    async with app.worker(concurrency=1):
        await real_site.drained()

    assert seen == [(name, value) for name in ("coroutine", "thread") for value in ("acme", "the host's", "the host's")]


async def test_what_is_not_declared_stays_in_the_payload_as_the_job_fails(app: Sidelong, real_site: Site):
    @app.job(name="Fails")
    async def fails() -> None:
        raise ValueError("no")

    stored = {"user": 7, "tenant": "acme", "tags": [None, {"a": 1.5}]}
    real_site.push("Fails", cattr=stored, cattr_1={"zone": "UTC"})
    async with app.worker():
        await real_site.has("retry")

    item, _ = real_site.only("retry")
    assert (json.dumps(item["cattr"]), item["cattr_1"]) == (json.dumps(stored), {"zone": "UTC"})
