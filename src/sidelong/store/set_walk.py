"""Read a set from end to end in pages while others, or whoever reads it, change it.

The rule: it goes once from one end to what was the other end when it began. So it ends although the reader itself puts
entries off to where they are met again.
"""

from typing import Final, NamedTuple

from sidelong.store.set_pages import Direction, Member, SetPages

_LONGER: Final = 2
_ROOM: Final = 1000
"""Of a set in which more arrives than can be read, so many times what there was, and so much more, is read."""
_LONGEST: Final = 500
"""Bytes by which a member is known where a walk is gone on with by somebody else."""


class Rest(NamedTuple):
    """What is left of a way through a set: what lies between two places in the order of score and then bytes.

    Members may be shortened, so that what is left may begin a little earlier, and never later.

    Attributes:
        after: the place behind which it begins.
        end: the last place.
    """

    after: Member
    end: Member


class SetWalk:
    """One way through a set; call `page` until it returns nothing.

    Args:
        pages: reads the set.
        name: which set.
        direction: from the lowest score up, or from the highest down.
        limit: the most entries of a page.
        rest: what another walk in the same direction has left; all if not given.

    Attributes:
        total: how many entries there were when it began.
        looked_at: how many were read so far.
        is_complete: False if so much arrived meanwhile that the end was not reached.
    """

    def __init__(self, pages: SetPages, name: str, direction: Direction, limit: int, rest: Rest | None = None) -> None:
        self._pages = pages
        self._name = name
        self._direction: Direction = direction
        self._limit = limit
        self._last: Member | None = None if rest is None else rest.after
        self._end: Member | None = None if rest is None else rest.end
        self._has_begun = False
        self._is_over = False
        self.total = 0
        self.looked_at = 0
        self.is_complete = True

    async def page(self) -> list[Member]:
        """Return the next entries in the order of score and then bytes; none at the end."""
        if self._is_over:
            return []
        page = await self._pages.page(self._name, self._direction, self._limit, after=self._last)
        if not self._has_begun:
            await self._begin(page)
        page = [member for member in page if self._is_meant(member)]
        if page and self.looked_at >= _LONGER * self.total + _ROOM:
            self.is_complete, self._is_over = False, True
            return []
        if len(page) < self._limit:
            self._is_over = True
        if page:
            self._last = page[-1]
        self.looked_at += len(page)
        return page

    @property
    def rest(self) -> Rest | None:
        """What is left to be read by another walk; None at the end."""
        if self._last is None or self._end is None or (self._is_over and self.is_complete):
            return None
        is_up = self._direction == "up"
        return Rest(_shortened(self._last, is_above=not is_up), _shortened(self._end, is_above=is_up))

    async def _begin(self, page: list[Member]) -> None:
        """Take note of where it ends, which a page that is not full tells by itself."""
        self._has_begun = True
        self.total = len(page)
        if len(page) == self._limit:
            self.total = await self._pages.size(self._name)
        if len(page) == self._limit and self._end is None:
            farthest = await self._pages.page(self._name, "down" if self._direction == "up" else "up", 1)
            self._end = farthest[0] if farthest else page[-1]

    def _is_meant(self, member: Member) -> bool:
        if self._end is None:
            return True
        if self._direction == "up":
            return _place(member) <= _place(self._end)
        return _place(member) >= _place(self._end)


def _place(member: Member) -> tuple[float, bytes]:
    return member[1], member[0]


def _shortened(member: Member, *, is_above: bool) -> Member:
    """Return a short member that precedes all of those that begin like this one, or is above them."""
    raw, score = member
    return member if len(raw) <= _LONGEST else (raw[:_LONGEST] + (b"\xff" if is_above else b""), score)
