"""Steps of jobs that a worker runs, breaks off, hands back and runs again."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sidelong import JobClass, Sidelong, current_context
from sidelong.client.background import end_background
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.timings import TEST_TIMINGS


@pytest.fixture(autouse=True)
def ended_background() -> Iterator[None]:
    yield
    end_background()


def steps_of(site: Site, jid: str) -> dict[bytes, bytes]:
    """Return what is remembered of a job, once it is sure that it will be forgotten."""
    key = f"sidelong:steps:{jid}"
    assert 2_591_000 < site.client.ttl(key) <= 2_592_000
    found: dict[bytes, bytes] = site.client.hgetall(key)  # type: ignore[assignment]
    return found


class Shop:
    """An application whose jobs charge in one step and ship in the next, which fails as often as it is told."""

    def __init__(self, app: Sidelong, failures: int = 1) -> None:
        self.app = app
        self.charged: list[str] = []
        self.shipped: list[Any] = []
        self.failures = failures

        @app.job(name="Order", retry_in=lambda *_: 0.01)
        async def order(order_id: int) -> None:
            context = current_context()
            async with context.once("charge", order_id) as step:
                receipt = await step.run(self.charge, context.idempotency_key("charge", order_id))
            async with context.once("ship") as step:
                if not step.done:
                    self.fail()
                    self.shipped.append(receipt)

        @app.job(name="Thread", retry_in=lambda *_: 0.01)
        def in_thread(order_id: int) -> None:
            context = current_context()
            with context.once("charge", order_id) as step:
                if not step.done:
                    self.charged.append(context.idempotency_key("charge", order_id))
                    step.result = f"receipt {len(self.charged)}"
            with context.once("ship") as step:
                if not step.done:
                    self.fail()
                    self.shipped.append(step.result or "receipt 1")

        @app.job(name="Class", retry_in=lambda *_: 0.01)
        class Order(JobClass):
            async def perform(this, order_id: int) -> None:  # noqa: N805
                async with this.context.once("charge", order_id) as step:
                    receipt = await step.run(self.charge, this.context.idempotency_key("charge", order_id))
                async with this.context.once("ship") as step:
                    if not step.done:
                        self.fail()
                        self.shipped.append(receipt)

    async def charge(self, key: str) -> str:
        self.charged.append(key)
        return f"receipt {len(self.charged)}"

    def fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the warehouse is closed")


@pytest.mark.parametrize("name", ["Order", "Thread", "Class"])
async def test_a_retry_goes_on_after_the_last_finished_step(site: Site, name: str) -> None:
    shop = Shop(site.app(), failures=3)

    async with shop.app, shop.app.worker():
        site.push(name, 7, jid="a" * 24, retry=True)
        await eventually(lambda: shop.shipped, 20)
        await site.drained()

    assert shop.shipped == ["receipt 1"]
    assert len(shop.charged) == 1
    assert steps_of(site, "a" * 24) == {b'["charge",7]': b'{"result":"receipt 1"}', b'["ship"]': b'{"result":null}'}


async def test_a_dead_job_that_is_run_again_goes_on_as_well(site: Site) -> None:
    shop = Shop(site.app())

    async with shop.app, shop.app.worker():
        raw = site.push("Order", 7, jid="a" * 24, retry=0)
        await site.has("dead")
        site.client.delete("dead")
        site.push_raw(raw)
        await eventually(lambda: shop.shipped)
        await site.drained()

    assert len(shop.charged) == 1


async def test_a_stop_while_a_step_is_under_way_does_it_again_and_none_before_it(site: Site) -> None:
    shop = Shop(site.app())
    gate, began = asyncio.Event(), asyncio.Event()

    @shop.app.job(name="Slow")
    async def slow() -> None:
        async with current_context().once("charge") as step:
            await step.run(shop.charge, "key")
        async with current_context().once("ship") as step:
            if not step.done:
                shop.shipped.append("began")
                began.set()
                await gate.wait()
        shop.shipped.append("done")

    site.push("Slow", jid="a" * 24)
    async with shop.app:
        async with shop.app.worker(timeout=0):
            await began.wait()
        assert list(steps_of(site, "a" * 24)) == [b'["charge"]']
        gate.set()
        async with shop.app.worker():
            await site.drained()

    assert shop.charged == ["key"]
    assert shop.shipped == ["began", "began", "done"]


async def test_a_stop_at_the_end_of_a_step_does_not_make_it_be_forgotten(site: Site) -> None:
    app = site.app()
    charged: list[str] = []
    began = asyncio.Event()

    @app.job(name="Order")
    async def order() -> None:
        async with current_context().once("charge") as step:
            if not step.done:
                charged.append("charge")
                began.set()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    assert task is not None
                    # Once more, to be met by the end of the step.
                    asyncio.get_running_loop().call_soon(task.cancel)
        charged.append("end")

    site.push("Order", jid="a" * 24)
    async with app:
        async with app.worker(timeout=0):
            await began.wait()
        assert list(steps_of(site, "a" * 24)) == [b'["charge"]']
        async with app.worker():
            await site.drained()

    assert charged == ["charge", "end"]


async def test_a_timeout_does_not_make_a_finished_step_be_forgotten(site: Site) -> None:
    app = site.app()
    seen: list[str] = []

    @app.job(name="Order", timeout=0.05, retry_in=lambda *_: 0.01)
    async def order() -> None:
        async with current_context().once("charge") as step:
            if not step.done:
                seen.append("charge")
        if current_context().attempt == 1:
            await asyncio.sleep(60)
        seen.append("end")

    async with app, app.worker():
        site.push("Order", retry=True)
        await eventually(lambda: "end" in seen)
        await site.drained()

    assert seen == ["charge", "end"]


async def test_a_body_that_does_not_ask_does_its_work_once_however_often_it_is_retried(site: Site) -> None:
    app = site.app(max_retries=3)
    charged: list[str] = []

    @app.job(name="Order", retry_in=lambda *_: 0.01)
    async def order() -> None:
        async with current_context().once("charge"):
            charged.append("charge")

    async with app, app.worker():
        site.push("Order", retry=True)
        await site.has("dead", within=20)

    item, _ = site.only("dead")
    assert item["error_class"] == "sidelong.errors.StepError"
    assert "does not ask" in item["error_message"]
    assert charged == ["charge"]


async def test_fifty_jobs_at_once_have_their_own_steps(site: Site) -> None:
    app = site.app()
    seen: dict[str, list[Any]] = {}

    @app.job(name="Order", retry_in=lambda *_: 0.01)
    async def order(number: int) -> None:
        context = current_context()

        async def part(each: int) -> Any:
            async with context.once("part", each) as step:
                return await step.run(lambda: asyncio.sleep(0, (number, each, context.attempt)))

        parts = await asyncio.gather(*map(part, range(3)))
        if context.attempt == 1:
            raise OSError
        seen[context.jid] = [number, parts]

    async with app, app.worker(concurrency=50):
        for number in range(50):
            site.push("Order", number, jid=f"{number:024x}")
        await eventually(lambda: len(seen) == 50, 20)
        await site.drained()

    assert sorted(seen.values()) == [[number, [[number, each, 1] for each in range(3)]] for number in range(50)]


async def test_a_def_job_that_outlives_its_worker_still_remembers(site: Site, log: Lines) -> None:
    app = site.app(cancel_grace=0.1)
    gate, began, ended = threading.Event(), threading.Event(), threading.Event()

    @app.job(name="Thread")
    def in_thread() -> None:
        with current_context().once("charge") as step:
            if not step.done:
                began.set()
                gate.wait(20)
        ended.set()

    async with app:
        site.push("Thread", jid="a" * 24)
        async with app.worker(timeout=0):
            await asyncio.to_thread(began.wait, 20)
        gate.set()
        await asyncio.to_thread(ended.wait, 20)

    assert list(steps_of(site, "a" * 24)) == [b'["charge"]']
    site.client.delete("queue:default", "queues")


@pytest.mark.allow_any_keys
async def test_what_took_the_place_of_the_steps_keeps_the_job_from_its_work(site: Site) -> None:
    shop = Shop(site.app())
    site.client.set(f"sidelong:steps:{'a' * 24}", "text")

    async with shop.app, shop.app.worker():
        site.push("Order", 7, jid="a" * 24, retry=0)
        await site.has("dead")

    item, _ = site.only("dead")
    assert "WRONGTYPE" in item["error_message"]
    assert shop.charged == []


@pytest.mark.parametrize("name", ["Order", "Thread"])
async def test_a_lost_reply_to_a_record_is_no_second_charge(real_site: Site, proxy: Proxy, name: str) -> None:
    number = real_site.client.get_connection_kwargs()["db"]
    shop = Shop(Sidelong(proxy.url(number), **TEST_TIMINGS), failures=0)

    async with shop.app, shop.app.worker():
        proxy.drop_reply_to(b'{"result":"receipt')
        real_site.push(name, 7, jid="a" * 24)
        await eventually(lambda: shop.shipped, 20)
        await real_site.drained()

    assert proxy.replies_dropped == 1
    assert (len(shop.charged), shop.shipped) == (1, ["receipt 1"])
    assert json.loads(steps_of(real_site, "a" * 24)[b'["charge",7]']) == {"result": "receipt 1"}


async def test_jobs_without_steps_open_no_connection_for_them(real_site: Site) -> None:
    app = real_site.app()

    @app.job(name="Plain")
    async def plain() -> None:
        pass

    async with app, app.worker():
        real_site.push("Plain")
        await real_site.drained()
        assert b"sidelong:steps" not in [entry["name"].encode() for entry in real_site.client.client_list()]


async def test_a_worker_closes_the_connection_of_its_steps(real_site: Site) -> None:
    shop = Shop(real_site.app(), failures=0)

    async with shop.app.worker():
        real_site.push("Order", 7)
        await eventually(lambda: shop.shipped)
        await real_site.drained()

    await eventually(lambda: not any(entry["name"].startswith("sidelong") for entry in real_site.client.client_list()))
