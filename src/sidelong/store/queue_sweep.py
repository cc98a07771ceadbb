"""Delete the entries of a queue that are meant, in bounded steps, each at once done.

Near where jobs are fetched, entries are deleted where they lie. Where much stays in front of them, so that this would
cost more than the queue is long, the queue is written anew; see `QueueRewrite`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sidelong.store.queue_rewrite import MARGIN
from sidelong.store.queue_walk import QueueWalk
from sidelong.store.stored_queue import StoredQueue

_MOST_TOIL: Final = 1_000_000_000
"""About a third of a second of Redis' time, in units of what follows."""
_OF_A_PASS: Final = 300
"""What passing over an entry costs, where finding the place of one that goes costs 1 for each that lies before it."""
_TOIL_OF_A_STEP: Final = 15_000_000
"""About five milliseconds."""
_FEWEST: Final = 10


class QueueSweep:
    """One pass through a queue.

    Args:
        queue: which one.
        is_meant: says of an entry whether it goes.
        tell: called after each step with how many entries were looked at, and how many there are, about.
        most_toil: what deleting them where they lie may cost before the queue is written anew.
        margin: as `QueueRewrite` has it.
    """

    def __init__(
        self,
        queue: StoredQueue,
        *,
        is_meant: Callable[[bytes], bool],
        tell: Callable[[int, int], None] | None = None,
        most_toil: int = _MOST_TOIL,
        margin: int = MARGIN,
    ) -> None:
        self._queue = queue
        self._is_meant = is_meant
        self._tell = tell
        self._most_toil = most_toil
        self._margin = margin
        self._total = 0
        self._looked_at = 0
        self._toil = 0
        self._was_rewritten = False

    async def run(self) -> int:
        """Do it, and return how many entries were deleted.

        Raises:
            Refused, Unavailable, ReplyLost: as the methods of `StoredQueue`. What was done is done.
        """
        self._total = await self._queue.size()
        deleted = 0
        walk = self._queue.walk(has_large_pages=True)
        while page := await walk.page():
            deleted += await self._sweep(page, walk)
            if self._toil > self._most_toil and not self._was_rewritten:
                self._was_rewritten = True
                rewritten = await self._queue.rewrite(
                    is_meant=self._is_meant,
                    tell=partial(self._progress_of_rewrite, self._looked_at),
                    margin=self._margin,
                )
                if rewritten is not None:
                    self._looked_at += rewritten.read
                    # So many may have been handed back on top of them.
                    return deleted + rewritten.deleted + await self._finish(rewritten.left + self._margin)
        return deleted

    async def _finish(self, count: int) -> int:
        """Look at the entries that are fetched next, and were not looked at."""
        deleted = 0
        walk = self._queue.walk(has_large_pages=True)
        while count > 0 and (page := await walk.page()):
            count -= len(page)
            deleted += await self._sweep(page, walk)
        return deleted

    async def _sweep(self, page: Sequence[bytes], walk: QueueWalk) -> int:
        meant = [raw for raw in page if self._is_meant(raw)]
        deleted = 0
        before = self._looked_at
        self._looked_at += len(page)
        while meant:
            # Redis begins at the end that is nearer.
            in_front = max(1, min(walk.depth, self._total - before))
            portion = meant[: max(_FEWEST, _TOIL_OF_A_STEP // in_front)]
            del meant[: len(portion)]
            self._toil += in_front * (_OF_A_PASS + len(portion))
            deleted += await self._queue.sweep(portion, walk)
        self._progress(self._looked_at)
        return deleted

    def _progress_of_rewrite(self, before: int, read: int) -> None:
        self._progress(before + read)

    def _progress(self, looked_at: int) -> None:
        if self._tell is not None:
            self._tell(looked_at, max(self._total, looked_at))
