"""Arguments as the parameters are annotated, all the way through a worker."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from sidelong import JobClass
from tests.integration.worker.site import Site
from tests.support.eventually import eventually

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@dataclass
class Order:
    id: UUID
    placed: datetime
    total: Decimal


async def test_functions_threads_and_classes_get_what_was_enqueued(site: Site) -> None:
    app = site.app()
    seen: dict[str, Any] = {}

    @app.job
    async def ship(order: Order, day: date, *more: Order) -> None:
        seen["ship"] = (order, day, *more)

    @app.job
    def bill(orders: list[Order], paid: Decimal | None = None) -> None:
        seen["bill"] = (orders, paid)

    @app.job(name="Close")
    class Close(JobClass):
        async def perform(self, order: Order) -> None:
            seen["close"] = order

    order = Order(uuid4(), NOW, Decimal("9.90"))
    async with app, app.worker():
        await ship.enqueue(order, NOW.date(), order)
        await bill.enqueue_in(0.01, [order], paid=Decimal(1))
        await Close.enqueue_many([(order,)])
        await eventually(lambda: len(seen) == 3)

    assert seen == {"ship": (order, NOW.date(), order), "bill": ([order], Decimal(1)), "close": order}


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_payload_that_does_not_fit_is_tried_again_and_says_why(site: Site, in_thread: bool) -> None:
    app = site.app()
    heard: list[BaseException] = []
    app.error_handler(lambda error, context: heard.append(error))

    async def ship(count: int, order: Order) -> None:
        raise AssertionError

    def ship_in_thread(count: int, order: Order) -> None:
        raise AssertionError

    app.job(name="Ship")(ship_in_thread if in_thread else ship)

    site.push("Ship", "5", None)
    async with app, app.worker():
        await site.has("retry")

    item, _ = site.only("retry")
    assert item["error_class"] == "sidelong.errors.ArgumentError"
    assert item["error_message"] == "Ship: count does not fit int: Expected `int`, got `str`"
    assert (item["args"], item["retry_count"]) == (["5", None], 0)
    assert [type(error).__name__ for error in heard] == ["ArgumentError"]


async def test_server_middleware_sees_json_and_may_mend_it(site: Site) -> None:
    app = site.app()
    seen: list[Any] = []

    @app.server_middleware
    async def mend(job: dict[str, Any], call_next: Any) -> None:
        seen.extend(job["args"])
        job["args"] = [int(job["args"][0]), job["args"][1]]
        await call_next()

    @app.job(name="Ship")
    async def ship(count: int, day: date) -> None:
        seen.extend([count, day])

    site.push("Ship", "5", "2026-05-01")
    async with app, app.worker():
        await site.drained()

    assert seen == ["5", "2026-05-01", 5, date(2026, 5, 1)]


async def test_without_types_any_payload_is_run(site: Site) -> None:
    app = site.app()
    seen: list[Any] = []

    @app.job(name="Ship", typed=False)
    async def ship(count: int, day: date) -> None:
        seen.extend([count, day])

    site.push("Ship", "5", {"year": 2026})
    async with app, app.worker():
        await site.drained()

    assert seen == ["5", {"year": 2026}]


async def test_what_other_programs_push_by_name_is_converted_where_it_runs(site: Site) -> None:
    app = site.app()
    seen: list[Any] = []

    @app.job(name="Ship")
    async def ship(day: date, share: float) -> None:
        seen.append((day, share))

    async with app, app.worker():
        await app.client.push({"class": "Ship", "args": ["2026-05-01", 1]})
        await site.drained()
        await eventually(lambda: bool(seen))

    assert seen == [(date(2026, 5, 1), 1.0)]
    assert type(seen[0][1]) is float
