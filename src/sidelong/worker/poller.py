"""Move due jobs from the schedule and retry sets back onto their queues."""

import logging
from collections import OrderedDict
from random import Random
from typing import Any

from sidelong.client.client import Client
from sidelong.core import backoff, payload, serialization
from sidelong.core.config import Config
from sidelong.core.display import shown
from sidelong.core.lifecycle import Hooks
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.errors import InvalidPayloadError, StoreError
from sidelong.store.sets import DueSet, Move, TimedSets
from sidelong.worker.outage import Outage
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_LONGEST_QUEUE_NAME = 512
_REMEMBERED = 1000
_SOONEST = 0.005


class Poller:
    """Promotes jobs whose time has come; any number of processes may poll at once.

    Redis' clock decides what is due, so that a worker whose own clock is wrong promotes nothing early or late.
    """

    def __init__(
        self,
        *,
        sets: TimedSets,
        client: Client,
        hooks: Hooks,
        config: Config,
        outage: Outage,
        random: Random,
        stop: StopFlag,
    ) -> None:
        self._sets = sets
        self._client = client
        self._hooks = hooks
        self._config = config
        self._outage = outage
        self._random = random
        self._stop = stop
        self._put_off: OrderedDict[str, int] = OrderedDict()
        self._unreadable: set[str] = set()

    async def run(self) -> None:
        """Poll until the stop flag is set, waking up for the next entry that is due."""
        while not self._stop.is_set:
            try:
                pause = await self.poll()
            except StoreError as error:
                self._outage.begins(error)
                pause = self._config.poll_interval
            else:
                self._outage.is_reached()
            await self._stop.sleep(pause)

    async def poll(self) -> float:
        """Promote what is due and return the seconds until the next look.

        Raises:
            StoreError: Redis did not answer; what was promoted by then is promoted.
        """
        while True:
            now, sets = await self._sets.due()
            moved = 0
            for due in sets:
                self._tell_unreadable(due)
                if due.members and not self._stop.is_set:
                    moved += await self._promote(due)
            # Bounded steps: a million due jobs must not hold up Redis, nor a stop.
            if moved == 0 or self._stop.is_set:
                break
        soonest = min((due.next_at - now for due in sets if due.next_at is not None), default=1e9)
        if soonest <= 0:
            # Entries that are due and cannot be moved: look again, but do not spin.
            return self._config.poll_interval
        return min(self._config.poll_interval, max(soonest, _SOONEST))

    async def _promote(self, due: DueSet) -> int:
        moves = [await self._move(member) for member in due.members]
        results = await self._sets.move(due.name, moves)
        moved = 0
        for result in results:
            if result in ("queue", "dead", "later", "drop"):
                moved += 1
                self._log(due, result)
            elif result != "gone":
                logger.error("a due job of %s cannot be moved: %s", due.name, shown(result))
        return moved

    async def _move(self, member: bytes) -> Move:
        """Decide where one member goes; client middleware runs once more, as at the push."""
        try:
            item = payload.parse(member)
            queue = _queue(item)
        except InvalidPayloadError as error:
            await self._hooks.report_error(error, {"context": "promote", "raw": member})
            return Move(member, "dead", raw=member)
        try:
            promoted = await self._client.promote({**item, "queue": queue})
            if promoted is None:
                return Move(member, "drop")
            queue = _queue(promoted)
            return Move(member, "queue", queue, serialization.dumps(promoted))
        except Exception as error:
            await self._hooks.report_error(error, {"context": "promote", "job": item})
            return Move(member, "later", delay=self._put_off_for(item))

    def _put_off_for(self, item: dict[str, Any]) -> float:
        """Return how long to wait after client middleware failed: longer each time, by what is remembered."""
        jid = str(item.get("jid"))
        count = self._put_off.pop(jid, -1) + 1
        self._put_off[jid] = count
        while len(self._put_off) > _REMEMBERED:
            self._put_off.popitem(last=False)
        return backoff.retry_delay(count, self._random)

    def _log(self, due: DueSet, result: str) -> None:
        if result == "dead":
            logger.error("a due job of %s cannot be enqueued and goes to the dead set", due.name)
        elif result == "drop":
            logger.info("a due job of %s was stopped by client middleware and is gone", due.name)

    def _tell_unreadable(self, due: DueSet) -> None:
        if due.error is None:
            self._unreadable.discard(due.name)
        elif due.name not in self._unreadable:
            self._unreadable.add(due.name)
            logger.error("%s cannot be read: %s", due.name, shown(due.error))


def _queue(item: dict[str, Any]) -> str:
    """Return the queue to promote to.

    Raises:
        InvalidPayloadError: no queue can have this name. Other programs may use names that a push of ours would
            refuse; what is printable and not endless is let through.
    """
    queue = item.get("queue", DEFAULT_QUEUE)
    if type(queue) is not str or not queue or len(queue) > _LONGEST_QUEUE_NAME or not queue.isprintable():
        raise InvalidPayloadError(f"no queue can be called {shown(queue)}")
    return queue
