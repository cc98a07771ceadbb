"""Read a queue from end to end in pages while others push, take, hand back and delete.

The rule: an entry that was there at the begin and stays is read, whatever happens around it. Positions in a list shift
with every change before them, so the walk knows again where it was by the entries it has read: the next page begins
with the last of them, and where that one is not found, the neighbourhood is searched. Entries of equal bytes cannot be
told apart.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from sidelong.store import names
from sidelong.store.answers import ask
from sidelong.store.link import Link

PAGE: Final = 50
"""Entries per page, as Sidekiq reads them: each may have megabytes."""
LARGE_PAGE: Final = 200
"""Entries per page for those who want all at once, where entries are small."""
_LARGE_PAGE_BYTES: Final = 1_000_000

_KNOWN: Final = 1000
"""How many of the entries read last are known again."""
_REACHES: Final = (50, 200, 750)
"""How many entries are searched, in steps, on the side already read."""
_PATIENCE: Final = 20
"""How often in a row a place is guessed; then entries may be read twice, in order that it ends."""
_SEARCHED: Final = 20_000
"""How many entries are searched for the one with which another walk was broken off."""


class QueueWalk:
    """One way through a queue; call `page` until it returns nothing.

    Args:
        link: any connection.
        name: of the queue.
        oldest_first: begin where the next job is fetched; else with the job pushed last.
        has_large_pages: up to `LARGE_PAGE` entries instead of `PAGE`, if they are small.

    Attributes:
        depth: how many entries lie on the side already read, as far as is known.
    """

    def __init__(self, link: Link, name: str, *, oldest_first: bool = True, has_large_pages: bool = False) -> None:
        self._link = link
        self._key = names.queue_key(name)
        self._oldest_first = oldest_first
        self._has_large_pages = has_large_pages
        self._size = PAGE
        self.depth = 0
        self._known: deque[int] = deque(maxlen=_KNOWN)
        """Hashes of what was read last, and is not known to be gone."""
        self._page: list[bytes] = []
        """What is left of the last page."""
        self._left: int | None = None
        """How many entries are still to be read: those pushed at the far end meanwhile would make it endless."""
        self._spare = 0
        """How many more may be read in all, where it has to begin anew."""

    async def page(self) -> list[bytes]:
        """Return the next entries, none at the end.

        Raises:
            Refused: the key is not a list, or may not be read.
            Unavailable, ReplyLost: as `Link.call`; calling again goes on.
        """
        if self._left is None:
            self._left = await ask(self._link, "LLEN", self._key)
            self._spare = self._left + _KNOWN
        for attempt in range(_PATIENCE):
            if not self._left or self.depth <= 0:
                break
            window = await self._read(self.depth - 1, self._size + 1)
            place, age = self._youngest_of(window)
            if place is None:
                await self._search()
                continue
            # Where entries were put in front, it lies further than it did.
            self.depth += place
            if age and attempt < _PATIENCE - 1:
                # More than a page was put in front: those read after this one lie behind it, unless they are gone.
                self.depth += age
                continue
            self._forget_younger(age)
            self._grant(age)
            unread = window[place + 1 :]
            if unread or len(window) <= self._size:
                return self._take(unread)
        else:
            # Everything moves faster than it can be read.
            await self._begin_anew()
        return self._take(await self._read(0, self._size)) if self._left else []

    async def go_on(self, depth: int, left: int, is_last: Callable[[bytes], bool]) -> None:
        """Begin where another walk in the same order was broken off.

        Where the entry is no longer found that was read last, it begins at the begin. Oldest first, that costs nothing
        if that entry was taken, for so were all before it.

        Args:
            depth: `depth` of that walk.
            left: `left` of that walk.
            is_last: tells the entry that it has read last, of those that are still there.

        Raises:
            Refused, Unavailable, ReplyLost: as `page`.
        """
        length: int = await ask(self._link, "LLEN", self._key)
        far = min(depth, length)
        for _ in range(_SEARCHED // LARGE_PAGE):
            near = max(0, far - LARGE_PAGE)
            window = await self._read(near, far - near) if far > near else []
            place = next((place for place in reversed(range(len(window))) if is_last(window[place])), None)
            if place is not None:
                self._page = [window[place]]
                self._known.append(hash(window[place]))
                self.depth = near + place + 1
                break
            far = near
            if not far:
                break
        self._left = min(left if self.depth else depth + left, length - self.depth)
        self._spare = self._left + _KNOWN

    @property
    def left(self) -> int:
        """How many entries are still to be read, about."""
        return self._left or 0

    @property
    def page_size(self) -> int:
        """How many entries of the last page are left, as far as is known; they are the last ones of `depth`."""
        return len(self._page)

    def removed(self, entries: Iterable[bytes]) -> None:
        """Take note that entries of the last page are no longer there: the walk finds its place at once."""
        for entry in entries:
            if entry in self._page:
                self._page.remove(entry)
                self._known.remove(hash(entry))
                self.depth -= 1

    async def _read(self, start: int, count: int) -> list[bytes]:
        """Return entries in the order of reading, `start` counted from the end where reading began."""
        if self._oldest_first:
            entries: list[bytes] = await ask(self._link, "LRANGE", self._key, -start - count, -start - 1)
            entries.reverse()
        else:
            entries = await ask(self._link, "LRANGE", self._key, start, start + count - 1)
        return entries

    def _take(self, entries: list[bytes]) -> list[bytes]:
        assert self._left is not None
        self._page = entries[: min(self._size, self._left)]
        self._left -= len(self._page)
        self.depth += len(self._page)
        self._known.extend(map(hash, self._page))
        if self._has_large_pages and self._page:
            average = sum(map(len, self._page)) // len(self._page) + 1
            self._size = max(PAGE, min(LARGE_PAGE, _LARGE_PAGE_BYTES // average))
        return list(self._page)

    def _youngest_of(self, window: list[bytes]) -> tuple[int | None, int]:
        """Return the place of the entry that was read last among those in a window, and how many were read since."""
        if window and self._known and hash(window[0]) == self._known[-1]:
            return 0, 0
        ages = {known: age for age, known in enumerate(reversed(self._known))}
        place, youngest = None, _KNOWN
        for at, entry in enumerate(window):
            age = ages.get(hash(entry), _KNOWN)
            # Of equal ones the first: reading one twice is better than leaving one out.
            if age < youngest:
                place, youngest = at, age
        return place, youngest

    async def _search(self) -> None:
        """Find where reading was, after entries that had been read were taken or deleted."""
        far = self.depth - 1
        for reach in _REACHES:
            near = max(0, far - reach)
            window = await self._read(near, far - near) if far > near else []
            place, age = self._youngest_of(window)
            if place is not None:
                self._forget_younger(age)
                self.depth = near + place + 1
                return
            far = near
        await self._search_everywhere()

    async def _search_everywhere(self) -> None:
        """Ask for the place of the last entry; where it is gone, so are those read before."""
        length = await ask(self._link, "LLEN", self._key)
        if self._page:
            rank = -1 if self._oldest_first else 1
            place = await ask(self._link, "LPOS", self._key, self._page[-1], "RANK", rank)
            if place is not None:
                self.depth = length - place if self._oldest_first else place + 1
                return
        await self._begin_anew()

    async def _begin_anew(self) -> None:
        length = await ask(self._link, "LLEN", self._key)
        self.depth = 0
        self._known.clear()
        self._page = []
        assert self._left is not None
        self._grant(length - self._left)

    def _grant(self, count: int) -> None:
        """Let so many more entries be read: some may be read again, or have been put in front of the others."""
        assert self._left is not None
        granted = min(count, self._spare)
        self._left += granted
        self._spare -= max(0, granted)

    def _forget_younger(self, age: int) -> None:
        for _ in range(age):
            self._known.pop()
            if self._page:
                self._page.pop()
