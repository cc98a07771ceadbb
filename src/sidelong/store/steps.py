"""The finished steps of jobs, one hash for each job: what lets a later run of the job leave them out."""

import asyncio
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import Final

from sidelong.errors import Refused, StoreError
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

_ASKS_FOR: Final = 60.0
"""Seconds until a job fails that cannot learn whether its step has finished, or cannot have it remembered."""
_LEAST_ATTEMPTS: Final = 3
"""After the event loop was blocked all time may be over, and nothing have been tried."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_PASSING: Final = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        # A failover between the loading of the script and its run.
        "NOSCRIPT",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
    }
)
"""Answers of a server that may do it in a moment, or leave it to another one."""


class StoredSteps:
    """Looks for finished steps, and remembers them.

    Whatever goes wrong with the connection, it asks again for a while: both may be done any number of times.

    Args:
        link: returns a connection of the running event loop.
        scripts: those of the store.
    """

    def __init__(self, link: Callable[[], Link], scripts: Scripts) -> None:
        self._link = link
        self._scripts = scripts

    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        """Return what is remembered of a step, and let it be for `ttl` seconds more; None if it has not finished.

        Redis: a script (HGET, PTTL, EXPIRE), O(1).

        Raises:
            StoreError: nobody can tell; Redis was asked for a minute.
        """
        return await self._ask(jid, (step, ceil(ttl)))

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool = False) -> bytes:
        """Remember that a step has finished, and return what is remembered: the first record, unless it is replaced.

        Redis: a script (HSETNX or HSET, HGET, PTTL, EXPIRE), O(1).

        Raises:
            StoreError: it may not be remembered; Redis was asked for a minute.
        """
        remembered = await self._ask(jid, (step, ceil(ttl), "HSET" if replaces else "HSETNX", record))
        return record if remembered is None else remembered

    async def _ask(self, jid: str, words: tuple[Word, ...]) -> bytes | None:
        ends_at = monotonic() + _ASKS_FOR
        attempts, pause = 1, _FIRST_PAUSE
        while True:
            try:
                answer: bytes | None = await self._scripts.step.run(self._link(), (keys.steps(jid),), words)
            except StoreError as error:
                if not _may_pass(error) or (attempts >= _LEAST_ATTEMPTS and monotonic() + pause > ends_at):
                    raise
            else:
                return answer
            await asyncio.sleep(pause)
            attempts, pause = attempts + 1, min(2 * pause, _LONGEST_PAUSE)


def _may_pass(error: StoreError) -> bool:
    return not isinstance(error, Refused) or error.code in _PASSING
