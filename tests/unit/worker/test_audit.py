"""What counts as a job whose reply was lost."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.outcome import HANDED_BACK
from sidelong.store.link import Link
from sidelong.store.queues import Batch, CapsuleQueues, Turn
from sidelong.worker.fetcher import Fetcher
from sidelong.worker.outage import Outage


class PrivateList:
    """One private list, as Redis holds it."""

    names = ("default",)

    def __init__(self) -> None:
        self.raws: list[bytes] = []
        self.on_read: Callable[[], None] = lambda: None
        self.on_read_entries: Callable[[], Awaitable[None]] | None = None
        self.taken: list[tuple[int, list[bytes]]] = []

    async def sizes(self, link: Link) -> list[int]:
        self.on_read()
        return [len(self.raws)]

    async def entries(self, link: Link, place: int) -> list[bytes]:
        found = list(self.raws)
        if self.on_read_entries is not None:
            await self.on_read_entries()
        return found

    async def turn(self, batch: Batch) -> Turn:
        left = Counter(self.raws) - Counter(delivery.raw for delivery in batch.deliveries)
        self.raws = list(left.elements())
        return Turn(batch.deliveries, taken=self.taken)


class Wire:
    sent = finished = cuts = 0


class Capsule:
    """A fetcher, and what its dispatcher has in memory."""

    def __init__(self) -> None:
        self.list = PrivateList()
        self.wire, self.other = Wire(), Wire()
        self.memory: list[Delivery] = []
        self.fetcher = Fetcher(
            config=Config(),
            queues=cast("CapsuleQueues", self.list),
            turns=cast("Link", self.wire),
            parks=(cast("Link", self.other),),
            control=cast("Link", Wire()),
            outage=Outage("redis://nowhere", lambda: 0.0),
            arrived=lambda arrival: None,
            poked=lambda: None,
        )

    async def take(self, raw: bytes) -> None:
        """Let a turn bring a payload that is in the list already."""
        self.list.taken = [(0, [raw])]
        await self.fetcher.turn([], 1, [(0, 1)])
        self.list.taken = []

    async def audit(self) -> Sequence[Any]:
        return await self.fetcher.audit(lambda: self.memory)


@pytest.fixture
def capsule() -> Capsule:
    return Capsule()


async def test_what_two_audits_see_and_nobody_has_is_an_orphan(capsule: Capsule) -> None:
    capsule.list.raws = [b"a", b"b"]
    capsule.memory = [Delivery(b"b", 0, "default")]

    found = [await capsule.audit(), await capsule.audit()]

    assert found == [[], [(0, b"a")]]


async def test_what_may_still_be_on_its_way_is_no_orphan(capsule: Capsule) -> None:
    capsule.list.raws = [b"a"]
    capsule.wire.sent = 1

    found = [await capsule.audit(), await capsule.audit()]
    capsule.wire.finished = 1

    assert found == [[], []]
    assert await capsule.audit() == [(0, b"a")]


async def test_an_orphan_is_found_although_some_wait_is_parked_at_every_audit(capsule: Capsule) -> None:
    capsule.list.raws = [b"a"]
    capsule.wire.sent = capsule.other.sent = 1
    await capsule.audit()

    # The waits of two queues end and begin in turn: never both between two audits.
    capsule.wire.sent, capsule.wire.finished = 2, 1
    between = await capsule.audit()
    capsule.other.sent, capsule.other.finished = 2, 1

    assert between == []
    assert await capsule.audit() == [(0, b"a")]


async def test_a_reply_that_comes_while_the_lists_are_read_saves_its_job(capsule: Capsule) -> None:
    capsule.list.raws = [b"a"]
    capsule.wire.sent = 1
    await capsule.audit()

    def reply() -> None:
        capsule.wire.finished = 1

    capsule.list.on_read = reply

    assert await capsule.audit() == []


async def test_what_was_seen_and_came_home_is_forgotten_while_other_orphans_wait(capsule: Capsule) -> None:
    capsule.list.raws = [b"a", b"b"]
    capsule.wire.sent = 1
    await capsule.audit()
    capsule.memory = [Delivery(b"a", 0, "default")]
    await capsule.audit()

    capsule.memory = []
    capsule.wire.finished = 1

    assert await capsule.audit() == [(0, b"b")]


async def test_of_equal_payloads_only_as_many_are_orphans_as_nobody_has(capsule: Capsule) -> None:
    capsule.list.raws = [b"a", b"a", b"a"]
    capsule.memory = [Delivery(b"a", 0, "default")]

    found = [await capsule.audit(), await capsule.audit()]

    assert found == [[], [(0, b"a"), (0, b"a")]]


async def test_what_was_handed_back_and_fetched_again_is_no_orphan(capsule: Capsule) -> None:
    capsule.list.raws = [b"a"]
    await capsule.audit()
    ((place, raw),) = await capsule.audit()
    orphan = Delivery(raw, place, "default")
    orphan.outcome = HANDED_BACK

    await capsule.fetcher.turn([orphan], 0, [])
    capsule.list.raws = [b"a"]

    assert await capsule.audit() == []


async def test_an_equal_payload_that_comes_later_is_no_orphan(capsule: Capsule) -> None:
    capsule.list.raws = [b"a"]
    await capsule.audit()
    # What was on its way has come; another one like it is taken, and is on its way now.
    await capsule.take(b"a")
    capsule.memory = [Delivery(b"a", 0, "default")]
    capsule.wire.sent += 1
    capsule.list.raws = [b"a", b"a"]

    assert await capsule.audit() == []


async def test_what_is_handed_back_while_the_lists_are_read_is_not_taken_for_seen(capsule: Capsule) -> None:
    capsule.list.raws = [b"a", b"b"]
    held = Delivery(b"a", 0, "default")
    held.outcome = HANDED_BACK
    capsule.memory = [held]

    async def hand_back() -> None:
        await capsule.fetcher.turn([held], 0, [])
        capsule.memory = []

    # The answer to the question for the list is overtaken by that of the turn.
    capsule.list.on_read_entries = hand_back
    await capsule.audit()
    capsule.list.on_read_entries = None
    # It is taken once more, by a wait whose reply is on its way.
    capsule.wire.sent += 1
    capsule.list.raws = [b"a"]

    assert await capsule.audit() == []
