"""Look at any key of the database, whoever has written it: in bounded steps, and never at more than a page of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import about, ask_all
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.set_pages import literal
from sidelong.store.wire import Command, Word

_SIZE_OF: Final = {
    "string": "STRLEN",
    "list": "LLEN",
    "set": "SCARD",
    "zset": "ZCARD",
    "hash": "HLEN",
    "stream": "XLEN",
}
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of one key.

    Attributes:
        name: the key.
        type: as Redis' TYPE names it.
        size: bytes of a string, elements of all others; None where that cannot be told.
        ttl: seconds until it goes by itself; None if it stays.
        kind: what we or Sidekiq call it in `store.keys`; None for keys of others.
        error: what Redis said if it may not be looked at.
    """

    name: str
    type: str
    size: int | None = None
    ttl: float | None = None
    kind: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A value, or the begin of a long one.

    Attributes:
        begin: its first bytes.
        size: how many it has in all.
    """

    begin: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut off."""
        return len(self.begin) == self.size


@dataclass(frozen=True, slots=True)
class Elements:
    """Some of what a key holds.

    Attributes:
        type: as Redis' TYPE names it.
        items: its elements: of a hash field and value, of a sorted set score and member, of a stream its id, and
            then fields and values.
        next: where to go on; "" at the end.
    """

    type: str
    items: Sequence[Sequence[Part]]
    next: str


class KeyBrowser:
    """Reads keys, and changes none. Methods raise what `Link.call` raises."""

    def __init__(self, link: Link, scripts: Scripts) -> None:
        self._link = link
        self._scripts = scripts

    async def count(self) -> int:
        """Return how many keys there are."""
        size: int = await self._link.call("DBSIZE")
        return size

    async def scan(self, cursor: int, text: str | None, step: int) -> tuple[int, list[str]]:
        """Return where to go on, 0 at the end, and the keys of one step, of about `step` that were looked at.

        Args:
            cursor: 0 to begin.
            text: what the names contain; None for all.
            step: how many to look at.
        """
        words: list[Word] = ["SCAN", cursor]
        if text is not None:
            words += ("MATCH", names.written(f"*{literal(text)}*"))
        after, found = await self._link.call(*words, "COUNT", step)
        return int(after), [names.read_name(name) for name in found]

    async def describe(self, wanted: Sequence[str]) -> list[StoredKey]:
        """Return what is known of each key; those that have gone meanwhile are left out."""
        written = [names.written(name) for name in wanted]
        looks: list[Command] = [(command, name) for name in written for command in ("TYPE", "PTTL")]
        answers = await self._ask(looks)
        types = [_text(answer) if isinstance(answer, bytes) else "" for answer in answers[::2]]
        sized = [(place, _SIZE_OF[kind]) for place, kind in enumerate(types) if kind in _SIZE_OF]
        measures: list[Command] = [(command, written[place]) for place, command in sized]
        sizes = dict(zip([place for place, _ in sized], await self._ask(measures), strict=True))
        found = []
        for place, (name, kind) in enumerate(zip(wanted, types, strict=True)):
            error = next((str(answer) for answer in answers[2 * place : 2 * place + 2] if _is_refused(answer)), None)
            if kind != _NONE:
                size, ttl = sizes.get(place), answers[2 * place + 1]
                found.append(
                    StoredKey(
                        name,
                        kind,
                        # Between the two looks it may have become another.
                        size if isinstance(size, int) else None,
                        ttl / 1000 if isinstance(ttl, int) and ttl >= 0 else None,
                        kind_of(name),
                        error,
                    )
                )
        return found

    async def read(self, name: str, start: str, most: int, most_bytes: int) -> Elements:
        """Return some of what a key holds.

        Args:
            name: the key.
            start: `next` of the elements before, "0" to begin.
            most: the most elements; of a small set or hash all come at once.
            most_bytes: of each part.
        """
        key = names.written(name)
        try:
            kind, after, *rest = await self._scripts.browse.run(self._link, (key,), (start, most, most_bytes))
        except Refused as error:
            raise about(error, key) from None
        return Elements(_text(kind), list(_items(rest)), _text(after))

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Ask about many keys, of which each may be forbidden."""
        try:
            return await ask_all(self._link, commands)
        except Refused as error:
            return [error] * len(commands)


def kind_of(key: str) -> str | None:
    """Return what a key is, as its row in `store.keys` is called; None for what neither we nor Sidekiq write."""
    rows = (row for row in (*keys.OF_RUBY, *keys.CATALOGUE) if re.fullmatch(row.pattern, key, re.DOTALL))
    return next((row.name for row in rows), None)


def _items(words: Sequence[Any]) -> Iterator[list[Part]]:
    place = 0
    while place < len(words):
        end = place + 1 + 2 * int(words[place])
        parts = words[place + 1 : end]
        yield [Part(begin, int(size)) for size, begin in zip(parts[::2], parts[1::2], strict=True)]
        place = end


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")


def _is_refused(answer: Any) -> bool:
    return isinstance(answer, Refused)
