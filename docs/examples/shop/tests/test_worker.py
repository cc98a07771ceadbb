"""All parts together, on a Redis database of the test's own."""

import asyncio

import pytest

from shop import jobs, orders
from shop.handover import hand_over
from shop.tests.conftest import DRAFT, Services


@pytest.mark.anyio
async def test_a_worker_completes_an_order(sidelong_redis: str, services: Services) -> None:
    order_id = orders.place(DRAFT)
    await hand_over(order_id)

    async with asyncio.timeout(30), jobs.app.worker():
        while orders.find(order_id).state == "pending":
            await asyncio.sleep(0.01)

    assert orders.find(order_id).state == "complete"
    assert [len(services[name].records) for name in ("payments", "email", "fulfilment")] == [1, 1, 1]
