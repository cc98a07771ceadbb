"""Jobs that were running when processes died: who may start beside whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ALONE_FROM = 2


class Suspects:
    """Keeps a job that two crashes point at away from all other suspects.

    A suspect is a job with at least one recorded crash. One crash says little, so such a job runs at once and
    beside anything. With two, it runs where no other suspect does: if the process dies once more, there is one
    suspect only, and innocent jobs are not buried with it.
    """

    def __init__(self) -> None:
        self._running = 0
        self._has_loner = False
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def admit(self, crashes: int) -> AsyncIterator[None]:
        """Wait until a job with this many recorded crashes may run, and stand for it while it does."""
        is_loner = crashes >= ALONE_FROM
        while self._has_loner or (is_loner and self._running > 0):
            self._changed.clear()
            await self._changed.wait()
        self._running += 1
        self._has_loner = is_loner
        try:
            yield
        finally:
            self._running -= 1
            if is_loner:
                self._has_loner = False
            self._changed.set()
