"""What is to go wrong at a proxy now, and what of it falls on one connection."""

import random
import re
from dataclasses import dataclass

from tests.support.resp import words


@dataclass(slots=True)
class Drop:
    """The reply to some requests is to be lost; `left` says how often."""

    pattern: re.Pattern[bytes]
    left: int


class Faults:
    """What is to go wrong now, shared by all connections of one proxy; only the counters outlast `clear`."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.replies_dropped = 0
        self.cuts = 0
        self.clear()

    def clear(self) -> None:
        """Let everything go well from now on."""
        self.reply_limits: tuple[int, int] | None = None
        self.reply_byte_limits: tuple[int, int] | None = None
        self.drops: list[Drop] = []
        self.request_bytes: int | None = None
        self.byte_cuts_left = 0
        self.reset_share = 0.0
        self.holds_requests = False
        self.holds_replies = False
        self.latency = 0.0
        self.bandwidth: float | None = None
        self.is_refusing = False

    def draw(self, limits: tuple[int, int] | None) -> int | None:
        """Choose a number within limits, if there are any."""
        return self.random.randint(*limits) if limits else None

    def wants_reply_dropped(self, request: bytes) -> bool:
        """Tell whether the reply to this request is to be lost, and count it off."""
        if not self.drops:
            return False
        text = words(request)
        for drop in self.drops:
            if drop.left and drop.pattern.search(text):
                drop.left -= 1
                return True
        return False


class Allowance:
    """How much one connection may still carry before it is reset; drawn anew whenever a fault is set."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.draw_replies()
        self.draw_reply_bytes()
        self.draw_request_bytes()

    def draw_replies(self) -> None:
        """Set how many replies are left."""
        self._replies = self._faults.draw(self._faults.reply_limits)

    def draw_reply_bytes(self) -> None:
        """Set how many bytes of replies are left."""
        self._reply_bytes = self._faults.draw(self._faults.reply_byte_limits)

    def draw_request_bytes(self) -> None:
        """Set how many bytes of requests are left."""
        self._request_bytes = self._faults.request_bytes

    def lift(self) -> None:
        """Set no limit at all."""
        self._replies = self._reply_bytes = self._request_bytes = None

    def spend_reply(self, reply: bytes, *, is_unwanted: bool) -> int | None:
        """Count a reply off.

        Args:
            reply: a whole one.
            is_unwanted: true if it is to be lost anyway.

        Returns:
            None if it may pass; else how many bytes of it are delivered before the connection is reset.
        """
        faults = self._faults
        if self._replies is not None:
            self._replies -= 1
            is_unwanted = is_unwanted or self._replies <= 0
        if is_unwanted:
            return 0
        if self._reply_bytes is not None:
            if self._reply_bytes < len(reply):
                # Between two replies nothing would be torn.
                return max(self._reply_bytes, 1)
            self._reply_bytes -= len(reply)
        if faults.reset_share and faults.random.random() < faults.reset_share:
            return faults.random.choice((0, len(reply)))
        return None

    def spend_request_bytes(self, count: int) -> int | None:
        """Count bytes of requests off.

        Returns:
            None if they may pass; else how many of them are forwarded before the connection is reset.
        """
        if self._request_bytes is None or not self._faults.byte_cuts_left:
            return None
        if count >= self._request_bytes:
            self._faults.byte_cuts_left -= 1
            return self._request_bytes
        self._request_bytes -= count
        return None
