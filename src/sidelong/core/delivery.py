"""A fetched payload that must be settled."""

import asyncio
from enum import Enum, auto
from typing import Any

from sidelong.core.context import Context
from sidelong.core.outcome import Outcome


class CancelReason(Enum):
    """Why a running execution was asked to end."""

    STOP = auto()
    TIMEOUT = auto()
    CANCEL = auto()
    """Somebody called the job off: it is not to run again."""
    FENCED = auto()
    """Others took this worker for dead, and run the job again."""


class Delivery:
    """One payload in this worker's private list, from the moment it was taken until it is settled.

    Attributes:
        raw: the exact bytes in the private list: it is addressed by them.
        place: position of its queue in the capsule.
        queue: name of its queue.
        item: the parsed payload; None while it could not be read.
        outcome: how its execution ended; None while it runs.
        started_at: epoch seconds.
        began: when the job began, by the monotonic clock; only once it has.
        task: the asyncio task that executes it.
        context: what the job can ask about itself.
        cancel_reason: why we asked it to end; None if we did not.
        is_in_thread: True while a thread runs it, which cannot be interrupted.
        has_slot: whether it counts against the concurrency of its capsule.
    """

    __slots__ = (
        "began",
        "cancel_reason",
        "context",
        "has_slot",
        "is_in_thread",
        "item",
        "outcome",
        "place",
        "queue",
        "raw",
        "started_at",
        "task",
    )

    began: float

    def __init__(self, raw: bytes, place: int, queue: str) -> None:
        self.raw = raw
        self.place = place
        self.queue = queue
        self.item: dict[str, Any] | None = None
        self.outcome: Outcome | None = None
        self.started_at = 0.0
        self.task: asyncio.Task[None] | None = None
        self.context: Context | None = None
        self.cancel_reason: CancelReason | None = None
        self.is_in_thread = False
        self.has_slot = False
