"""Every key that Redis holds, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidelong.app import Sidelong
from sidelong.store import keys
from sidelong.store.key_browser import Elements, KeyBrowser, StoredKey

BEGINNINGS: Final = keys.BEGINNINGS
"""What the names of many keys begin with."""

_KNOWN: Final = (
    *(keys.QUEUES, keys.SCHEDULE, keys.RETRY, keys.DEAD, keys.PROCESSES, keys.PAUSED, keys.LEADER),
    *(keys.PROCESSED, keys.FAILED, keys.OWNERS, keys.BURIED),
)
_STEP: Final = 100
_FILTERED_STEP: Final = 250
_MOST_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, in no order.

    Attributes:
        keys: at least as many as were wanted, but at the end and where time was up.
        next: where to go on; 0 at the end.
    """

    keys: Sequence[StoredKey]
    next: int


class Keyspace:
    """All keys of the database, Sidekiq's, ours and those of others; it changes none.

    Names are text in which bytes that are not UTF-8 are lone surrogates. Every method raises `StoreError` where Redis
    cannot be reached or refuses.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def size(self) -> int:
        """Return how many keys there are.

        Redis: DBSIZE, O(1).
        """
        return await self._browser.count()

    async def scan(
        self, cursor: int = 0, *, text: str | None = None, count: int = 50, within: float | None = None
    ) -> KeyPage:
        """Return some keys: those that stay from the first step to the last come at least once.

        Redis: SCAN for every 100 keys, 250 if a text is looked for, until enough are found, O(n) in
        the number of those; then TYPE, PTTL and a command for the size of each key that is found, in two round trips.

        Args:
            cursor: `next` of the page before; 0 to begin.
            text: what the names contain; all are wanted if not given.
            count: how many keys are enough.
            within: seconds after which the page ends with what was found.
        """
        clock = self.app.store.clock
        browser, begun_at = self._browser, clock.monotonic()
        found: dict[str, None] = {}
        while True:
            cursor, names = await browser.scan(cursor, text, _STEP if text is None else _FILTERED_STEP)
            found |= dict.fromkeys(names)
            is_late = within is not None and clock.monotonic() - begun_at > within
            if cursor == 0 or len(found) >= count or is_late:
                return KeyPage(await browser.describe(list(found)), cursor)

    async def known(self) -> list[StoredKey]:
        """Return the keys that every Sidekiq has, as far as they are there.

        Redis: TYPE, PTTL and a command for the size of each, in two round trips, O(1).
        """
        return await self._browser.describe(_KNOWN)

    async def get(self, name: str) -> StoredKey | None:
        """Return what is known of a key; None if there is none of this name.

        Redis: TYPE, PTTL and a command for its size, O(1).
        """
        found = await self._browser.describe([name])
        return found[0] if found else None

    async def read(self, name: str, start: str = "0", *, count: int = 25, most_bytes: int = _MOST_BYTES) -> Elements:
        """Return some of what a key holds, and the begin only of what is long.

        Redis: a script (TYPE, and one or two commands of the type), O(start + count).

        Args:
            name: the key.
            start: `next` of the elements before; "0" to begin.
            count: the most elements. A small set or hash comes as a whole, and a string in parts of `most_bytes`.
            most_bytes: how much of each value.
        """
        return await self._browser.read(name, start, count, most_bytes)

    @property
    def _browser(self) -> KeyBrowser:
        return KeyBrowser(self.app.store.admin, self.app.store.scripts)
