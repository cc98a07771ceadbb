"""Find one job by its jid wherever it may wait, and remove it, in bounded steps.

The rule: a job is removed by its exact bytes, in one atomic step. Where that finds nothing, the job has moved on.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from sidelong.core import payload
from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import ask
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts

_PAGE: Final = 500
"""Entries that one call looks at."""
_LONGER: Final = 2
"""A queue that grows while it is read is read as if it were so many times as long: the search must end."""

Sizes = Mapping[str, int]
"""How many jobs stood in each place when it was looked at, and had been settled before."""


class JobSearch:
    """Looks for one job. Sets are looked at first, then queues: in the direction in which jobs move.

    Args:
        link: any connection.
        scripts: those of the store.
        jid: of the job.

    Attributes:
        sizes: what the latest `remove` has seen on its way; where nothing moves, the next one sees the same.
        unread: why the latest `remove`, or a `holder` after it, could not look everywhere; None if it could. What
            holds the names of queues or owners has the wrong type then.
    """

    def __init__(self, link: Link, scripts: Scripts, jid: str) -> None:
        self.sizes: Sizes = {}
        self.unread: Refused | None = None
        self._link = link
        self._scripts = scripts
        self._jid = jid
        self._text = payload.plain_part(jid)

    async def remove(self) -> str | None:
        """Remove the job where it waits and return where that was: `schedule`, `retry` or `queue:<name>`.

        Redis: GET of a counter, ZSCAN of both sets and LRANGE, in a script, of all queues: O(number of waiting jobs),
        in steps of 500.

        Raises:
            Unavailable, ReplyLost: as `Link.call`.
        """
        # A job that comes and goes between two looks leaves no place longer.
        self.sizes = sizes = {keys.PROCESSED: await self._number("GET", keys.PROCESSED)}
        self.unread = None
        for name in (keys.SCHEDULE, keys.RETRY):
            sizes[name] = await self._number("ZCARD", name)
            if await self._remove_from_set(name):
                return name
        for queue in sorted(map(names.read_name, await self._members(keys.QUEUES))):
            key = names.queue_key(queue)
            sizes[keys.queue(queue)] = await self._number("LLEN", key)
            if await self._remove_from_list(key):
                return keys.queue(queue)
        return None

    async def holder(self) -> str | None:
        """Return the identity in whose in-flight list the job stands; O(number of running jobs).

        Raises:
            Unavailable, ReplyLost: as `Link.call`.
        """
        for identity in sorted(await self._members(keys.OWNERS)):
            owner = names.read_name(identity)
            for queue in await self._members(keys.owner_queues(owner)):
                with suppress(Refused):
                    if await self._find(names.written(keys.inflight(owner, names.read_name(queue)))):
                        return owner
        return None

    async def _members(self, key: str) -> list[bytes]:
        """Return the members of a set that leads to jobs; where it cannot be read, they may be anywhere."""
        try:
            members: list[bytes] = await ask(self._link, "SMEMBERS", names.written(key))
        except Refused as error:
            self.unread = error
            return []
        return members

    async def _number(self, command: str, key: str | bytes) -> int:
        """Return a size or a count: 0 of what has the wrong type, from which nobody could fetch either."""
        try:
            return int(await ask(self._link, command, key) or 0)
        except (Refused, ValueError):
            return 0

    async def _remove_from_set(self, name: str) -> bool:
        cursor = 0
        while True:
            try:
                after, found = await ask(
                    self._link, "ZSCAN", name, cursor, "MATCH", b"*" + self._text + b"*", "COUNT", _PAGE
                )
            except Refused:
                return False
            for member in found[::2]:
                if payload.jid_of(member) == self._jid and await self._link.call("ZREM", name, member):
                    return True
            cursor = int(after)
            if cursor == 0:
                return False

    async def _remove_from_list(self, key: bytes) -> bool:
        try:
            raw = await self._find(key)
            return raw is not None and bool(await self._link.call("LREM", key, 1, raw))
        except Refused:
            return False

    async def _find(self, key: bytes) -> bytes | None:
        """Return the entry of a list that is the job.

        From the left, where new jobs come in: what moves while it is read moves away from there, and is met later.
        """
        size = await ask(self._link, "LLEN", key)
        for start in range(0, _LONGER * size + _PAGE, _PAGE):
            count, *found = await self._scripts.seek.run(self._link, (key,), (self._text, start, start + _PAGE - 1))
            for raw in found:
                if payload.jid_of(raw) == self._jid:
                    return bytes(raw)
            if count < _PAGE:
                break
        return None
