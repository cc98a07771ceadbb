"""What the jobs do, and that each of them may be killed anywhere."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shop import orders, partners
from shop.handover import hand_over
from shop.jobs import CompleteOrder, SendReceipt, ShipOrder, write_invoice
from shop.services.payments import POOR_CARD
from shop.tests.conftest import DRAFT, Services
from sidelong import Discard
from sidelong.testing import Jobs, crash_after_each_await

pytestmark = pytest.mark.anyio


async def test_an_order_is_charged_mailed_and_shipped(sidelong_fake: Jobs, services: Services) -> None:
    order_id = orders.place(DRAFT)
    await hand_over(order_id)

    assert await sidelong_fake.drain() == 4

    assert orders.find(order_id).state == "complete"
    assert [charge["cents"] for charge in services["payments"].records] == [1350]
    assert [mail["invoice"] for mail in services["email"].records] == [1001]
    assert [job["parcels"] for job in services["fulfilment"].records] == [[150, 150]]


async def test_a_declined_order_starts_no_other_job(sidelong_fake: Jobs, services: Services) -> None:
    order_id = orders.place(replace(DRAFT, card=POOR_CARD))
    await hand_over(order_id)

    assert await sidelong_fake.drain() == 1

    assert orders.find(order_id).state == "declined"
    assert orders.stock()["Tea"] == 100_000


async def test_each_step_waits_in_a_queue_of_its_own(sidelong_fake: Jobs, services: Services) -> None:
    order_id = orders.place(DRAFT)
    await hand_over(order_id)
    await sidelong_fake.perform_one(CompleteOrder)

    sidelong_fake.assert_enqueued(write_invoice, [order_id], queue="shop-invoices")
    sidelong_fake.assert_enqueued(ShipOrder, [order_id], queue="shop-parcels")
    await sidelong_fake.drain(queue="shop-invoices")
    sidelong_fake.assert_enqueued(SendReceipt, [order_id, 1001], queue="shop-mail")
    assert not services["fulfilment"].records


async def test_an_outage_and_a_missing_order_end_as_they_should(sidelong_inline: Jobs, services: Services) -> None:
    services["payments"].mode = "throttle"

    with pytest.raises(partners.Throttled) as throttled:
        await CompleteOrder.enqueue(orders.place(DRAFT))
    assert CompleteOrder().retry_in(0, throttled.value, {}) == throttled.value.retry_after
    with pytest.raises(Discard, match="order 999 is gone"):
        await ShipOrder.enqueue(999)


# Each step is killed after each of its awaits, and run again.

NewOrder = Callable[[], int]


async def test_a_killed_charge_charges_once_and_goes_on(services: Services, new_order: NewOrder) -> None:
    async for crash in crash_after_each_await(CompleteOrder, 1, setup=new_order):
        assert len(services["payments"].records) == 1, crash
        crash.jobs.assert_enqueued(write_invoice, [1])
        crash.jobs.assert_enqueued(ShipOrder, [1])


async def test_a_killed_invoice_keeps_its_number(services: Services, new_order: NewOrder) -> None:
    async for crash in crash_after_each_await(write_invoice, 1, setup=new_order):
        assert orders.find(1).invoice == orders.last_invoice() == 1001, crash
        crash.jobs.assert_enqueued(SendReceipt, [1, 1001])


async def test_a_killed_receipt_is_sent_once(services: Services, new_order: NewOrder) -> None:
    async for crash in crash_after_each_await(SendReceipt, 1, 1001, setup=new_order):
        assert [mail["id"] for mail in services["email"].records] == [orders.find(1).mail], crash


async def test_a_killed_shipment_is_sent_once(services: Services, new_order: NewOrder) -> None:
    async for crash in crash_after_each_await(ShipOrder, 1, setup=new_order):
        assert [job["id"] for job in services["fulfilment"].records] == [orders.find(1).parcel], crash
