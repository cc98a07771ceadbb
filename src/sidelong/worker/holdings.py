"""What one capsule holds: the deliveries that are not settled yet, their slots, and how many ended."""

from collections.abc import Sequence

import anyio

from sidelong.core import payload
from sidelong.core.delivery import Delivery
from sidelong.core.outcome import CANCELLED, DONE, Dead, Dropped, Lost, Retry, Rewritten


def is_of_job(delivery: Delivery, jid: str) -> bool:
    """Tell whether a delivery is an execution of the job with this jid, also before it was started."""
    if delivery.context is not None:
        return delivery.context.jid == jid
    return payload.plain_part(jid) in delivery.raw and payload.jid_of(delivery.raw) == jid


class Holdings:
    """Keeps a delivery from the moment it arrives until Redis has said that it is settled.

    A delivery keeps its slot until then: a worker that cannot settle fetches less and less.

    Args:
        names: the queues of the capsule; a place is an index into them.
        concurrency: how many deliveries may have a slot.

    Attributes:
        slots: the free ones.
        processed: deliveries that ended here and are settled.
        failed: those of them that failed.
    """

    def __init__(self, names: Sequence[str], concurrency: int) -> None:
        self.slots = anyio.Semaphore(concurrency, max_value=concurrency)
        self.processed = 0
        self.failed = 0
        self._names = tuple(names)
        self._held: set[Delivery] = set()

    def __len__(self) -> int:
        return len(self._held)

    def all(self) -> list[Delivery]:
        """Return every delivery that is held; a copy."""
        return list(self._held)

    def take_in(self, place: int, raw: bytes) -> Delivery:
        """Hold a payload that came from the queue at `place`."""
        return self.take_in_all(place, (raw,))[0]

    def take_in_all(self, place: int, payloads: Sequence[bytes]) -> list[Delivery]:
        """Hold all that came from the queue at `place`."""
        name = self._names[place]
        deliveries = [Delivery(raw, place, name) for raw in payloads]
        self._held.update(deliveries)
        return deliveries

    def occupy(self, deliveries: Sequence[Delivery]) -> int:
        """Give the first deliveries the free slots, and return how many got one."""
        room = min(self.slots.value, len(deliveries))
        for delivery in deliveries[:room]:
            self.slots.acquire_nowait()
            delivery.has_slot = True
        return room

    def settle(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Count deliveries by their outcomes and let them go; return those that only got other bytes, and stay."""
        rewritten = []
        for delivery in deliveries:
            outcome = delivery.outcome
            if outcome is DONE or outcome is CANCELLED:
                self.processed += 1
            elif type(outcome) is Rewritten:
                delivery.raw = outcome.raw
                rewritten.append(delivery)
                continue
            elif isinstance(outcome, Retry | Dead | Dropped):
                self.processed += 1
                self.failed += 1
            if delivery.has_slot:
                delivery.has_slot = False
                self.slots.release()
        self._held.difference_update(deliveries)
        self._held.update(rewritten)
        return rewritten

    def let_go(self, delivery: Delivery) -> None:
        """Hold a delivery no more, and free its slot."""
        self._held.discard(delivery)
        if delivery.has_slot:
            delivery.has_slot = False
            self.slots.release()

    def without_lost(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Let those go that are not this worker's any more, and return the others."""
        kept = []
        for delivery in deliveries:
            if type(delivery.outcome) is Lost:
                self.let_go(delivery)
            else:
                kept.append(delivery)
        return kept
