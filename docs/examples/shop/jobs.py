"""What happens to an order, one job for each step. Every step may run twice: a worker may die at any line.

CompleteOrder ─┬─► write_invoice ──► SendReceipt
               └─► ShipOrder
"""

import asyncio
from datetime import timedelta
from typing import Any, ClassVar

from shop import orders, partners, settings
from shop.app import app
from sidelong import Discard, JobClass, Kill

RECEIPT = "receipt"


class OrderJob(JobClass):
    """What the steps have in common: how they are tried again, and what happens when they are given up."""

    # By time and not by number: a busy service is asked often, and an outage may last the night.
    options: ClassVar = {"timeout": 30, "retry_for": timedelta(days=1), "tags": ["order"]}

    def retry_in(self, count: int, error: BaseException, payload: dict[str, Any]) -> float | Kill:
        """Come back when a busy service says so, soon after an outage, and hardly ever after a bug."""
        if isinstance(error, partners.Throttled):
            return error.retry_after
        if isinstance(error, app.config.transient):
            return min(settings.RETRY_DELAY * (count + 1), 60)
        # A bug does not pass by itself; its job waits among the dead, where it can be retried once it is mended.
        return settings.RETRY_DELAY if count < 2 else Kill("this looks like a bug")

    async def retries_exhausted(self, payload: dict[str, Any], error: BaseException) -> None:
        """Tell the customer. The death handler, in `errors.py`, tells us."""
        await asyncio.to_thread(orders.note_delay, payload["args"][0], payload["jid"])


def read(order_id: int) -> orders.Order:
    """Return an order; without one there is nothing left to do for a job."""
    try:
        return orders.find(order_id)
    except orders.NoSuchOrder:
        raise Discard(f"order {order_id} is gone") from None


@app.job(queue="shop-orders")
class CompleteOrder(OrderJob):
    """Charge the card, then start what depends on it."""

    async def perform(self, order_id: int) -> None:
        order = await asyncio.to_thread(read, order_id)
        if order.state != "pending":
            return
        try:
            charge = await partners.charge(order_id, card=order.card, cents=order.cents)
        except partners.PaymentDeclined as declined:
            # Not an error, and no reason to try again: it is how this order ends.
            await asyncio.to_thread(orders.decline, order_id, str(declined))
            return
        await asyncio.to_thread(orders.note_charged, order_id, charge)
        await write_invoice.enqueue(order_id)
        await ShipOrder.enqueue(order_id)


@app.job(queue="shop-invoices")
def write_invoice(order_id: int) -> None:
    """Give the invoice its number, then have it mailed. A `def` job: it runs in a thread and may block.

    The number is read first and taken afterwards, so two of these must not run at once: see the capsule in `app.py`.
    """
    number = read(order_id).invoice
    if number is None:
        number = orders.last_invoice() + 1
        orders.note_invoice(order_id, number)
    SendReceipt.sync.enqueue(order_id, number)


@app.job(queue="shop-mail")
class SendReceipt(OrderJob):
    """Send the receipt, unless it was sent: the e-mail service takes no idempotency key, but it can be searched."""

    async def perform(self, order_id: int, invoice: int) -> None:
        order = await asyncio.to_thread(read, order_id)
        # Two jobs that search at the same time would both find nothing.
        if order.mail or not await asyncio.to_thread(orders.claim_mail, order_id, self.context.jid):
            return
        mail = await partners.find_mail(to=order.email, template=RECEIPT, order_id=order_id)
        if mail is None:
            mail = await partners.send_mail(to=order.email, template=RECEIPT, order_id=order_id, invoice=invoice)
        await asyncio.to_thread(orders.note_mailed, order_id, mail)


@app.job(queue="shop-parcels")
class ShipOrder(OrderJob):
    """Have the goods sent; the idempotency key keeps a second request from becoming a second parcel."""

    async def perform(self, order_id: int) -> None:
        order = await asyncio.to_thread(read, order_id)
        if order.parcel:
            return
        # The bug of this shop: nobody has thought of an order in 0 parcels.
        share = order.grams // order.parcels
        parcel = await partners.ship(order_id, item=order.item, parcels=[share] * order.parcels)
        await asyncio.to_thread(orders.note_shipped, order_id, parcel)
