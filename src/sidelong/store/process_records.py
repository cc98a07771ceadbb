"""What processes of either language tell of themselves, and the signals that wait for them (wire-format §9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import about, ask, ask_all
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts

FIELDS: Final = (
    "info",
    "busy",
    "beat",
    "quiet",
    "rss",
    "rtt_us",
    "concurrency",
    "processed",
    "failed",
    "lag_ms",
    "classes",
)
"""What is read of a record: Sidekiq's fields, and behind them those that only our workers write."""

SIGNALS_TTL: Final = 60
"""Seconds for which a signal waits to be taken."""
_PRUNED_EVERY: Final = 60
_AT_ONCE: Final = 100
"""The most processes that one round trip reads or one script looks at."""

Fields = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class WorkEntry:
    """One running job as its process tells it.

    Attributes:
        identity: the process.
        tid: what tells it from the others of the process.
        value: JSON with `queue`, `payload` and `run_at`.
    """

    identity: str
    tid: str
    value: bytes


class ProcessRecords:
    """The processes that are listed, their records and their work.

    Methods raise `Refused`, with the key in its message, where Redis does not do it, and what `Link.call` raises. A
    record that holds another type is left out: anything may stand in `processes`.
    """

    def __init__(self, link: Link, scripts: Scripts) -> None:
        self._link = link
        self._scripts = scripts

    async def prune(self) -> int:
        """Take processes off the list whose record has expired, at most once a minute; return how many.

        Whoever may not write, or finds no memory left, lists all the same: that is no error.
        """
        try:
            is_due = await self._link.call("SET", keys.PRUNING_LOCK, 1, "NX", "EX", _PRUNED_EVERY)
            if is_due is None:
                return 0
            pruned = 0
            for batch in _batches(await self.identities()):
                listed = list(map(names.written, batch))
                pruned += await self._scripts.prune.run(self._link, (keys.PROCESSES, *listed), listed)
        except Refused:
            return 0
        return int(pruned)

    async def size(self) -> int:
        """Return how many processes are listed."""
        size: int = await ask(self._link, "SCARD", keys.PROCESSES)
        return size

    async def identities(self) -> list[str]:
        """Return the identities of the processes that are listed, sorted."""
        found: set[bytes] = set()
        cursor: bytes | int = 0
        while True:
            cursor, members = await ask(self._link, "SSCAN", keys.PROCESSES, cursor, "COUNT", _AT_ONCE)
            found.update(members)
            if int(cursor) == 0:
                return sorted(map(names.read_name, found))

    async def leader(self) -> str | None:
        """Return the identity of the leader; None if there is none."""
        identity: bytes | None = await ask(self._link, "GET", keys.LEADER)
        return names.read_name(identity) if identity else None

    async def records(self, identities: Sequence[str]) -> dict[str, Fields]:
        """Return the records of the processes that have one."""
        found: dict[str, Fields] = {}
        for batch in _batches(identities):
            answers = await self._ask_each(("HMGET", names.written(identity), *FIELDS) for identity in batch)
            for identity, answer in zip(batch, answers, strict=True):
                if answer and answer[0] is not None:
                    found[identity] = {
                        name: value for name, value in zip(FIELDS, answer, strict=True) if value is not None
                    }
        return found

    async def busy(self, identities: Sequence[str]) -> int:
        """Return how many jobs run in these processes, by their last heartbeats."""
        numbers = [fields.get("busy", b"") for fields in (await self.records(identities)).values()]
        return sum(int(number) for number in numbers if number.isdigit() and len(number) < 20)

    async def work(self, identities: Sequence[str]) -> list[WorkEntry]:
        """Return what runs in these processes, under either of the names that Sidekiq has given the hash."""
        entries: list[WorkEntry] = []
        for batch in _batches(identities):
            hashes = [(identity, name(identity)) for identity in batch for name in (keys.workers, keys.work)]
            answers = await self._ask_each(("HGETALL", names.written(key)) for _, key in hashes)
            merged: dict[tuple[str, bytes], bytes] = {}
            for (identity, _), answer in zip(hashes, answers, strict=True):
                for tid, value in zip(answer[::2], answer[1::2], strict=True):
                    merged[identity, tid] = value
            entries += [WorkEntry(identity, names.read_name(tid), value) for (identity, tid), value in merged.items()]
        return entries

    async def signal(self, identity: str, signal: str) -> None:
        """Leave a signal for a process, which takes it with its next heartbeat."""
        key = names.written(keys.signals(identity))
        try:
            await self._scripts.signal.run(self._link, (key,), (signal, SIGNALS_TTL))
        except Refused as error:
            raise about(error, key) from None

    async def _ask_each(self, commands: Iterable[Sequence[Any]]) -> list[list[Any]]:
        answers = await ask_all(self._link, list(commands))
        return [answer if isinstance(answer, list) else [] for answer in answers]


def _batches(identities: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(identities), _AT_ONCE):
        yield identities[start : start + _AT_ONCE]
