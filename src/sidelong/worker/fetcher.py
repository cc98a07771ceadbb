"""Get payloads into this worker's private lists: park when idle, take when busy, reconcile after a fault.

Nobody ever cancels or times out a wait for Redis here: the move may have happened, and the reply names the job.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import anyio

from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown
from sidelong.errors import Refused, ReplyLost, StoreError
from sidelong.store.link import Link
from sidelong.store.queues import Batch, CapsuleQueues, Turn
from sidelong.worker.outage import Outage
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

Arrival = tuple[int, bytes]

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_LONGEST_PARK = 12.0


class GaveUp(Exception):  # noqa: N818 - reads as what happened
    """The worker is ending and Redis did not answer in time: recovery will find what is left."""


class Fetcher:
    """The connections of one capsule: one for its turns, and one per queue to park in.

    Args:
        queues: the queues and private lists.
        turns: the link that `queues` takes over.
        parks: one link per queue.
        control: a link of the worker, for everything else.
        outage: shared by the whole worker.
        arrived: called with what a parked wait brought.
        poked: called when parking does not work, and a turn should look instead.
    """

    def __init__(
        self,
        *,
        config: Config,
        queues: CapsuleQueues,
        turns: Link,
        parks: Sequence[Link],
        control: Link,
        outage: Outage,
        arrived: Callable[[Arrival], None],
        poked: Callable[[], None],
    ) -> None:
        self._queues = queues
        self._turns = turns
        self._parks = tuple(parks)
        self._control = control
        self._outage = outage
        self._arrived = arrived
        self._poked = poked
        self._park_for = self.park_seconds(config.block_time, len(parks))
        self._number = 0
        self._is_unresolved = False
        self._may_park = asyncio.Event()
        self._ended = StopFlag()
        self._given_up = StopFlag()
        self._unparking: asyncio.Task[None] | None = None
        self._parked: set[int] = set()
        self._paused: Collection[int] = ()
        self._pause_changed = asyncio.Event()
        self._audit = _Audit(queues, (turns, *parks))

    @staticmethod
    def park_seconds(block_time: float, queues: int) -> float:
        """Return how long one wait lasts: the more queues are waited for, the longer.

        An idle worker so sends few commands, however many queues it serves; a push wakes it at once anyway.
        """
        return max(block_time, min(block_time * queues, _LONGEST_PARK))

    # When busy.

    async def turn(self, deliveries: Sequence[Delivery], free: int, takes: Sequence[tuple[int, int]]) -> Turn:
        """Settle `deliveries` and take at most `free` payloads; goes on until Redis has answered.

        Raises:
            GaveUp: `give_up` was called meanwhile.
        """
        self._number += 1
        batch = Batch(self._number, deliveries, free, takes)
        attempts = 0
        while True:
            sent_at = self._outage.monotonic()
            try:
                turn = await self._queues.turn(batch)
            except StoreError as error:
                self._outage.begins(error)
                if isinstance(error, ReplyLost):
                    # It may have been carried out. The number tells Redis so; what was taken, if anything, is
                    # found by the audit.
                    batch = replace(batch, free=0, takes=())
            else:
                self._outage.ends(sent_at)
                self._is_unresolved = False
                if self._audit.is_watching:
                    self._audit.note(deliveries, turn.taken)
                return turn
            if self._given_up.is_set:
                raise GaveUp
            self._is_unresolved = True
            attempts += 1
            await self._given_up.sleep(_pause(attempts))

    # When idle.

    async def stand(self) -> None:
        """Keep one wait parked per queue whenever `park` allows it, until `end`."""
        try:
            async with anyio.create_task_group() as group:
                for place in range(len(self._parks)):
                    group.start_soon(self._stand_at, place)
        finally:
            if self._unparking is not None:
                # Nobody is left to be brought home, and asking would open a connection that is given back by now.
                self._unparking.cancel()

    def park(self) -> None:
        """Allow parking: there are free slots and nothing at hand."""
        self._may_park.set()

    def unpark(self) -> None:
        """Bring parked waits home: the last slot is taken, or the worker stops fetching."""
        if not self._ended.is_set:
            self._may_park.clear()
        self._bring_home()

    def pause(self, places: Collection[int]) -> None:
        """Park at no queue but the others; waits at these come home."""
        self._paused = places
        self._tell_places()
        self._bring_home()

    def end(self) -> None:
        """Park no more; what is parked comes home, and `stand` returns."""
        self._ended.set()
        self.unpark()
        # Those who wait for leave to park must wake up to see the end.
        self._may_park.set()
        self._tell_places()

    def give_up(self) -> None:
        """Stop waiting for a Redis that does not answer."""
        self._given_up.set()

    async def _stand_at(self, place: int) -> None:
        link = self._parks[place]
        attempts = 0
        while True:
            await self._may_park.wait()
            if self._ended.is_set:
                return
            if place in self._paused:
                await self._pause_changed.wait()
                continue
            self._parked.add(place)
            logger.debug("waiting for queue %s", self._queues.names[place])
            sent_at = self._outage.monotonic()
            try:
                raw = await self._queues.park(link, place, self._park_for)
            except StoreError as error:
                self._parked.discard(place)
                attempts += 1
                await self._after_failed_park(place, error, attempts)
                continue
            self._parked.discard(place)
            attempts = 0
            self._outage.ends(sent_at)
            if raw is not None:
                if not self._ended.is_set:
                    self._may_park.clear()
                if self._audit.is_watching:
                    self._audit.moves(place, raw)
                self._arrived((place, raw))

    async def _after_failed_park(self, place: int, error: StoreError, attempts: int) -> None:
        if not isinstance(error, Refused):
            self._outage.begins(error)
        elif error.code == "WRONGTYPE":
            if attempts == 1:
                logger.error("queue %s cannot be read: %s", shown(self._queues.names[place]), error)
        elif error.code not in ("UNBLOCKED", "OOM"):
            self._outage.begins(error)
        # At full memory Redis refuses to park, but not the turn.
        self._poked()
        await self._ended.sleep(_pause(attempts + 2))

    def _tell_places(self) -> None:
        """Let those who wait at a paused queue look again."""
        self._pause_changed.set()
        self._pause_changed = asyncio.Event()

    def _bring_home(self) -> None:
        if self._unparking is None and self._homeward():
            self._unparking = asyncio.get_running_loop().create_task(self._unblock())
            self._unparking.add_done_callback(self._unparked)

    def _homeward(self) -> list[int]:
        """Return the places whose parked waits are not wanted any more."""
        if self._ended.is_set or not self._may_park.is_set():
            return list(self._parked)
        return [place for place in self._parked if place in self._paused]

    async def _unblock(self) -> None:
        pause = 0.01
        # Asked too early, Redis has not begun to wait yet: it is asked again until all are home.
        while homeward := self._homeward():
            for place in homeward:
                await self._parks[place].unblock(self._control)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _unparked(self, task: "asyncio.Task[None]") -> None:
        self._unparking = None
        if not task.cancelled() and task.exception() is not None:
            logger.error("parked waits could not be ended early: %s", task.exception())

    # After a fault.

    async def cut_off(self) -> None:
        """End the waits that nobody awaits any more, as their tasks are gone."""
        for place in tuple(self._parked):
            await self._parks[place].unblock(self._control)
            await self._parks[place].close()

    async def audit(self, in_memory: Callable[[], Sequence[Delivery]]) -> list[Arrival]:
        """Return payloads that sit in a private list while nobody here has them: their replies were lost.

        Args:
            in_memory: returns every delivery that is running or not yet settled.

        Raises:
            StoreError: Redis did not tell.
        """
        if self._is_unresolved:
            # What the lists hold and what is in memory differ until Redis has said what became of the turn.
            self._audit.start_over()
            return []
        return await self._audit.orphans(self._control, in_memory)

    async def left_behind(self) -> list[Arrival]:
        """Return everything that is in the private lists; nothing may be in memory, nor on its way.

        Raises:
            StoreError: Redis did not tell.
        """
        sizes = await self._queues.sizes(self._control)
        found: list[Arrival] = []
        for place, size in enumerate(sizes):
            if not isinstance(size, Refused) and size > 0:
                found += [(place, raw) for raw in await self._queues.entries(self._control, place)]
        return found

    @property
    def is_home(self) -> bool:
        """True when no parked wait can bring anything any more."""
        return self._ended.is_set and not self._parked

    @property
    def has_ghosts(self) -> bool:
        """True if a wait was cut off: the server may still answer it, and move a job that nobody awaits."""
        return bool(self._parked) or any(link.cuts for link in (self._turns, *self._parks))


class _Audit:
    """Compares the private lists with what this process is running.

    A payload that was seen at one audit and is not in memory at a later one is an orphan if every command that was
    sent before the first ended is over by the second: replies on one connection come in order, so the reply that named
    the payload is not on its way any more. What was seen first is kept until then, however many audits it takes:
    parked waits of several queues rarely all end within one. Equal bytes are compared by count, and whatever comes or
    goes meanwhile is taken out of it: the next audit looks again.

    Attributes:
        is_watching: whether it must be told what comes and goes.
    """

    def __init__(self, queues: CapsuleQueues, links: Sequence[Link]) -> None:
        self.is_watching = False
        self._queues = queues
        self._links = links
        self._seen: list[Counter[bytes]] = [Counter() for _ in queues.names]
        self._moved: list[Counter[bytes]] | None = None
        self._sent = [0] * len(links)

    def start_over(self) -> None:
        """Forget everything that was seen."""
        self._keep([Counter() for _ in self._seen])

    def note(self, settled: Sequence[Delivery], taken: Sequence[tuple[int, list[bytes]]]) -> None:
        """Take note of an answered turn."""
        for delivery in settled:
            self.moves(delivery.place, delivery.raw)
        for place, payloads in taken:
            for raw in payloads:
                self.moves(place, raw)

    def moves(self, place: int, raw: bytes) -> None:
        """Take note that a payload has come into memory, or has left it and may come again."""
        self._seen[place][raw] -= 1
        if self._moved is not None:
            self._moved[place][raw] += 1

    async def orphans(self, control: Link, in_memory: Callable[[], Sequence[Delivery]]) -> list[Arrival]:
        # Before anything is read: a reply that comes meanwhile may name what is not in memory yet.
        is_over = all(link.finished >= sent for link, sent in zip(self._links, self._sent, strict=True))
        excesses = await self._excesses(control, in_memory)
        still = [excess & seen for excess, seen in zip(excesses, self._seen, strict=True)]
        if any(still) and not is_over:
            self._keep(still)
            return []
        self._keep(excesses)
        self._sent = [link.sent for link in self._links]
        return [(place, raw) for place, orphans in enumerate(still) for raw in orphans.elements()]

    async def _excesses(self, control: Link, in_memory: Callable[[], Sequence[Delivery]]) -> list[Counter[bytes]]:
        """Return, per queue, what its private list holds beyond what is in memory, and did not move meanwhile."""
        moved: list[Counter[bytes]] = [Counter() for _ in self._seen]
        self._moved = moved
        self.is_watching = True
        try:
            sizes = await self._queues.sizes(control)
            held = Counter(delivery.place for delivery in in_memory())
            excesses: list[Counter[bytes]] = []
            for place, size in enumerate(sizes):
                if isinstance(size, Refused) or size <= held[place]:
                    excesses.append(Counter())
                    continue
                entries = Counter(await self._queues.entries(control, place))
                mine = Counter(delivery.raw for delivery in in_memory() if delivery.place == place)
                excesses.append(entries - mine)
        finally:
            self._moved = None
        # What was read is older than what has moved since: a list may show what was handed back, and comes again.
        return [excess - gone for excess, gone in zip(excesses, moved, strict=True)]

    def _keep(self, seen: list[Counter[bytes]]) -> None:
        self._seen = seen
        self.is_watching = any(seen)


def _pause(attempts: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts, 10)) * random.uniform(0.5, 1.0)
