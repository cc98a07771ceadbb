"""Call a job off, wherever it is: waiting in Redis, or running in any process."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sidelong.core.identity import new_jid
from sidelong.store.control import CancelAnswer, Control, cancel_message
from sidelong.store.job_search import JobSearch, Sizes
from sidelong.store.store import Store

_LEAST_PASSES: Final = 3
"""A job may move from a place that is still to be looked at to one that has been: it is looked for again."""
_LOOKS_FOR: Final = 0.5
"""Seconds after which it is not, where other jobs move all the time."""
_MOST_PASSES_OF_MOVING: Final = 20
"""So often if a worker has said that it is just handing the job on: it is somewhere."""
_PATIENCE: Final = 3.0
"""Seconds that workers have to answer."""
_ASK_AGAIN_AFTER: Final = 0.25
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.05


class CancelOutcome(StrEnum):
    """What became of a job that was called off."""

    REMOVED = "removed"
    """It was waiting, and is gone; it had not begun, or was to be tried again."""
    CANCELLED = "cancelled"
    """It ran, and asyncio.CancelledError is thrown into it; it may still clean up."""
    TOLD = "told"
    """It runs in a thread: `current_context().cancelled` is true there, and it is not tried again."""
    NOT_FOUND = "not_found"
    """It neither waits nor runs: it has ended, is dead, or never was."""
    UNANSWERED = "unanswered"
    """A worker has it that does not answer: frozen, cut off or dead. It may still be cancelled, or run again."""


@dataclass(frozen=True, slots=True)
class CancelResult:
    """What became of a job that was called off.

    Attributes:
        outcome: what happened.
        where: `schedule`, `retry` or `queue:<name>` for one that waited, the identity of the worker that has it
            otherwise; empty if it was not found.
    """

    outcome: CancelOutcome
    where: str = ""


_ABSENT: Final = CancelResult(CancelOutcome.NOT_FOUND)


class Canceller:
    """Looks for one job and calls it off.

    Args:
        store: reaches Redis.
        jid: of the job.
    """

    def __init__(self, store: Store, jid: str) -> None:
        self._control: Control = store.control
        self._search = JobSearch(store.admin, store.scripts, jid)
        self._jid = jid

    async def cancel(self) -> CancelResult:
        """Do it, and return what became of the job.

        Raises:
            StoreError: Redis cannot be reached or refuses; the job may be called off.
        """
        if not self._jid or not _can_be_written(self._jid):
            return _ABSENT
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        seen: Sizes | None = None
        is_over = False
        done = 0
        while True:
            poll, was_moving, result = await self._ask_until_still()
            if result is not None:
                return result
            if (is_over and not was_moving) or done == _MOST_PASSES_OF_MOVING:
                return await self._found_nowhere()
            done += 1
            stuck_at = poll.mover
            if (where := await self._search.remove()) is not None:
                return CancelResult(CancelOutcome.REMOVED, where)
            if stuck_at is not None:
                return CancelResult(CancelOutcome.UNANSWERED, stuck_at)
            # Whoever was silent once is given little time after that.
            if (result := await poll.ask(_PATIENCE if done == 1 else _ASK_AGAIN_AFTER)) is not None:
                return result
            if (holder := await self._search.holder()) is not None and holder not in poll.answers:
                return CancelResult(CancelOutcome.UNANSWERED, holder)
            is_moving = was_moving or poll.mover is not None
            has_looked = done >= _LEAST_PASSES and loop.time() >= began_at + _LOOKS_FOR
            is_over = not is_moving and (has_looked or seen == self._search.sizes)
            seen = self._search.sizes

    async def _ask_until_still(self) -> "tuple[_Poll, bool, CancelResult | None]":
        """Ask all workers, and again while one says that it is handing the job on.

        Returns:
            The last question, whether any worker has said so, and what became of the job.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _PATIENCE
        was_moving = False
        while True:
            poll = _Poll(self._control, self._jid)
            result = await poll.ask(_ASK_AGAIN_AFTER)
            was_moving = was_moving or poll.mover is not None
            if result is not None or poll.mover is None or loop.time() >= ends_at:
                return poll, was_moving, result
            await asyncio.sleep(_LONGEST_PAUSE)

    async def _found_nowhere(self) -> CancelResult:
        if (holder := await self._search.holder()) is not None:
            return CancelResult(CancelOutcome.UNANSWERED, holder)
        if self._search.unread is not None:
            raise self._search.unread
        return _ABSENT


def _can_be_written(jid: str) -> bool:
    """Tell whether a stored payload can hold such a jid, which a lone surrogate keeps it from."""
    try:
        jid.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Poll:
    """One question to all workers, sent again to those that have not answered."""

    def __init__(self, control: Control, jid: str) -> None:
        self.answers: dict[str, str] = {}
        self._control = control
        self._question = new_jid()
        self._message = cancel_message(jid, self._question)
        self._asked: list[str] = []
        self._silent: list[str] | None = None

    @property
    def mover(self) -> str | None:
        """The worker that has the job and cannot call it off at this moment, if there is one."""
        return next((who for who, answer in self.answers.items() if answer == CancelAnswer.MOVING), None)

    async def ask(self, patience: float) -> CancelResult | None:
        """Wait until a worker has called the job off, all have answered, or the patience is over."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + patience
        while self._silent is None or self._silent:
            # Those that have answered are not asked again: an answer may be the start of what it tells of.
            self._asked = await self._control.tell(self._message, self._silent or ())
            ask_again_at = min(ends_at, loop.time() + _ASK_AGAIN_AFTER)
            pause = _FIRST_PAUSE
            while True:
                self.answers = await self._control.answers(self._question)
                if (result := self._result()) is not None:
                    return result
                self._silent = [identity for identity in self._asked if identity not in self.answers]
                if not self._silent or loop.time() >= ask_again_at:
                    break
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            if loop.time() >= ends_at:
                break
        return None

    def _result(self) -> CancelResult | None:
        for answer, outcome in (
            (CancelAnswer.CANCELLED, CancelOutcome.CANCELLED),
            (CancelAnswer.TOLD, CancelOutcome.TOLD),
        ):
            for identity, given in self.answers.items():
                if given == answer:
                    return CancelResult(outcome, identity)
        return None
