"""The sets as lists that people read: in pages, by a pattern, and emptied at one stroke."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from sidelong.core.config import Config
from sidelong.errors import Refused
from sidelong.store import keys
from sidelong.store.answers import about, ask
from sidelong.store.link import Link
from sidelong.store.scripts import Script, Scripts
from sidelong.store.sets import tell_trimmed
from sidelong.store.wire import Word

Direction = Literal["up", "down"]
"""From the lowest score to the highest, or back."""

Member = tuple[bytes, float]
"""The exact bytes of a member, and its score."""

_GLOB: Final = str.maketrans({character: f"\\{character}" for character in "*?[]\\^"})


class SetPages:
    """The schedule, retry and dead sets, read in bounded steps while others change them.

    Args:
        link: where to ask.
        scripts: the scripts of the store.
        config: the limits of the dead set.
    """

    def __init__(self, link: Link, scripts: Scripts, config: Config) -> None:
        self._link = link
        self._scripts = scripts
        self._config = config

    async def size(self, name: str) -> int:
        """Return how many members a set has."""
        size: int = await ask(self._link, "ZCARD", name)
        return size

    async def page(
        self, name: str, direction: Direction, limit: int, *, after: Member | None = None, start: float | None = None
    ) -> list[Member]:
        """Return at most `limit` members in the order of score and then bytes; none at the end.

        Args:
            name: which set.
            direction: where to.
            limit: the most members of the page.
            after: the last member of the page before, which may be gone by now.
            start: the score at which to begin, where there was no page before.
        """
        words: list[Word] = [direction, limit]
        if after is not None:
            words += (repr(after[1]), after[0])
        elif start is not None:
            words.append(repr(start))
        return _members(await self._run(self._scripts.page, name, words))

    async def slice(self, name: str, start: int, count: int, direction: Direction) -> list[Member]:
        """Return at most `count` members from a place on, as they stand at this moment.

        Args:
            name: which set.
            start: how many members to leave out.
            count: the most members.
            direction: where to.
        """
        words: list[Word] = ["ZRANGE", name, start, start + count - 1]
        if direction == "down":
            words.append("REV")
        return _members(await ask(self._link, *words, "WITHSCORES"))

    async def scan(self, name: str, pattern: bytes, count: int, cursor: int = 0) -> tuple[int, list[Member]]:
        """Return the next cursor, 0 at the end, and the members of this step that match a glob pattern."""
        after, found = await ask(self._link, "ZSCAN", name, cursor, "MATCH", pattern, "COUNT", count)
        return int(after), _members(found)

    async def add(self, name: str, raw: bytes, score: float) -> None:
        """Put a payload into a set."""
        await ask(self._link, "ZADD", name, repr(score), raw)

    async def clear(self, name: str) -> int:
        """Remove a set and return how many members it had."""
        size: int = await self._run(self._scripts.clear_set, name, ())
        return size

    async def kill(self, raws: Sequence[bytes], *, is_trimming: bool) -> int:
        """Put payloads into the dead set, trim it if asked to, and return how many entries that has dropped."""
        words: list[Word] = [self._config.dead_max_jobs, self._config.dead_timeout, int(is_trimming), *raws]
        trimmed: int = await self._run(self._scripts.kill, keys.DEAD, words)
        tell_trimmed(trimmed)
        return trimmed

    async def _run(self, script: Script, name: str, words: Sequence[Word]) -> Any:
        try:
            return await script.run(self._link, (name,), words)
        except Refused as error:
            raise about(error, name) from None


def literal(text: str) -> str:
    """Return the glob pattern that matches nothing but `text`."""
    return text.translate(_GLOB)


def _members(reply: Sequence[bytes]) -> list[Member]:
    return [(member, float(score)) for member, score in zip(reply[0::2], reply[1::2], strict=True)]
