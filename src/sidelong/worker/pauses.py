"""Which queues are paused, as the worker knows it: never older than two seconds while Redis answers.

Other programs pause queues too, and tell nobody: the set itself is read, along with what the poller reads anyway.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from sidelong.core.display import shown
from sidelong.errors import Refused, StoreError
from sidelong.store.link import Link
from sidelong.store.pauses import Paused, read_paused
from sidelong.worker.outage import Outage
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_KNOWN_FOR = 1.5
"""Seconds after which the set is read by itself, should nobody have read it: the poller may poll less often."""
_AFTER_FAILURE = 0.5

Question = tuple[int, float]
"""The number of a question, and when it was asked."""


class Pauses:
    """Learns which queues are paused and tells of each change.

    Args:
        names: the queues served.
        link: reads the set.
        changed: called with the names of those that are paused, whenever they change.
        outage: shared by the whole worker.
        stop: ends it; who does not fetch need not know.
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        link: Link,
        changed: Callable[[frozenset[str]], None],
        outage: Outage,
        stop: StopFlag,
    ) -> None:
        self.names = tuple(names)
        self._link = link
        self._changed = changed
        self._outage = outage
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._paused: frozenset[str] = frozenset()
        self._asked = 0
        self._answered = 0
        self._known_at = -_KNOWN_FOR
        self._is_readable = True

    async def know(self) -> None:
        """Return once it is known which queues are paused, or the worker stops: nothing is fetched before."""
        while not self._stop.is_set and not await self.look():
            await self._stop.sleep(_AFTER_FAILURE)

    async def run(self) -> None:
        """Read the set whenever nobody has done so for a while, until the stop flag is set."""
        while not self._stop.is_set:
            pause = self._known_at + _KNOWN_FOR - self._loop.time()
            if pause <= 0 and not await self.look():
                pause = _AFTER_FAILURE
            await self._stop.sleep(pause)

    async def look(self) -> bool:
        """Read the set now, and return whether Redis answered."""
        question = self.ask()
        try:
            paused = await read_paused(self._link, self.names)
        except StoreError as error:
            self._outage.begins(error)
            return False
        self.learn(question, paused)
        return True

    def ask(self) -> Question:
        """Return a question that is about to be sent."""
        self._asked += 1
        return self._asked, self._loop.time()

    def learn(self, question: Question, paused: Paused) -> None:
        """Take the answer to a question; where a later one has been answered, it is old."""
        number, asked_at = question
        if number < self._answered:
            return
        self._answered, self._known_at = number, asked_at
        if isinstance(paused, Refused):
            if self._is_readable:
                logger.error("nobody can tell which queues are paused, so none is: %s", shown(paused))
            paused, self._is_readable = frozenset(), False
        else:
            self._is_readable = True
        if paused == self._paused:
            return
        for name in paused - self._paused:
            logger.info("queue %s is paused: nothing is fetched from it", shown(name))
        for name in self._paused - paused:
            logger.info("queue %s goes on", shown(name))
        self._paused = paused
        self._changed(paused)
