"""A fetched payload that must be settled."""

from typing import Any

from sidelong.core.outcome import Outcome


class Delivery:
    """One payload in this worker's private list, from the moment it was taken until it is settled.

    Attributes:
        raw: the exact bytes in the private list: it is addressed by them.
        place: position of its queue in the capsule.
        queue: name of its queue.
        item: the parsed payload; None while it could not be read.
        outcome: how its execution ended; None while it runs.
        started_at: epoch seconds.
    """

    __slots__ = ("cancel_reason", "context", "item", "outcome", "place", "queue", "raw", "started_at", "task")

    def __init__(self, raw: bytes, place: int, queue: str) -> None:
        self.raw = raw
        self.place = place
        self.queue = queue
        self.item: dict[str, Any] | None = None
        self.outcome: Outcome | None = None
        self.started_at = 0.0
        self.task: Any = None
        self.context: Any = None
        self.cancel_reason: str | None = None
