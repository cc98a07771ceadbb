"""Filter a long queue in a time that grows with its length, and no faster.

To delete an entry in the middle of a list, Redis passes over all that lies before it. So what stays is copied into a
list aside, and that takes the place of the queue in one step. The rule: until this step the queue is whole, whoever
looks; it is taken only if the part that was read is still there as it was read.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sidelong.core.identity import new_jid
from sidelong.errors import Refused, StoreError
from sidelong.store import keys, names
from sidelong.store.link import Link
from sidelong.store.queue_walk import PAGE, QueueWalk
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

MARGIN: Final = 1000
"""Entries next to be fetched that are not read: workers take some of them before the last step."""
_IN_FRONT: Final = 500
"""Entries pushed meanwhile that one step copies."""
_STEP_BYTES: Final = 2_000_000
"""What one script copies at the most, where entries are large: it takes several times as long as Redis itself."""
_MARKS: Final = 16
"""Entries, evenly spread over what was read, that must be there as they were; and all of its last page."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewrite has done.

    Attributes:
        read: how many entries were looked at.
        deleted: how many of them are gone.
        left: how many entries, those next to be fetched, were not looked at.
    """

    read: int
    deleted: int
    left: int


class QueueRewrite:
    """One rewrite of a queue.

    Args:
        link: any connection.
        scripts: those of the store.
        name: of the queue.
        is_meant: says of an entry whether it goes.
        tell: called after each step with how many entries were read.
        margin: entries next to be fetched that are not read.
    """

    def __init__(
        self,
        link: Link,
        scripts: Scripts,
        name: str,
        *,
        is_meant: Callable[[bytes], bool],
        tell: Callable[[int], None],
        margin: int = MARGIN,
    ) -> None:
        self._link = link
        self._scripts = scripts
        self._name = name
        self._key = names.queue_key(name)
        self._stays = keys.kept(new_jid())
        self._is_meant = is_meant
        self._tell = tell
        self._margin = margin
        self._read = 0
        self._kept = 0
        self._newest = b""
        self._marks: list[tuple[int, bytes]] = []
        self._last: list[bytes] = []

    async def run(self) -> Rewritten | None:
        """Do it; None if it could not be done, and the queue is as it was.

        That is so where something was deleted from it meanwhile, where workers were faster, where equal entries cannot
        be told apart, where Redis has no memory for a copy of what stays, or its user may not do this.

        Raises:
            Unavailable, ReplyLost: as `Link.call`; after `ReplyLost` it may have been done.
        """
        try:
            return await self._replace() if await self._copy() and await self._catch_up() else None
        except Refused:
            return None
        finally:
            # It is there only if it has not taken the place of the queue.
            with suppress(StoreError):
                await self._link.call("UNLINK", self._stays)

    async def _copy(self) -> bool:
        """Copy what stays, from the entry that was pushed last up to the margin; tell whether that was possible."""
        walk = QueueWalk(self._link, self._name, oldest_first=False, has_large_pages=True)
        length: int = await self._link.call("LLEN", self._key)
        spacing = max(1, length // _MARKS)
        while length - walk.depth > self._at_most(self._margin) and (page := await walk.page()):
            self._note(page, spacing)
            found = await self._keep([raw for raw in page if not self._is_meant(raw)])
            # Left for later, finding where they begin would take longer with each of them.
            if found is None or (walk.depth - self._read > _IN_FRONT and not await self._catch_up()):
                return False
            length = found
            self._tell(self._read)
        # One that is there once tells by its place whether anything has moved.
        return 2 * len(set(self._last)) > len(self._last)

    def _note(self, page: Sequence[bytes], spacing: int) -> None:
        """Remember some of what was read: by that it must be found again."""
        if not self._marks:
            self._newest = page[0]
        if not self._marks or self._read - self._marks[-1][0] >= spacing:
            self._marks.append((self._read, page[0]))
        # A page may be short.
        self._last = [*self._last, *page][-max(PAGE, len(page)) :]
        self._read += len(page)

    def _at_most(self, count: int) -> int:
        """Return a number of entries, or fewer if they are large as those that were read last."""
        size = sum(map(len, self._last)) // max(1, len(self._last)) + 1
        return min(count, max(2 * PAGE, _STEP_BYTES // size))

    async def _keep(self, stays: Sequence[bytes]) -> int | None:
        """Add to what stays, and return how long the queue is; None if what was there before is gone."""
        length: int
        length, kept = await self._scripts.keep.run(self._link, (self._key, self._stays), (keys.KEPT_TTL, *stays))
        self._kept += len(stays)
        return length if kept == self._kept else None

    async def _catch_up(self) -> bool:
        """Copy what was pushed since, until little is left; tell whether that was possible."""
        most = self._at_most(_IN_FRONT)
        while True:
            copied, newest = await self._scripts.catch_up.run(
                self._link, (self._key, self._stays), (self._newest, most, keys.KEPT_TTL)
            )
            if copied < 0:
                return False
            if copied:
                self._newest = newest
                self._marks = [(place + copied, raw) for place, raw in self._marks]
                self._read += copied
                self._kept += copied
            if copied < most:
                return True

    async def _replace(self) -> Rewritten | None:
        marks = [(0, self._newest), *self._marks, *enumerate(self._last, self._read - len(self._last))]
        words: list[Word] = [word for mark in marks for word in mark]
        behind: int = await self._scripts.replace.run(
            self._link,
            (self._key, self._stays, keys.kept(new_jid())),
            (self._read, self._kept, 2 * self._at_most(_IN_FRONT), 3 * self._at_most(self._margin), *words),
        )
        return None if behind < 0 else Rewritten(self._read, self._read - self._kept, behind)
