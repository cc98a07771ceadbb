"""The queues of a capsule: park, and the turn that settles and takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.outcome import (
    Buried,
    Cancelled,
    Dead,
    Done,
    Dropped,
    HandedBack,
    Outcome,
    Retry,
    Rewritten,
)
from sidelong.errors import Refused
from sidelong.store import keys
from sidelong.store.counters import counter_keys
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

_OPERATIONS: dict[type[Outcome] | type[None], str] = {
    Done: "done",
    Dropped: "dropped",
    # Counted as processed, and not as failed.
    Cancelled: "done",
    Buried: "bury",
    HandedBack: "back",
    Dead: "dead",
    Retry: "retry",
    Rewritten: "rewrite",
}
_PLAIN = frozenset({"done", "dropped", "bury", "back"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What one turn settles and how much it takes.

    Attributes:
        number: counts the batches of a capsule; a repeat carries the same number.
        deliveries: those to settle, with their outcomes.
        free: the most entries to take in all.
        takes: per visit of a queue, its place and the most entries.
    """

    number: int
    deliveries: Sequence[Delivery]
    free: int = 0
    takes: Sequence[tuple[int, int]] = ()


@dataclass(slots=True)
class Turn:
    """What one turn did.

    Attributes:
        settled: the deliveries that are off the private list, by this worker.
        lost: those that were no longer this worker's: nothing was written for them.
        unsettled: those that met an error and are still on the list.
        taken: place and raw payloads.
        is_owner: False when the identity is not registered, or declared dead: nothing is taken then.
        errors: what Redis said about single entries and keys.
        trimmed: how many dead entries were dropped to make room.
    """

    settled: Sequence[Delivery]
    lost: Sequence[Delivery] = ()
    unsettled: Sequence[Delivery] = ()
    taken: Sequence[tuple[int, list[bytes]]] = ()
    is_owner: bool = True
    errors: Sequence[str] = field(default=())
    trimmed: int = 0


class CapsuleQueues:
    """The queues of one capsule and the private lists that belong to them.

    Args:
        link: the one connection over which this capsule takes; its order is what the audit relies on.
        identity: whose private lists they are.
        capsule: name of the capsule.
        names: queue names; a place is an index into them.
    """

    def __init__(
        self,
        link: Link,
        scripts: Scripts,
        config: Config,
        clock: Clock,
        *,
        identity: str,
        capsule: str,
        names: Sequence[str],
    ) -> None:
        self._link = link
        self._scripts = scripts
        self._clock = clock
        self._identity = identity
        self._settled = keys.settled(identity)
        self._capsule = capsule
        self.names = tuple(names)
        self.lists = [(keys.queue(name), keys.inflight(identity, name)) for name in names]
        self._lists = tuple(key for pair in self.lists for key in pair)
        self._limits = (keys.DAY, config.dead_max_jobs, config.dead_timeout, keys.DAILY_TTL)

    async def turn(self, batch: Batch) -> Turn:
        """Settle and take in one atomic step, which a repeat of the same number does not do again.

        Raises:
            Unavailable, ReplyLost, Refused: as `Link.call`; after each the same batch may be sent again.
        """
        ordered, runs, count = _runs(batch.deliveries)
        counters = counter_keys(self._clock.now())
        reply = await self._scripts.turn.run(
            self._link,
            (self._settled, keys.OWNERS, keys.RETRY, keys.DEAD, *counters, keys.BURIED, keys.QUEUES, *self._lists),
            (
                self._identity,
                self._capsule,
                batch.number,
                *self._limits,
                count,
                *runs,
                batch.free,
                len(batch.takes),
                *chain.from_iterable(batch.takes),
            ),
        )
        return _turn(reply, ordered, batch.takes)

    async def park(self, link: Link, place: int, seconds: float) -> bytes | None:
        """Wait for one payload of a queue, at most `seconds`; never cancelled, never 0 seconds."""
        queue, inflight = self.lists[place]
        raw: bytes | None = await link.call("BLMOVE", queue, inflight, "RIGHT", "LEFT", f"{seconds:.3f}")
        return raw

    async def sizes(self, link: Link) -> list[int | Refused]:
        """Return how many payloads each private list holds, an error where a list cannot be read."""
        answers = await self._scripts.sizes.run(link, [inflight for _, inflight in self.lists], ())
        return [answer if isinstance(answer, int) else Refused(answer.decode("utf-8", "replace")) for answer in answers]

    async def entries(self, link: Link, place: int) -> list[bytes]:
        """Return the payloads of one private list."""
        entries: list[bytes] = await link.call("LRANGE", self.lists[place][1], 0, -1)
        return entries


def _runs(deliveries: Sequence[Delivery]) -> tuple[list[Delivery], list[Word], int]:
    """Group deliveries by operation and queue, as `turn.lua` reads them."""
    groups: dict[tuple[str, int], list[Delivery]] = {}
    outcome, place, group = None, -1, []
    for delivery in deliveries:
        # Most end as the one before them did, and came from the same queue.
        if delivery.outcome is not outcome or delivery.place != place:
            outcome, place = delivery.outcome, delivery.place
            group = groups.setdefault((_OPERATIONS[type(outcome)], place), [])
        group.append(delivery)
    ordered: list[Delivery] = []
    words: list[Word] = []
    for (operation, place), group in groups.items():
        if operation == "back":
            group = _last_first(group)
        ordered += group
        words += (operation, place, len(group))
        if operation in _PLAIN:
            words += [delivery.raw for delivery in group]
        else:
            for delivery in group:
                words += _words(delivery)
    return ordered, words, len(groups)


def _last_first(group: Sequence[Delivery]) -> list[Delivery]:
    """Return what goes to the head of a queue one by one: the job that was taken first ends nearest to it, as it was.

    Those that were not started come in this order already, and after those that were.
    """
    started = [each for each in reversed(group) if each.started_at]
    started.sort(key=attrgetter("started_at"), reverse=True)
    return [each for each in group if not each.started_at] + started


def _words(delivery: Delivery) -> tuple[Word, ...]:
    match delivery.outcome:
        case Retry(raw=new, delay=delay):
            return (delivery.raw, new, f"{delay:.6f}")
        case Dead(raw=new) | Rewritten(raw=new):
            return (delivery.raw, new)
        case _:
            return (delivery.raw,)


def _turn(reply: list[Any], ordered: list[Delivery], takes: Sequence[tuple[int, int]]) -> Turn:
    kind, is_owner, results, errors, trimmed, *taken = reply
    texts = [error.decode("utf-8", "replace") for error in errors]
    if kind == b"stale":
        # Nothing was done: these still stand in the private list, and a newer number will settle them.
        return Turn((), (), ordered, (), is_owner == 1, [*texts, "a newer batch has been settled"])
    payloads = []
    for (place, _), got in zip(takes, taken, strict=False):
        if type(got) is bytes:
            texts.append(got.decode("utf-8", "replace"))
        elif got:
            payloads.append((place, got))
    if results.count(b"1") == len(ordered):
        return Turn(ordered, (), (), payloads, is_owner == 1, texts, trimmed)
    parted: dict[int, list[Delivery]] = {ord("1"): [], ord("0"): [], ord("e"): []}
    for delivery, result in zip(ordered, results, strict=True):
        parted[result].append(delivery)
    settled, lost, unsettled = parted.values()
    return Turn(settled, lost, unsettled, payloads, is_owner == 1, texts, trimmed)
