"""The outside world of the demo: a bank, a mail server and a warehouse, all of them slow and unreliable.

What goes wrong is drawn from the seed, the service, the order and the attempt: the same seed gives the same
failures in whatever order the jobs happen to run.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random


class Throttled(Exception):  # noqa: N818 - reads as what happened
    """The service is busy and did nothing.

    Attributes:
        retry_after: in how many seconds to come back.
    """

    def __init__(self, service: str, retry_after: float) -> None:
        super().__init__(f"{service} is busy, come back in {retry_after:g} s")
        self.retry_after = retry_after


class Crashed(Exception):  # noqa: N818 - reads as what happened
    """The service broke off; whether it had done its work by then, the caller cannot know."""


@dataclass(frozen=True)
class Weather:
    """How often things go wrong, as shares of all calls, and how long a call takes at most, in seconds."""

    throttled: float = 0.06
    crashed_before: float = 0.04
    crashed_after: float = 0.04
    slowest: float = 0.12


class _Service:
    """Slow, throttled and crashing calls, counted."""

    name = "service"

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather
        self._attempts: Counter[int] = Counter()
        self.throttled = 0
        self.crashed = 0

    async def _enter(self, order: int) -> bool:
        """Spend the time of a call, or fail before its work is done; return whether to crash after it."""
        self._attempts[order] += 1
        dice = Random(f"{self._seed}/{self.name}/{order}/{self._attempts[order]}")
        await asyncio.sleep(dice.uniform(0, self._weather.slowest))
        luck = dice.random()
        if (luck := luck - self._weather.throttled) < 0:
            self.throttled += 1
            raise Throttled(self.name, retry_after=0.1)
        if (luck := luck - self._weather.crashed_before) < 0:
            self._crash()
        return luck < self._weather.crashed_after

    def _crash(self) -> None:
        self.crashed += 1
        raise Crashed(f"{self.name}: connection reset by peer")


class Bank(_Service):
    """Takes money; a repeated idempotency key is answered with the first receipt and takes nothing."""

    name = "bank"

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__(seed, weather)
        self.charges: list[tuple[int, int]] = []
        """Every time money moved: the order and the cents."""
        self._receipts: dict[str, str] = {}

    async def charge(self, order: int, cents: int, *, idempotency_key: str) -> str:
        """Take `cents` for `order` and return the receipt's number."""
        crashes_after = await self._enter(order)
        if idempotency_key not in self._receipts:
            self.charges.append((order, cents))
            self._receipts[idempotency_key] = f"R{len(self.charges):06d}"
        if crashes_after:
            self._crash()
        return self._receipts[idempotency_key]


class MailServer(_Service):
    """Sends mails; like SMTP it knows no idempotency keys, so a repeated call sends again."""

    name = "mail server"

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__(seed, weather)
        self.sent: list[int] = []
        """The order of every mail that left, in order of sending."""

    async def send(self, order: int, text: str) -> None:
        """Send `text` to whoever placed `order`."""
        crashes_after = await self._enter(order)
        self.sent.append(order)
        if crashes_after:
            self._crash()


class Warehouse(_Service):
    """Ships parcels; asked again with the same idempotency key it points at the parcel it has shipped."""

    name = "warehouse"

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__(seed, weather)
        self.parcels: list[int] = []
        """The order of every parcel that left."""
        self._known: set[str] = set()

    async def ship(self, order: int, *, idempotency_key: str) -> None:
        """Ship the goods of `order`."""
        crashes_after = await self._enter(order)
        if idempotency_key not in self._known:
            self._known.add(idempotency_key)
            self.parcels.append(order)
        if crashes_after:
            self._crash()
