"""Whatever a job raises is that job's failure: the slot is free again, and nothing else notices."""

import asyncio
from typing import Any

import anyio
import pytest

from sidelong import Sidelong
from tests.integration.worker.site import Site
from tests.support.eventually import eventually


class OddError(BaseException):
    """Derives from nothing that `except Exception` catches."""


FAULTS = {
    "SystemExit": lambda: SystemExit(1),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration("value"),
    "StopAsyncIteration": StopAsyncIteration,
    "CancelledError": asyncio.CancelledError,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [SystemExit(2), ValueError("one")]),
    "OddError": OddError,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
}


@pytest.mark.parametrize("kind", ["async", "def"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_any_exception_is_a_failure_of_the_job(site: Site, kind: str, fault: str) -> None:
    app = site.app()
    ran: list[str] = []

    if kind == "async":

        @app.job(name="Bad")
        async def on_loop() -> None:
            raise FAULTS[fault]()
    else:

        @app.job(name="Bad")
        def in_thread() -> None:
            raise FAULTS[fault]()

    @app.job(name="Good")
    async def good() -> None:
        ran.append("good")

    site.push("Bad", jid="1" * 24)
    site.push("Good", jid="2" * 24)
    async with app, app.worker(concurrency=1) as worker:
        await eventually(lambda: ran)
        await site.drained()
        await eventually(lambda: worker.is_ready)

    item, _ = site.only("retry")
    # Python lets no StopIteration out of a coroutine, and a cancellation that nobody asked for is none.
    renamed = {"CancelledError": "RuntimeError", "StopIteration": "RuntimeError"}
    assert item["error_class"].rsplit(".", 1)[-1] == renamed.get(fault, fault)
    assert site.counter("stat:processed") == 2
    assert site.counter("stat:failed") == 1


async def test_awaiting_something_cancelled_is_a_failure(site: Site) -> None:
    app = site.app()

    @app.job(name="Bad")
    async def bad() -> None:
        other = asyncio.create_task(asyncio.sleep(30))
        other.cancel()
        await other

    site.push("Bad")
    async with app, app.worker(concurrency=1):
        await site.has("retry")

    assert site.only("retry")[0]["error_message"] == "the job was cancelled from inside"


async def test_a_job_that_cancels_its_own_task_fails(site: Site) -> None:
    app = site.app()

    @app.job(name="Bad")
    async def bad() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(30)

    site.push("Bad")
    async with app, app.worker(concurrency=1):
        await site.has("retry")
        await site.drained()

    assert site.only("retry")[0]["error_message"] == "the job was cancelled from inside"


async def test_a_cancelled_job_does_not_lose_its_outcome_to_a_handler_that_is_cancelled_from_inside(
    site: Site,
) -> None:
    app = site.app()
    told: list[str] = []
    runs: list[str] = []

    @app.error_handler
    async def tell(error: BaseException, context: dict[str, Any]) -> None:
        told.append(type(error).__name__)
        other = asyncio.create_task(asyncio.sleep(30))
        other.cancel()
        await other

    @app.job(name="Slow", timeout=0.02)
    async def slow() -> None:
        runs.append("slow")
        await asyncio.sleep(30)

    site.push("Slow")
    async with app, app.worker(concurrency=1):
        await site.has("retry")
        await site.drained()

    assert told == ["JobTimeoutError"]
    assert runs == ["slow"]


async def test_a_leaked_cancel_scope_is_a_failure_at_most(site: Site) -> None:
    app = site.app()
    ran: list[str] = []

    @app.job(name="Bad")
    async def bad() -> None:
        scope = anyio.CancelScope()
        scope.__enter__()
        scope.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(30)

    @app.job(name="Good")
    async def good() -> None:
        ran.append("good")

    site.push("Bad", jid="1" * 24)
    site.push("Good", jid="2" * 24)
    async with app, app.worker(concurrency=1):
        await eventually(lambda: ran)
        await site.drained()

    assert site.client.zcard("retry") == 1


def misbehave(app: Sidelong, faults: list[str]) -> None:
    @app.job(name="Async", retry=False)
    async def on_loop(number: int) -> None:
        fault = faults[number % len(faults)]
        if fault == "cancelled":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        raise FAULTS[fault]()

    @app.job(name="Sync", retry=False)
    def in_thread(number: int) -> None:
        raise FAULTS[faults[number % len(faults)]]()


@pytest.mark.redis_server
async def test_all_slots_are_alive_after_ten_thousand_such_jobs(real_site: Site) -> None:
    site = real_site
    app = site.app()
    app.hooks.error_handlers.clear()
    misbehave(app, ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "BaseExceptionGroup"])
    together = asyncio.Barrier(10)
    met: list[Any] = []

    @app.job(name="Together")
    async def meet() -> None:
        met.append(await asyncio.wait_for(together.wait(), 10))

    for name, count in (("Async", 9000), ("Sync", 1000)):
        await app.client.push_bulk(
            {"class": name, "args": [[number] for number in range(count)], "retry": False}, batch_size=5000
        )
    async with app, app.worker(concurrency=10) as worker:
        # The services have begun once a job has ended.
        await eventually(lambda: site.counter("stat:processed") > 0)
        tasks = sum(task.get_name() != "sidelong-job" for task in asyncio.all_tasks())
        await eventually(lambda: site.counter("stat:processed") == 10_000, 40)
        # They meet only if ten of them run at once.
        await app.client.push_bulk({"class": "Together", "args": [[]] * 10})
        await eventually(lambda: len(met) == 10)
        await site.drained()
        assert worker.running == []
        assert len(asyncio.all_tasks()) <= tasks

    assert site.counter("stat:failed") == 10_000
    assert site.client.zcard("retry") == 0
