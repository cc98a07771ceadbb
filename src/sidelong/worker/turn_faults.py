"""Log lines about what Redis did not do in a turn."""

import logging

from sidelong.core.clock import Clock
from sidelong.core.display import shown
from sidelong.store.queues import Turn
from sidelong.store.sets import tell_trimmed

logger = logging.getLogger("sidelong.worker")

_EVERY = 10.0


class TurnFaults:
    """Tells of the faults of one capsule's turns; the same may come with each of thousands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_at = -_EVERY

    def tell(self, turn: Turn) -> None:
        """Log what was refused, at most every ten seconds, and what had to go from the dead set."""
        tell_trimmed(turn.trimmed)
        now = self._clock.monotonic()
        if turn.errors and now - self._told_at >= _EVERY:
            self._told_at = now
            logger.error("Redis refused part of a turn: %s", "; ".join(shown(error) for error in set(turn.errors)))
