"""Find owners of in-flight lists that the set of owners has lost.

The set is the only way to a dead worker's jobs. If it is deleted, or replaced by something else, the living register
again with their next beat; the dead cannot. Their queues are still listed under keys of their own, so that a slow
walk through the key space finds them, and the ordinary recovery does the rest.
"""

import logging
import random

from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.display import shown
from sidelong.errors import Refused
from sidelong.store.processes import Owners
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_EVERY = 3600.0
_STEPS = 100
"""Steps of one turn: the walk through a large key space is spread over many looks."""


class LostOwners:
    """Looks for lost owners after the start, every hour, and when the set was seen without the observer itself."""

    def __init__(self, owners: Owners, config: Config, clock: Clock, stop: StopFlag) -> None:
        self._owners = owners
        self._lease_ttl = config.lease_ttl
        self._clock = clock
        self._stop = stop
        self._cursor = 0
        self._was_listed = True
        # Whoever died just before this start still has a lease, and would be passed by.
        self._next_at = clock.monotonic() + max(config.recovery_grace, config.lease_ttl)

    def note(self, *, is_listed: bool) -> None:
        """Take note whether the observer is among the owners, as it should be."""
        if self._was_listed and not is_listed:
            # By then the lease of whoever died just before has run out. A walk under way may have passed it by.
            self._next_at = self._clock.monotonic() + self._lease_ttl
            self._cursor = 0
        self._was_listed = is_listed

    async def seek(self) -> None:
        """Go some steps on, if it is time; those found are owners again.

        Raises:
            StoreError: Redis did not answer; the next call goes on where this one was.
        """
        if self._clock.monotonic() < self._next_at:
            return
        for _ in range(_STEPS):
            if self._stop.is_set:
                return
            try:
                self._cursor, restored = await self._owners.restore(self._cursor)
            except Refused as error:
                if error.code != "NOPERM":
                    raise
                logger.warning("owners of in-flight jobs that were lost cannot be looked for: %s", shown(error))
                self._cursor, restored = 0, []
            for identity in restored:
                logger.warning(
                    "worker %s had been lost from the set of owners; it is looked after again", shown(identity)
                )
            if self._cursor == 0:
                self._next_at = self._clock.monotonic() + _EVERY * random.uniform(0.8, 1.0)
                return
