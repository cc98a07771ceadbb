"""Move due jobs from the schedule and retry sets back onto their queues."""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Sequence
from random import Random
from typing import Any, TypeVar

from sidelong.client.client import Client
from sidelong.client.validation import Spoilt
from sidelong.core import backoff, payload, serialization
from sidelong.core.cancellation import is_of_this_task
from sidelong.core.config import Config
from sidelong.core.counted import counted
from sidelong.core.display import shown
from sidelong.core.lifecycle import Hooks
from sidelong.errors import InvalidPayloadError, StoreError
from sidelong.store.sets import DueSet, Move, TimedSets
from sidelong.worker.outage import Outage
from sidelong.worker.pauses import Pauses
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

T = TypeVar("T")

_REMEMBERED = 10_000
# In poll intervals.
_LONGEST_WAIT = 12
_SOONEST = 0.005
_MIDDLEWARE_ENDS_WITHIN = 30.0
_CARRY_OUT_AFTER = 1.0
_MOVED = frozenset({"queue", "dead", "later", "drop"})
_SETTLED = _MOVED | {"gone"}


class Poller:
    """Promotes jobs whose time has come; any number of processes may poll at once.

    Redis' clock decides what is due, so that a worker whose own clock is wrong promotes nothing early or late. As it
    looks so often, it also learns which queues are paused.
    """

    def __init__(
        self,
        *,
        sets: TimedSets,
        pauses: Pauses,
        client: Client,
        hooks: Hooks,
        config: Config,
        outage: Outage,
        random: Random,
        stop: StopFlag,
    ) -> None:
        self._sets = sets
        self._pauses = pauses
        self._client = client
        self._hooks = hooks
        self._config = config
        self._outage = outage
        self._random = random
        self._stop = stop
        self._put_off: OrderedDict[int, int] = OrderedDict()
        self._tally: Counter[tuple[str, str]] = Counter()
        self._stuck: set[int] = set()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._unreadable: set[str] = set()

    async def run(self) -> None:
        """Poll until the stop flag is set, waking up for the next entry that is due."""
        while not self._stop.is_set:
            began = self._outage.monotonic()
            try:
                pause = await self.poll()
            except StoreError as error:
                self._outage.begins(error)
                pause = self._config.poll_interval
            else:
                self._outage.is_reached(began)
            await self._stop.sleep(pause)

    async def poll(self) -> float:
        """Promote what is due and return the seconds until the next look.

        Raises:
            StoreError: Redis did not answer; what was promoted by then is promoted.
        """
        while True:
            question = self._pauses.ask()
            found = await self._sets.due(self._pauses.names)
            self._pauses.learn(question, found.paused)
            moved = 0
            for due in found.sets:
                self._tell_unreadable(due)
                if due.members and not self._stop.is_set:
                    moved += await self._promote(due)
            # Bounded steps: a million due jobs must not hold up Redis, nor a stop.
            if moved == 0 or self._stop.is_set:
                break
        self._tell_moved()
        soonest = min((due.next_at - found.now for due in found.sets if due.next_at is not None), default=1e9)
        if soonest <= 0:
            # Entries that are due and cannot be moved: look again, but do not spin.
            return self._config.poll_interval
        return min(self._config.poll_interval, max(soonest, _SOONEST))

    async def _promote(self, due: DueSet) -> int:
        moves = await self._decide(due.members)
        if not moves:
            return 0
        results = await self._sets.move(due.name, moves)
        stuck = [(move, result) for move, result in zip(moves, results, strict=True) if result not in _SETTLED]
        if stuck:
            # Not even the dead set takes them. They must not stay in front of what could be moved.
            self._note_stuck(due.name, stuck)
            again = [Move(move.member, "later", delay=self._wait_for(move.member)) for move, _ in stuck]
            results += await self._sets.move(due.name, again)
        moved = 0
        for result in results:
            if result in _MOVED:
                moved += 1
                self._tally[due.name, result] += 1
        return moved

    def _note_stuck(self, name: str, stuck: Sequence[tuple[Move, str]]) -> None:
        """Count what cannot be moved; where looking takes long, the same comes again before it is told."""
        fresh = {hash((name, move.member)) for move, _ in stuck} - self._stuck
        if fresh:
            self._tally[name, shown(stuck[0][1])] += len(fresh)
        if len(self._stuck) < _REMEMBERED:
            self._stuck |= fresh

    async def _decide(self, members: Sequence[bytes]) -> list[Move]:
        """Decide where members go, at least one of them; slow middleware must not hold up what is decided."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _CARRY_OUT_AFTER
        moves: list[Move] = []
        for member in members:
            if self._stop.is_set or (moves and loop.time() > ends_at):
                break
            moves.append(await self._move(member))
        return moves

    async def _move(self, member: bytes) -> Move:
        """Decide where one member goes; client middleware runs once more, as at the push."""
        try:
            item = payload.parse(member)
            queue = payload.queue_to_enter(item)
        except InvalidPayloadError as error:
            if hash(member) not in self._put_off:
                await self._hooks.report_error(error, {"context": "promote", "raw": member})
            return Move(member, "dead", raw=member)
        try:
            promoted = await self._promoted({**item, "queue": queue})
        except Exception as error:
            # Parsed anew: middleware may have changed the other one before it failed.
            await self._hooks.report_error(error, {"context": "promote", "job": payload.parse(member)})
            return Move(member, "later", delay=self._put_off_for(member))
        if promoted is None:
            return Move(member, "drop")
        if isinstance(promoted, Spoilt):
            return await self._bury(member, promoted.reason)
        try:
            return Move(member, "queue", payload.queue_to_enter(promoted), serialization.dumps(promoted))
        except (InvalidPayloadError, TypeError, ValueError) as error:
            return await self._bury(member, error)

    async def _promoted(self, item: dict[str, Any]) -> dict[str, Any] | Spoilt | None:
        """Run the client middleware in a task of its own: what it does there ends neither this poller nor a stop.

        Raises:
            TimeoutError: it has not returned in time.
            Exception: what it raised.
        """
        if not self._client.has_middleware:
            return await self._client.promote(item)
        task = asyncio.create_task(_contained(self._client.promote(item)), name="sidelong-promote")
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=_MIDDLEWARE_ENDS_WITHIN)
            if not task.done():
                raise TimeoutError(f"client middleware did not return within {_MIDDLEWARE_ENDS_WITHIN:g} s")
        finally:
            task.cancel()
        if task.cancelled():
            raise RuntimeError("client middleware was cancelled from inside")
        return task.result()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at, or asyncio would complain about a failure that came too late to matter.
            task.exception()

    async def _bury(self, member: bytes, error: Exception) -> Move:
        """Let an entry go to the dead set as it was before middleware spoilt it, with the reason."""
        item = payload.parse(member)
        await self._hooks.report_error(error, {"context": "promote", "job": item})
        item["error_message"] = payload.error_message(error)
        item["error_class"] = payload.error_class(error)
        item.setdefault("failed_at", self._client.clock.now())
        return Move(member, "dead", raw=serialization.dumps(item))

    def _put_off_for(self, member: bytes) -> float:
        """Return how long a member is to wait after client middleware failed."""
        return backoff.retry_delay(self._times_put_off(member), self._random)

    def _wait_for(self, member: bytes) -> float:
        """Return how long a member is to wait that nothing takes, which an operator may mend at any moment."""
        return self._config.poll_interval * min(self._times_put_off(member) + 1, _LONGEST_WAIT)

    def _times_put_off(self, member: bytes) -> int:
        """Count once more, and return how often a member was put off before, as far as that is remembered."""
        # Not the bytes: a thousand of them may be a gigabyte.
        key = hash(member)
        count = self._put_off.pop(key, -1) + 1
        self._put_off[key] = count
        while len(self._put_off) > _REMEMBERED:
            self._put_off.popitem(last=False)
        return count

    def _tell_moved(self) -> None:
        """Log what became of due jobs, in one line for each kind: there may be thousands of them."""
        for (name, result), count in self._tally.items():
            if result == "dead":
                logger.error("%s of %s went to the dead set instead of a queue", counted(count, "due job"), name)
            elif result == "drop":
                logger.info("%s of %s ended here: stopped by client middleware", counted(count, "due job"), name)
            elif result in _MOVED:
                logger.debug("%s of %s moved to their queues", counted(count, "due job"), name)
            else:
                logger.error(
                    "%s of %s cannot be moved and must wait a little more: %s", counted(count, "due job"), name, result
                )
        self._tally.clear()
        self._stuck.clear()

    def _tell_unreadable(self, due: DueSet) -> None:
        if due.error is None:
            self._unreadable.discard(due.name)
        elif due.name not in self._unreadable:
            self._unreadable.add(due.name)
            logger.error("%s cannot be read: %s", due.name, shown(due.error))


async def _contained(promoting: Awaitable[T]) -> T:
    """Await code of others and let it raise nothing but an Exception: all else would end the event loop."""
    try:
        return await promoting
    except Exception:
        raise
    except BaseException as error:
        if is_of_this_task(error):
            raise
        raise RuntimeError(f"client middleware raised {type(error).__name__}") from error
