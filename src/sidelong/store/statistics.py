"""Counters and sizes, as Sidekiq's pages and monitors read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import ask, ask_all
from sidelong.store.link import Link
from sidelong.store.wire import Word

_Command = tuple[Word, ...]

_AT_ONCE: Final = 1000
"""The most commands of one round trip."""


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """One queue.

    Attributes:
        size: how many jobs wait.
        oldest: the entry that is fetched next.
        error: what Redis said if it cannot be read.
    """

    name: str
    size: int
    oldest: bytes | None = None
    error: str | None = None


@dataclass(slots=True)
class Totals:
    """What is counted, and how long everything is.

    Attributes:
        numbers: by key: the two counters and the sizes of the sets.
        oldest: the entry of a queue that is fetched next.
        queues: every queue; None if they were not asked for.
        busy: how many jobs run, by the last heartbeats; likewise.
        errors: what Redis said about keys that cannot be read; they count as 0.
    """

    numbers: dict[str, int]
    oldest: bytes | None
    queues: list[QueueTotals] | None = None
    busy: int | None = None
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Members:
    """What is asked of each queue and each process: kept from one look to the next, as most of them stay."""

    commands: list[_Command] = field(default_factory=list)


class Statistics:
    """Reads what is counted. A key that cannot be read is told, and spoils none of the others."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def totals(self, queue: str, members: Members | None = None) -> Totals:
        """Return counters and sizes, and what stands next in `queue`, in one round trip.

        Args:
            queue: name of a queue.
            members: to ask about every queue and every process as well, in the same round trip for those that were
                there the last time, in another for others. It is made ready for the next time.
        """
        counters, sets = (keys.PROCESSED, keys.FAILED), (keys.SCHEDULE, keys.RETRY, keys.DEAD)
        commands: list[_Command] = [("GET", counter) for counter in counters]
        commands += [("ZCARD", name) for name in sets]
        commands += [("SCARD", keys.PROCESSES), ("LINDEX", names.queue_key(queue), -1)]
        if members is not None:
            commands += [("SMEMBERS", keys.QUEUES), ("SMEMBERS", keys.PROCESSES)]
        known = [] if members is None else members.commands
        answers = await self._each([*commands, *known])
        answers_of_known = dict(zip(known, answers[len(commands) :], strict=True))
        answers = answers[: len(commands)]
        numbered = (*counters, *sets, keys.PROCESSES)
        numbers = dict(zip(numbered, map(_number, answers), strict=False))
        sound = [None if isinstance(answer, Refused) else answer for answer in answers[len(numbered) :]]
        totals = Totals(numbers, sound[0], errors=_errors(answers))
        if members is not None:
            queues = [names.read_name(name) for name in sound[1] or ()]
            lengths = [_length(name) for name in queues]
            running = [_running(identity) for identity in sound[2] or ()]
            members.commands = [*lengths, *running]
            new = [command for command in members.commands if command not in answers_of_known]
            found = answers_of_known | dict(zip(new, await self._each(new), strict=True))
            totals.queues = _queue_totals(queues, [found[command] for command in lengths])
            totals.busy = sum(_number(found[command]) for command in running)
            totals.errors = list(dict.fromkeys([*totals.errors, *_errors(found[command] for command in lengths)]))
        return totals

    async def sizes(self, queues: Sequence[str]) -> list[QueueTotals]:
        """Return how many jobs wait in each queue."""
        return _queue_totals(queues, await self._each(map(_length, queues)))

    async def heads(self, queues: Sequence[QueueTotals]) -> list[QueueTotals]:
        """Return the same queues with what stands next in each."""
        answers = await self._each(("LINDEX", names.queue_key(queue.name), -1) for queue in queues)
        return [
            QueueTotals(queue.name, queue.size, oldest if isinstance(oldest, bytes) else None, queue.error)
            for queue, oldest in zip(queues, answers, strict=True)
        ]

    async def days(self, counter: str, days: Sequence[str]) -> list[int]:
        """Return what a counter held on each of some days, `YYYY-MM-DD`."""
        answers = await ask(self._link, "MGET", *[keys.daily(counter, day) for day in days])
        return [_number(answer) for answer in answers]

    async def reset(self, counters: Sequence[str]) -> None:
        """Set counters to 0; those of days stay."""
        words: list[str | int] = []
        for counter in counters:
            words += (counter, 0)
        await ask(self._link, "MSET", *words)

    async def queues(self) -> list[str]:
        """Return the names of the queues.

        Raises:
            Refused: their key cannot be read: that is no sign of there being none.
        """
        return list(map(names.read_name, await ask(self._link, "SMEMBERS", keys.QUEUES)))

    async def paused(self) -> tuple[set[str], str | None]:
        """Return the names of the paused queues, and what Redis said if they cannot be read: then none is paused."""
        try:
            return set(map(names.read_name, await ask(self._link, "SMEMBERS", keys.PAUSED))), None
        except Refused as error:
            return set(), str(error)

    async def _each(self, commands: Iterable[_Command]) -> list[Any]:
        waiting, answers = list(commands), []
        for start in range(0, len(waiting), _AT_ONCE):
            answers += await ask_all(self._link, waiting[start : start + _AT_ONCE])
        return answers


def _length(queue: str) -> _Command:
    return "LLEN", names.queue_key(queue)


def _running(identity: bytes) -> _Command:
    return "HGET", identity, "busy"


def _queue_totals(queues: Sequence[str], sizes: Sequence[Any]) -> list[QueueTotals]:
    return [
        QueueTotals(name, _number(size), error=str(size) if isinstance(size, Refused) else None)
        for name, size in zip(queues, sizes, strict=True)
    ]


def _errors(answers: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(answer) for answer in answers if isinstance(answer, Refused)))


def _number(answer: Any) -> int:
    """Return a counter as it is written, 0 for what is none."""
    if isinstance(answer, bytes) and len(answer) < 30:
        try:
            return int(answer)
        except ValueError:
            return 0
    return answer if isinstance(answer, int) else 0
