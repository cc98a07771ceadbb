"""What others want of this worker at once: it waits for their messages on a connection of its own."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sidelong.core import serialization
from sidelong.core.display import shown
from sidelong.errors import InvalidPayloadError, Refused, StoreError
from sidelong.store.control import BEAT, LOOK_AT_PAUSES, CancelAnswer, ControlList
from sidelong.worker.outage import Outage
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_WAITS = 5
"""One wait lasts so many times as long as one for a queue: an idle worker hears little, and is to send few commands."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Control:
    """Reads the control list of a worker and does what stands there, until the worker is over.

    Args:
        messages: the list.
        look_at_pauses: reads which queues are paused.
        beat: sends a heartbeat now, which fetches remote signals.
        cancel: cancels the job with a jid.
        outage: shared by the whole worker.
        wait: seconds that one wait for a message lasts.
    """

    def __init__(
        self,
        *,
        messages: ControlList,
        look_at_pauses: Callable[[], Awaitable[object]],
        beat: Callable[[], None],
        cancel: Callable[[str], CancelAnswer],
        outage: Outage,
        wait: float,
    ) -> None:
        self._messages = messages
        self._look_at_pauses = look_at_pauses
        self._beat = beat
        self._cancel = cancel
        self._outage = outage
        self._wait = wait

    @staticmethod
    def wait_seconds(block_time: float) -> float:
        """Return how long one wait for a message lasts."""
        return _WAITS * block_time

    async def run(self, over: StopFlag) -> None:
        """Wait for messages until `over` is set and the connection is closed, which ends the wait under way."""
        pause = _FIRST_PAUSE
        while not over.is_set:
            try:
                await self._heed_next()
            except StoreError as error:
                if over.is_set:
                    return
                self._outage.begins(error)
                await over.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE

    async def _heed_next(self) -> None:
        try:
            message = await self._messages.next(self._wait)
        except Refused as error:
            if error.code != "WRONGTYPE":
                raise
            logger.error("the messages to this worker cannot be read, and are removed: %s", shown(error))
            await self._messages.clear()
            return
        if message is not None:
            await self._heed(message)

    async def _heed(self, raw: bytes) -> None:
        match _parsed(raw):
            case {"do": do} if do == LOOK_AT_PAUSES["do"]:
                await self._look_at_pauses()
            case {"do": do} if do == BEAT["do"]:
                self._beat()
            case {"do": "cancel", "jid": str(jid), "question": str(question)}:
                answer = self._cancel(jid)
                logger.debug("asked to cancel job %s: %s", shown(jid), answer)
                # Should it get lost, the question comes again.
                await self._messages.answer(question, answer)
            case _:
                # One of a later version, perhaps.
                logger.warning("a message to this worker is not understood: %s", shown(raw))


def _parsed(raw: bytes) -> Any:
    try:
        return serialization.loads(raw)
    except (InvalidPayloadError, ValueError):
        return None
