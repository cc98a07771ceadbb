"""Jobs that were running when processes died: who may start beside whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sidelong.errors import StoreError

ALONE_FROM = 2
_MARK_AGAIN_AFTER = 0.5


class Suspects:
    """Keeps a job that two crashes point at away from all other suspects.

    A suspect is a job with at least one recorded crash. One crash says little, so such a job runs at once and
    beside anything. With two, it runs where no other suspect does: if the process dies once more, there is one
    suspect only, and innocent jobs are not buried with it.

    Args:
        mark: notes the jid of such a job in Redis, for those who will ask whether it had begun.
    """

    def __init__(self, mark: Callable[[str], Awaitable[None]]) -> None:
        self._mark = mark
        self._running = 0
        self._has_loner = False
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def admit(self, jid: str, crashes: int) -> AsyncIterator[None]:
        """Wait until a job with this many recorded crashes may run, and stand for it while it does."""
        is_loner = crashes >= ALONE_FROM
        while self._has_loner or (is_loner and self._running > 0):
            self._changed.clear()
            await self._changed.wait()
        self._running += 1
        self._has_loner = is_loner
        try:
            if is_loner:
                await self._mark_surely(jid)
            yield
        finally:
            self._running -= 1
            if is_loner:
                self._has_loner = False
            self._changed.set()

    async def _mark_surely(self, jid: str) -> None:
        # Unmarked it would not be blamed if the process died, nor buried, however many it kills.
        while True:
            try:
                return await self._mark(jid)
            except StoreError:
                await asyncio.sleep(_MARK_AGAIN_AFTER)
