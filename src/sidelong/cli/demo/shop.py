"""The shop of the demo: three jobs that get an order charged, confirmed and shipped.

This is how jobs are meant to be written. Each may run more than once, as its worker or the service it calls
can die between doing the work and saying so; what must not happen twice carries a key made from the order.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sidelong.app import Sidelong
from sidelong.cli.demo.fakes import Bank, MailServer, Throttled, Warehouse


class Shop:
    """The jobs, and what the demo's screen wants to know of them.

    Attributes:
        runs: executions so far.
        retries: those of them that were not the first of their job.
        dead: jobs that ran out of retries.
        confirmed: orders whose mail was sent.
        shipped: orders whose parcel left.
    """

    def __init__(self, app: Sidelong, *, queue: str, bank: Bank, mail_server: MailServer, warehouse: Warehouse) -> None:
        self.runs = 0
        self.retries = 0
        self.dead = 0
        self.confirmed: set[int] = set()
        self.shipped: set[int] = set()

        @app.job(name="demo.charge", queue=queue, retry_in=soon)
        async def charge(order: int, cents: int) -> None:
            receipt = await bank.charge(order, cents, idempotency_key=f"order-{order}")
            await confirm.enqueue(order, receipt)
            await ship.enqueue(order)

        @app.job(name="demo.confirm", queue=queue, retry_in=soon)
        async def confirm(order: int, receipt: str) -> None:
            await mail_server.send(order, f"Thank you for order {order}. Your receipt: {receipt}")
            self.confirmed.add(order)

        @app.job(name="demo.ship", queue=queue, retry_in=soon)
        async def ship(order: int) -> None:
            await warehouse.ship(order, idempotency_key=f"order-{order}")
            self.shipped.add(order)

        @app.server_middleware
        async def count(job: dict[str, Any], call_next: Callable[[], Awaitable[object]]) -> object:
            self.runs += 1
            # `retry_count` appears in the payload with the first failure.
            self.retries += "retry_count" in job
            return await call_next()

        @app.death_handler
        def bury(job: Mapping[str, Any], exception: BaseException) -> None:
            self.dead += 1

        self._charge = charge

    async def take(self, orders: Mapping[int, int]) -> None:
        """Enqueue the first job of every order.

        Args:
            orders: cents to charge, by order number.
        """
        await self._charge.enqueue_many(orders.items())

    def has_done(self, orders: Mapping[int, int]) -> bool:
        """Tell whether every order is confirmed and shipped."""
        return self.confirmed >= orders.keys() and self.shipped >= orders.keys()


def soon(count: int, exception: BaseException, job: Mapping[str, Any]) -> float:
    """Return when to try again: in real life the default, 15 s and growing, is the better choice."""
    return exception.retry_after if isinstance(exception, Throttled) else 0.2
