"""`python -m shop.load --orders 1000`: places orders over HTTP, waits for their end, and compares the books."""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable

import httpx

from shop import settings


async def load(count: int, at_once: int, patience: float) -> int:
    """Place `count` orders, `at_once` at a time, and return the exit status: 0 if the books are right."""
    # The server closes what was idle for five seconds: a request must not meet that.
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=settings.SHOP_URL, timeout=30, limits=limits) as client:
        began = time.monotonic()
        numbers = iter(range(count))
        placed: list[int] = []
        await asyncio.gather(*(place(client, numbers, placed) for _ in range(at_once)))
        print(f"{len(placed):,} orders placed in {time.monotonic() - began:.1f} s", flush=True)

        states: dict[str, int] = {"pending": count}
        while states["pending"] and time.monotonic() - began < patience:
            await asyncio.sleep(0.25)
            states = (await client.get("/progress", params={"after": min(placed) - 1})).json()
            tell(f"{time.monotonic() - began:6.1f} s  " + ", ".join(f"{n:,} {state}" for state, n in states.items()))
        print(f"\n{count:,} orders in {time.monotonic() - began:.1f} s: {states['complete']:,} complete")
        return await compare_books(client, placed, states)


async def place(client: httpx.AsyncClient, numbers: Iterable[int], placed: list[int]) -> None:
    """Place one order after the other, until there are no numbers left."""
    for number in numbers:
        order = {"item": "Tea", "email": f"customer-{number % 50}@example.org", "card": "4242424242424242"}
        answer = await client.post("/orders", json=order)
        placed.append(answer.raise_for_status().json()["id"])


async def compare_books(client: httpx.AsyncClient, placed: list[int], states: dict[str, int]) -> int:
    """Print what the services did for these orders; return 1 if it was not once for each."""
    books = {
        name: (await client.get(f"{settings.SERVICES_URL}/{name}/books")).json()
        for name in ("payments", "email", "fulfilment", "errors")
    }
    done = {
        "charged": Counter(int(charge["key"].removeprefix("order-")) for charge in books["payments"]["charges"]),
        "mailed": Counter(mail["order"] for mail in books["email"]["messages"]),
        "fulfilled": Counter(job["order"] for job in books["fulfilment"]["jobs"]),
    }
    for what, times in done.items():
        once = sum(times[order] == 1 for order in placed)
        more = sum(times[order] > 1 for order in placed)
        print(f"{what:>10}: {once:,} once, {more:,} more than once, {len(placed) - once - more:,} never")
    print(f"    errors: {len(books['errors']['notices']):,}, alerts: {len(books['errors']['alerts']):,}")
    is_right = states["complete"] == len(placed) and all(
        times[order] == 1 for times in done.values() for order in placed
    )
    print("The books are right." if is_right else "The books are NOT right.")
    return 0 if is_right else 1


def tell(line: str) -> None:
    """Print a line in place of the last one, where that can be seen."""
    if sys.stdout.isatty():
        print(f"\r{line}\033[K", end="", flush=True)


def main() -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shop.load", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--at-once", type=int, default=20, help="how many requests at a time (default: 20)")
    parser.add_argument("--patience", type=float, default=600, help="seconds after which it gives up (default: 600)")
    options = parser.parse_args()
    try:
        return asyncio.run(load(options.orders, options.at_once, options.patience))
    except httpx.HTTPError as error:
        print(f"The shop at {settings.SHOP_URL} does not take the order: {error!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
