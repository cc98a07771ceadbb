"""What a worker says while Redis is away: one line when it goes, one when it is back."""

import logging
from collections.abc import Callable

from sidelong.errors import Refused

logger = logging.getLogger("sidelong.worker")

_REPEAT_AFTER = 60.0
_SELDOM = 5.0


class Outage:
    """Shared by all parts of a worker, so that twenty connections do not log the same outage twenty times.

    A Redis that answers and refuses to write is an outage too, and only a write that succeeds ends that one. Nor does
    an answer to what was sent before it began: a wait that was parked by then runs out in a Redis that refuses, and
    the answer to the last heartbeat may have lain in a busy loop.

    Args:
        address: the address without credentials.
        monotonic: source of time, in seconds.
        on_back: called when Redis answers again.

    Attributes:
        monotonic: what to take the time with before a call is sent.
    """

    def __init__(
        self, address: str, monotonic: Callable[[], float], on_back: Callable[[], object] | None = None
    ) -> None:
        self._address = address
        self.monotonic = monotonic
        self._on_back = on_back
        self._since: float | None = None
        self._is_refusal = False
        self._is_told = False
        self._told_at = -_REPEAT_AFTER

    @property
    def is_on(self) -> bool:
        """True while Redis is away."""
        return self._since is not None

    def begins(self, error: BaseException) -> None:
        """Take note that a call failed because Redis could not be reached or refused to work."""
        now = self.monotonic()
        if self._since is None:
            self._since = now
            self._is_told = False
        self._is_refusal = self._is_refusal or isinstance(error, Refused)
        # A network that breaks and heals many times a second must not fill the log.
        if now - self._told_at < (_REPEAT_AFTER if self._is_told else _SELDOM):
            return
        self._is_told = True
        self._told_at = now
        trouble = "refuses" if self._is_refusal else "is out of reach"
        logger.error("Redis %s; running jobs go on, and are settled once it answers: %s", trouble, error)

    def ends(self, sent_at: float) -> None:
        """Take note that a call that writes, sent at that time of `monotonic`, succeeded."""
        if self._since is None or sent_at < self._since:
            return
        away = self.monotonic() - self._since
        self._since = None
        self._is_refusal = False
        if self._is_told:
            self._told_at = self.monotonic()
            logger.warning("Redis at %s answers again after %.1f s", self._address, away)
        if self._on_back is not None:
            self._on_back()

    def is_reached(self, sent_at: float) -> None:
        """Take note that a call that only reads, sent at that time of `monotonic`, succeeded."""
        if not self._is_refusal:
            self.ends(sent_at)
