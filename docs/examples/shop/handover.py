"""From the database to the queue: an order is committed first and enqueued after."""

import asyncio
import logging

from shop import orders, settings
from shop.jobs import CompleteOrder
from sidelong import PushError

logger = logging.getLogger("shop")


async def hand_over(order_id: int) -> bool:
    """Enqueue the job of a committed order; return whether Redis has it.

    Were it enqueued before the commit, the job could run first, and find no order. Were a failure shown to the
    customer, they would order again, although the order stands. So it is kept, and swept up later.
    """
    try:
        await CompleteOrder.enqueue(order_id)
    except PushError as error:
        logger.warning("order %s has to wait for a sweep: %s", order_id, error)
        return False
    await asyncio.to_thread(orders.note_enqueued, order_id)
    return True


async def sweep() -> None:
    """Enqueue the orders whose enqueuing failed, or whose web process died before it.

    Some may have a job after all. It does not matter: every step may run twice.
    """
    for order_id in await asyncio.to_thread(orders.without_job, settings.OVERDUE):
        if not await hand_over(order_id):
            return
