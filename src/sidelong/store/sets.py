"""The schedule, retry and dead sets: what is due, and where it goes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sidelong.core.config import Config
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

logger = logging.getLogger("sidelong.store")

Destination = Literal["queue", "dead", "later", "drop"]

DUE_LIMIT = 100
"""The most members of a set that one call reads or moves: Redis is never held for long."""


@dataclass(frozen=True, slots=True)
class DueSet:
    """What one set holds at this moment.

    Attributes:
        name: its key.
        members: raw payloads whose time has come, at most `DUE_LIMIT`.
        next_at: epoch seconds of its earliest entry; None when it is empty.
        error: what Redis said if the set cannot be read.
    """

    name: str
    members: Sequence[bytes]
    next_at: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where one member of a set goes.

    Attributes:
        member: its exact bytes.
        to: a queue, the dead set, later in the same set, or nowhere.
        queue: name of the queue.
        raw: what is stored at the destination.
        delay: seconds, for later.
    """

    member: bytes
    to: Destination
    queue: str = ""
    raw: bytes = b""
    delay: float = 0.0


class TimedSets:
    """The schedule and retry sets, read and emptied by any number of processes at once."""

    def __init__(self, link: Link, scripts: Scripts, config: Config) -> None:
        self._link = link
        self._scripts = scripts
        self._config = config

    async def due(self) -> tuple[float, list[DueSet]]:
        """Return Redis' time in epoch seconds, and the state of both sets."""
        names = (keys.RETRY, keys.SCHEDULE)
        now, *rest = await self._scripts.due.run(self._link, names, (DUE_LIMIT,))
        sets = []
        for name, members, first in zip(names, rest[0::2], rest[1::2], strict=True):
            if type(members) is bytes:
                sets.append(DueSet(name, (), None, members.decode("utf-8", "replace")))
            else:
                sets.append(DueSet(name, members, float(first) if first else None))
        return float(now), sets

    async def move(self, name: str, moves: Sequence[Move]) -> list[str]:
        """Carry out moves, each by itself and only if the member is still in the set.

        Returns:
            Per move what was done: "queue", "dead", "later", "drop"; "gone" if another process was faster;
            anything else is an error text, and the member is where it was.
        """
        queues = list(dict.fromkeys(move.queue for move in moves if move.to == "queue"))
        words: list[Word] = [self._config.dead_max_jobs, self._config.dead_timeout]
        for move in moves:
            key = 4 + queues.index(move.queue) if move.to == "queue" else 0
            stored: Word = f"{move.delay:.6f}" if move.to == "later" else move.raw
            words += (move.to, move.member, move.queue, key, stored)
        reply = await self._scripts.promote.run(
            self._link, (name, keys.QUEUES, keys.DEAD, *map(keys.queue, queues)), words
        )
        *results, trimmed = reply
        tell_trimmed(trimmed)
        return [result.decode("utf-8", "replace") for result in results]


def tell_trimmed(count: int) -> None:
    """Log that entries were dropped from the dead set, if any were: it is the one place where jobs end unseen."""
    if count:
        logger.warning("%d entries were trimmed from the dead set, which is full or old", count)
