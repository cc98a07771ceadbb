"""What one capsule holds: the deliveries that are not settled yet, their slots, and how many ended."""

from collections.abc import Sequence

import anyio

from sidelong.core.delivery import Delivery
from sidelong.core.outcome import DONE, Dead, Dropped, Lost, Retry


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
        delivery = Delivery(raw, place, self._names[place])
        self._held.add(delivery)
        return delivery

    def occupy(self, delivery: Delivery) -> None:
        """Give a delivery one of the free slots."""
        self.slots.acquire_nowait()
        delivery.has_slot = True

    def settle(self, delivery: Delivery) -> None:
        """Count a delivery by its outcome, and let it go."""
        if delivery.outcome is DONE:
            self.processed += 1
        elif isinstance(delivery.outcome, Retry | Dead | Dropped):
            self.processed += 1
            self.failed += 1
        self.let_go(delivery)

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
