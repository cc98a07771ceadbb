"""The schedule, retry and dead sets: what is due, and where it goes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sidelong.core.config import Config
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.pauses import Paused, paused_of
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

logger = logging.getLogger("sidelong.store")

Destination = Literal["queue", "dead", "later", "at", "drop"]

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
        to: a queue, the dead set, later in the same set or at a time in it, or nowhere.
        queue: name of the queue.
        raw: what is stored at the destination.
        delay: seconds, for later.
        at: the new score.
        seen_at: the score it was seen with and must still have; None if all that matters is that it is due. What is
            due and cannot enter its queue goes to the dead set; what was chosen by its score stays.
    """

    member: bytes
    to: Destination
    queue: str = ""
    raw: bytes = b""
    delay: float = 0.0
    at: float = 0.0
    seen_at: float | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What is due at this moment.

    Attributes:
        now: Redis' time in epoch seconds.
        sets: the retry and the schedule set.
        paused: which of the queues asked about are paused: nobody else looks so often.
    """

    now: float
    sets: Sequence[DueSet]
    paused: Paused


class TimedSets:
    """The sets whose scores are times, read and emptied by any number of processes at once."""

    def __init__(self, link: Link, scripts: Scripts, config: Config) -> None:
        self._link = link
        self._scripts = scripts
        self._config = config

    async def due(self, queues: Sequence[str] = ()) -> Due:
        """Return the state of both sets, and which of `queues` are paused."""
        names = (keys.RETRY, keys.SCHEDULE)
        now, paused, *rest = await self._scripts.due.run(self._link, (keys.PAUSED, *names), (DUE_LIMIT, *queues))
        sets = []
        for name, members, first in zip(names, rest[0::2], rest[1::2], strict=True):
            if type(members) is bytes:
                sets.append(DueSet(name, (), None, members.decode("utf-8", "replace")))
            else:
                sets.append(DueSet(name, members, float(first) if first else None))
        return Due(float(now), sets, paused_of(queues, paused))

    async def move(self, name: str, moves: Sequence[Move]) -> list[str]:
        """Carry out moves, each by itself and only if the member is still in the set.

        Returns:
            Per move what was done: "queue", "dead", "later", "at", "drop"; "gone" if another was faster, be it to
            move the member or to change its time; anything else is an error text, and the member is where it was.
        """
        queues = list(dict.fromkeys(move.queue for move in moves if move.to == "queue"))
        words: list[Word] = [self._config.dead_max_jobs, self._config.dead_timeout]
        for move in moves:
            key = 4 + queues.index(move.queue) if move.to == "queue" else 0
            seen_at = "" if move.seen_at is None else repr(move.seen_at)
            words += (move.to, move.member, seen_at, move.queue, key, _stored(move))
        reply = await self._scripts.move.run(
            self._link, (name, keys.QUEUES, keys.DEAD, *map(keys.queue, queues)), words
        )
        *results, trimmed = reply
        tell_trimmed(trimmed)
        return [result.decode("utf-8", "replace") for result in results]


def _stored(move: Move) -> Word:
    if move.to == "later":
        return f"{move.delay:.6f}"
    return repr(move.at) if move.to == "at" else move.raw


def tell_trimmed(count: int) -> None:
    """Log that entries were dropped from the dead set, if any were: it is the one place where jobs end unseen."""
    if count:
        logger.warning("%d entries were trimmed from the dead set, which is full or old", count)
