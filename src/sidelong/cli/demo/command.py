"""`sidelong demo`: builds the shop, runs a worker in this process until all is done, and opens the books."""

import asyncio
import logging
import secrets
import sys
from random import Random

from rich.console import Console

from sidelong.app import Sidelong
from sidelong.cli.demo.fakes import Bank, MailServer, Warehouse, Weather
from sidelong.cli.demo.ledger import Ledger, balance
from sidelong.cli.demo.screen import Screen
from sidelong.cli.demo.shop import Shop
from sidelong.cli.event_loop import choose_event_loop
from sidelong.errors import ConfigurationError, StoreError
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.worker.worker import Worker

_CONCURRENCY = 50
_PATIENCE = 120.0
"""Seconds after which the demo gives up and says what is missing."""


def run_demo(redis: str | None, *, seed: int, orders: int) -> int:
    """Run the demo and return the exit status: 0 only if the ledger is right."""
    # The failures are the demo's subject: they are counted on the screen, not logged with their tracebacks.
    logging.getLogger("sidelong").setLevel(logging.CRITICAL)
    try:
        # Named anew each time: on a Redis that others use, only this worker serves the queue.
        queue = f"demo-{secrets.token_hex(4)}"
        app = Sidelong(redis or f"memory://{queue}")
        event_loop = choose_event_loop(app.config.event_loop, app.sources["event_loop"])
        with asyncio.Runner(loop_factory=event_loop.make) as runner:
            ledger = runner.run(_run(app, queue, Console(highlight=False), redis, seed, orders))
    except (ConfigurationError, StoreError) as error:
        sys.stderr.write(f"sidelong: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("sidelong: the demo was interrupted.\n")
        return 130
    return 1 if ledger.faults else 0


async def _run(app: Sidelong, queue: str, console: Console, redis: str | None, seed: int, number: int) -> Ledger:
    dice = Random(seed)
    orders = {order: dice.randrange(500, 20_000) for order in range(1, number + 1)}
    weather = Weather()
    bank, mail_server, warehouse = Bank(seed, weather), MailServer(seed, weather), Warehouse(seed, weather)
    shop = Shop(app, queue=queue, bank=bank, mail_server=mail_server, warehouse=warehouse)
    screen = Screen(console, shop, orders=number, bank=bank, mail_server=mail_server, warehouse=warehouse)

    async with app:
        worker = app.worker(concurrency=_CONCURRENCY, queues=[queue], timeout=5)
        async with worker:
            identity = worker.identity or ""
            screen.begin(redis=app.store.address if redis else "an embedded Redis", seed=seed)
            with screen.live():
                await _watch(worker, shop, screen, orders)
            screen.end()
        link = app.store.link("demo")
        left_over = await _count_left(link, queue, identity)
        if not left_over:
            await link.call("SREM", keys.QUEUES, queue)
        await link.close()

    ledger = balance(orders, bank, mail_server, warehouse, left_over)
    screen.summary(ledger)
    return ledger


async def _watch(worker: Worker, shop: Shop, screen: Screen, orders: dict[int, int]) -> None:
    """Enqueue the orders and return once all are done, or when it is clear that they will not be."""

    async def trade() -> None:
        await shop.take(orders)
        while not shop.has_done(orders) and not shop.dead and screen.elapsed < _PATIENCE:
            screen.tell()
            await asyncio.sleep(0.05)
        screen.tell()

    trading = asyncio.create_task(trade())
    # A worker that fails ends the demo with its error, instead of leaving it to wait.
    working = asyncio.create_task(worker.wait())
    try:
        await asyncio.wait({trading, working}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, trading):
            if task.done():
                task.result()
    finally:
        working.cancel()
        trading.cancel()


async def _count_left(link: Link, queue: str, identity: str) -> int:
    """Count the jobs of the demo that are still somewhere in Redis."""
    left: int = await link.call("LLEN", keys.queue(queue))
    left += await link.call("LLEN", keys.inflight(identity, queue))
    for name in (keys.SCHEDULE, keys.RETRY, keys.DEAD):
        # The name of the queue is random: bytes that hold it are a job of ours.
        left += sum(queue.encode() in member for member in await link.call("ZRANGE", name, 0, -1))
    return left
