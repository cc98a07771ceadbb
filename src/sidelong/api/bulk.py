"""One verb for all entries of a set, or all that match: in bounded steps, beside pollers and other operators.

The sweep goes once from the earliest entry to what was the last one when it began, so that it ends however fast
others add to the set.
"""

import math
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sidelong.api import moves
from sidelong.api.entries import Entry
from sidelong.api.filters import Filter
from sidelong.api.marks import MarkError, read_mark, write_mark
from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.errors import NotEnqueued, Refused
from sidelong.store.set_pages import Member, SetPages
from sidelong.store.set_walk import Rest, SetWalk
from sidelong.store.sets import Move

Progress = Callable[[int, int], None]
"""Called with how many entries were looked at, and how many there are, about."""
Decide = Callable[[Entry], Awaitable[Move]]
"""Says what becomes of an entry, or raises."""
Turn = Callable[[Entry], str | bytes]
"""Says by what an entry that has had its turn is known again; by nothing if that is empty."""
Then = Callable[[Entry], Awaitable[None]]
"""Called after the move of an entry was done."""

_STEP: Final = 100
_TOLD_STEP: Final = 10
"""Moves of one step where each is told of: so many at most were done and not told if this process dies."""
_KINDS_OF_ERRORS: Final = 10


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What a verb for many entries has done.

    Attributes:
        done: entries it was done to.
        gone: entries that a worker or another operator moved first, or gave another time.
        stopped: entries that a client middleware did not let pass; they stay.
        failed: entries that cannot be moved, such as what is no job; they stay, and `errors` says why.
        skipped: entries that had their turn in this very call: they have failed again, were put off, are twins of one
            jid, or were killed in the dead set and met again.
        errors: what was wrong, and how often: the first ten kinds.
        is_complete: False if time was up before the end, or so much arrived meanwhile that it was not reached.
        goes_on: where it was not complete, what the same verb is given as `after` to go on.
    """

    done: int = 0
    gone: int = 0
    stopped: int = 0
    failed: int = 0
    skipped: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True
    goes_on: str | None = None


class Sweep:
    """One pass over a set.

    Args:
        app: whose Redis it is.
        pages: reads the set.
        name: which set.
        where: the entries that are meant; all if not given.
        progress: is called after each step.
        within: seconds after which no further step is begun.
        after: where to go on, as an outcome before says; at the begin if not given.

    Raises:
        ValueError: `after` is nothing that an outcome could say.
    """

    def __init__(
        self,
        app: Sidelong,
        pages: SetPages,
        name: str,
        *,
        where: Filter | None,
        progress: Progress | None,
        within: float | None = None,
        after: str | None = None,
    ) -> None:
        self._app = app
        self._name = name
        self._where = where
        self._progress = progress
        self._within = within
        self._walk = SetWalk(pages, name, "up", _STEP, None if after is None else _rest(after))
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._met = Met()

    async def run(self, decide: Decide, *, then: Then | None = None, turn: Turn | None = None) -> BulkOutcome:
        """Do to each entry what `decide` says.

        Args:
            decide: is asked about each entry; one for which it raises stays.
            then: is called for each entry to which it was done.
            turn: by what an entry is known again that has had its turn, where it may come back.

        Raises:
            StoreError: Redis cannot be reached, or refuses. What was done is done; another call does the rest.
        """
        walk, clock = self._walk, self._app.store.clock
        begun_at = clock.monotonic()
        while page := await walk.page():
            chosen = await self._chosen([self._entry(member) for member in page], decide, turn)
            step = _STEP if then is None else _TOLD_STEP
            for start in range(0, len(chosen), step):
                await self._carry_out(chosen[start : start + step], then)
            if self._progress is not None:
                self._progress(walk.looked_at, max(walk.total, walk.looked_at))
            if self._within is not None and clock.monotonic() - begun_at >= self._within:
                break
        goes_on = None if walk.rest is None else write_mark(walk.rest)
        return BulkOutcome(**self._counts, errors=dict(self._errors), is_complete=goes_on is None, goes_on=goes_on)

    async def _chosen(self, entries: Sequence[Entry], decide: Decide, turn: Turn | None) -> list[tuple[Entry, Move]]:
        """Return the entries that are meant and can be moved, each with its move."""
        chosen: list[tuple[Entry, Move]] = []
        for entry in entries:
            if self._where is not None and not self._where.matches(entry):
                continue
            if turn is not None and (key := turn(entry)) and not self._met.add(key):
                self._counts["skipped"] += 1
                continue
            try:
                chosen.append((entry, await decide(entry)))
            except NotEnqueued:
                self._counts["stopped"] += 1
            except Exception as error:
                self._fail(error)
        return chosen

    async def _carry_out(self, chosen: Sequence[tuple[Entry, Move]], then: Then | None) -> None:
        answers = await moves.carry_out(self._app, self._name, [move for _, move in chosen])
        for (entry, _), answer in zip(chosen, answers, strict=True):
            if isinstance(answer, Refused):
                self._fail(answer)
            elif not answer:
                self._counts["gone"] += 1
            else:
                self._counts["done"] += 1
                if then is not None:
                    await then(entry)

    def _fail(self, error: Exception) -> None:
        self._counts["failed"] += 1
        text = shown(f"{type(error).__name__}: {error}")
        if text in self._errors or len(self._errors) < _KINDS_OF_ERRORS:
            self._errors[text] += 1

    def _entry(self, member: Member) -> Entry:
        return Entry(self._app, self._name, *member)


def _rest(mark: str) -> Rest:
    rest = read_mark(mark, Rest)
    if any(math.isnan(score) for _, score in rest):
        raise MarkError("this is no place in a set: a score must be a number")
    return rest


class Met:
    """Remembers which jids or entries were met, in 32 bytes each at most: there may be millions of them.

    It holds hashes in an open table; that two of a million share one of 64 bits happens once in tens of millions of
    calls, and costs one entry its turn.
    """

    def __init__(self) -> None:
        self._table = array("q", bytes(8 * 1024))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str | bytes) -> bool:
        """Take note of one, and return False if that was done before."""
        if 2 * self._count >= len(self._table):
            self._grow()
        is_new = self._put(hash(key) or 1)
        self._count += is_new
        return is_new

    def _put(self, key: int) -> bool:
        mask = len(self._table) - 1
        place = key & mask
        while found := self._table[place]:
            if found == key:
                return False
            place = (place + 1) & mask
        self._table[place] = key
        return True

    def _grow(self) -> None:
        old, self._table = self._table, array("q", bytes(2 * self._table.itemsize * len(self._table)))
        for key in old:
            if key:
                self._put(key)
