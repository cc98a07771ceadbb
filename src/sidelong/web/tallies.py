"""Sets by class and error, counted a little at a time: however many ask, one of them counts, for all."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from sidelong.api.groups import Grouping, Groups
from sidelong.api.job_set import JobSet

_WITHIN: Final = 0.7
"""Seconds for which one request counts."""
_OLD: Final = 60.0
"""Seconds after which what was counted is counted anew."""


@dataclass
class _Tally:
    grouping: Grouping
    loop: asyncio.AbstractEventLoop
    begun_at: float = field(default_factory=monotonic)
    counting: "asyncio.Task[Groups] | None" = None
    last: Groups | None = None
    last_at: float = 0.0

    @property
    def is_old(self) -> bool:
        """Whether nobody wants it any more: it is not gone on with, or was done with a while ago."""
        return self.last is not None and monotonic() - self.last_at > _OLD


class Tallies:
    """What was counted so far, by the name of the set."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    async def groups(self, jobs: JobSet) -> Groups:
        """Count on where the last request has stopped, and return what is known by now.

        Raises:
            StoreError: Redis cannot be reached, or refuses.
        """
        loop = asyncio.get_running_loop()
        tally = self._tallies.get(jobs.name)
        if tally is None or tally.is_old or tally.loop is not loop:
            tally = self._tallies[jobs.name] = _Tally(Grouping(jobs), loop)
        if tally.last is not None and tally.last.is_complete:
            return tally.last
        if tally.counting is None or tally.counting.done():
            tally.counting = loop.create_task(self._count(tally), name="sidelong-web-groups")
            tally.counting.add_done_callback(_take_note)
        # Whoever goes away leaves the count to the others.
        return await asyncio.shield(tally.counting)

    def forget(self) -> None:
        """Count anew at the next question: somebody has changed something."""
        self._tallies.clear()

    async def _count(self, tally: _Tally) -> Groups:
        tally.last = await tally.grouping.go_on(_WITHIN)
        tally.last_at = monotonic()
        return tally.last


def _take_note(counting: "asyncio.Task[Groups]") -> None:
    # All who waited may have gone; then nobody else looks at the error.
    if not counting.cancelled():
        counting.exception()
