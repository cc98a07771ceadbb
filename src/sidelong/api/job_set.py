"""What the schedule, retry and dead sets have in common: they are read, searched and steered in one way."""

import math
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from sidelong.api import moves
from sidelong.api.bulk import BulkOutcome, Progress, Sweep
from sidelong.api.entries import Entry
from sidelong.api.filters import Filter
from sidelong.app import Sidelong
from sidelong.client.schedule import instant
from sidelong.core import payload, serialization
from sidelong.errors import EndNotReached
from sidelong.store import keys
from sidelong.store.set_pages import Direction, Member, SetPages
from sidelong.store.set_walk import SetWalk
from sidelong.store.sets import Move

_PAGE: Final = 50
# Few match: what is looked at costs Redis little, and a round trip more.
_FIND_STEP: Final = 500
_ID: Final = re.compile(r"(-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity))-(.*)", re.DOTALL)


class JobSet:
    """What the three sets have in common. Making one asks Redis nothing, and the set need not exist.

    Every method raises `StoreError` where Redis cannot be reached or refuses, for instance because the key holds
    another type.

    Args:
        app: whose Redis it is in.

    Attributes:
        app: the application.
        name: the key: `schedule`, `retry` or `dead`.
    """

    name: ClassVar[str]

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def size(self) -> int:
        """Return how many entries there are.

        Redis: ZCARD, O(1).
        """
        return await self._pages.size(self.name)

    def __aiter__(self) -> AsyncIterator[Entry]:
        """Iterate over all entries, the highest score first; see `entries`."""
        return self.entries()

    async def entries(self, *, earliest_first: bool = False, where: Filter | None = None) -> AsyncIterator[Entry]:
        """Iterate over the entries as they are when they are read, in the order of their scores.

        While others add and remove, every entry that stays where it is comes exactly once. It goes once from one end
        to what was the other end when it began, so that entries may be put off as they come: one may come again.

        Redis: for every 50 entries a script (ZCARD, ZCOUNT, ZRANGE), O(log n) and 50; O(n) in all. The next page
        among many entries of one score costs O(log² n).

        Args:
            earliest_first: begin with the lowest score.
            where: the entries that are wanted; all if not given.

        Raises:
            EndNotReached: after twice as many as there were at first, and 1000, it was still not at the end, because
                more was added before it, or put off to there, than it could read. All that came was there.
        """
        walk = SetWalk(self._pages, self.name, "up" if earliest_first else "down", _PAGE)
        while page := await walk.page():
            for member in page:
                entry = self._entry(member)
                if where is None or where.matches(entry):
                    yield entry
        if not walk.is_complete:
            raise EndNotReached(
                f"{walk.looked_at:,} entries of {self.name} were read, and the end was not reached: there were"
                f" {walk.total:,} at first, and more arrive than can be read"
            )

    async def page(self, start: int, count: int, *, earliest_first: bool = False) -> list[Entry]:
        """Return the entries at some places, as they stand at this moment: for people who turn pages.

        Redis: ZRANGE, O(log n) and `count`.

        Args:
            start: how many entries to leave out.
            count: the most entries to return, at least 1.
            earliest_first: begin with the lowest score.
        """
        direction: Direction = "up" if earliest_first else "down"
        return [self._entry(member) for member in await self._pages.slice(self.name, start, count, direction)]

    async def scan(self, match: str, count: int = 100) -> AsyncIterator[Entry]:
        r"""Iterate, in no order, over the entries whose JSON matches a pattern.

        An entry may come twice while others add and remove many. The JSON is matched as it is written; to look for
        a text however its writer has escaped it, and in order, there is `entries(where=Filter(text=...))`.

        Redis: ZSCAN once for every `count` entries, O(n) in all.

        Args:
            match: a pattern as in Redis, with `*`, `?`, `[ab]` and `\` to take the next character as it is; without
                any `*` it may stand anywhere.
            count: how many entries one step looks at.
        """
        pattern = (match if "*" in match else f"*{match}*").encode()
        cursor = 0
        while True:
            cursor, found = await self._pages.scan(self.name, pattern, count, cursor)
            for member in found:
                yield self._entry(member)
            if cursor == 0:
                break

    async def find_job(self, jid: str) -> Entry | None:
        """Return the entry with this jid, None if there is none.

        Redis: ZSCAN once for every 500 entries, O(n): not for a hot path. `fetch` is faster if the score is known.
        """
        if not jid:
            return None
        # One text that may stand anywhere: with many of them Redis can be busy for long.
        async for entry in self.scan(f"*{payload.plain_part(jid).decode()}*", _FIND_STEP):
            if entry.jid == jid:
                return entry
        return None

    async def fetch(
        self, score: float | tuple[float, float], jid: str | None = None, *, limit: int | None = None
    ) -> list[Entry]:
        """Return the entries with a score, or with one from `min` to `max` (both included), the lowest first.

        They are all in memory at once: where there may be many, give a limit, and go on from the score of the last.

        Redis: for every 50 of them a script (ZCARD, ZCOUNT, ZRANGE), O(log n) and 50.

        Args:
            score: epoch seconds, exactly; or the tuple `(min, max)`.
            jid: only those with this one; "" for those that have none.
            limit: the most entries to return, at least 1; all if not given.

        Raises:
            ValueError: a score is not a number, or the limit is less than 1.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"a limit must be at least 1, not {limit!r}")
        lowest, highest = score if isinstance(score, tuple) else (score, score)
        if math.isnan(lowest) or math.isnan(highest):
            raise ValueError("a score must be a number")
        found: list[Entry] = []
        page = await self._pages.page(self.name, "up", _PAGE, start=float(lowest))
        while page and page[0][1] <= highest:
            entries = [self._entry(member) for member in page if member[1] <= highest]
            found += [entry for entry in entries if jid is None or entry.jid == jid]
            if limit is not None and len(found) >= limit:
                return found[:limit]
            page = await self._pages.page(self.name, "up", _PAGE, after=page[-1])
        return found

    async def get(self, entry_id: str) -> Entry | None:
        """Return the entry with this `id`, None if there is none.

        Redis: as `fetch`, O(log n).
        """
        parts = _ID.fullmatch(entry_id)
        if parts is None:
            return None
        found = await self.fetch(float(parts[1]), parts[2])
        return found[0] if found else None

    async def delete_by_jid(self, score: float, jid: str) -> bool:
        """Delete the entry with this score and jid.

        Redis: as `fetch` and `Entry.delete`, O(log n).

        Returns:
            False if there is none.
        """
        for entry in await self.fetch(score, jid):
            if await entry.delete():
                return True
        return False

    async def schedule(self, at: float | datetime, item: Mapping[str, Any]) -> None:
        """Put a payload into this set as it is: for tools that restore or convert jobs; jobs are enqueued by a push.

        Redis: ZADD, O(log n).

        Args:
            at: an aware datetime, or epoch seconds.
            item: the payload.

        Raises:
            TypeError: `at` is neither.
            ValueError: `at` has no time zone or no calendar has it, or JSON cannot carry the payload.
        """
        stored = {key: value for key, value in item.items() if key != "at"}
        await self._pages.add(self.name, serialization.dumps(stored), instant(at))

    async def clear(self) -> int:
        """Delete all entries, and return how many there were.

        Redis: a script (ZCARD, UNLINK), O(1).
        """
        return await self._pages.clear(self.name)

    async def enqueue_all(
        self,
        *,
        where: Filter | None = None,
        progress: Progress | None = None,
        within: float | None = None,
        after: str | None = None,
    ) -> BulkOutcome:
        """Do `Entry.add_to_queue` to all entries that match, the earliest first; see `retry_all`.

        Redis: as `retry_all`, O(n log n).
        """
        return await self._enqueue(self._sweep(where, progress, within, after), is_retry=False)

    async def retry_all(
        self,
        *,
        where: Filter | None = None,
        progress: Progress | None = None,
        within: float | None = None,
        after: str | None = None,
    ) -> BulkOutcome:
        """Do `Entry.retry` to all entries that match, the earliest first.

        It goes once from the earliest entry to what was the last one when it began, in steps of 100, each at once
        done. No jid is enqueued twice by one call: a job that fails again while this goes on is left to its next
        retry. Broken off, it may simply be called again.

        Redis: for every 100 entries two scripts, one that reads (ZCARD, ZCOUNT, ZRANGE) and one that moves (ZSCORE,
        LPUSH, SADD, ZREM): O(n log n) in all.

        Args:
            where: the entries that are meant; all if not given.
            progress: is called after each step with how many were looked at, and how many there are, about.
            within: seconds after which no further step is begun; the outcome says then where it goes on.
            after: where to go on: `goes_on` of an outcome before. What was the last entry at the first begin stays
                the last one, and that no jid is enqueued twice holds for each part by itself.

        Raises:
            StoreError: Redis cannot be reached, or refuses. What was done is done; another call does the rest.
            ValueError: `after` is nothing that an outcome could say.
        """
        return await self._enqueue(self._sweep(where, progress, within, after), is_retry=True)

    async def kill_all(
        self,
        *,
        where: Filter | None = None,
        progress: Progress | None = None,
        within: float | None = None,
        after: str | None = None,
        notify_failure: bool = True,
        ex: BaseException | None = None,
    ) -> BulkOutcome:
        """Do `Entry.kill` to all entries that match, the earliest first, in steps like those of `retry_all`.

        The dead set is trimmed as usual: of more entries than it holds, the earliest are dropped. Each death handler
        is called after the kill that it is told of: if this process dies meanwhile, it is not told of up to ten.

        Redis: for every 100 entries two scripts, one that reads and one that moves (ZSCORE, ZADD, ZREMRANGEBYSCORE,
        ZREMRANGEBYRANK, ZREM), with death handlers ten that move: O(n log n) in all.

        Args:
            where: the entries that are meant; all if not given.
            progress: as in `retry_all`.
            within: as in `retry_all`.
            after: as in `retry_all`.
            notify_failure: call the death handlers of this process.
            ex: what they are given as the reason.

        Raises:
            StoreError, ValueError: as `retry_all`.
        """

        async def decide(entry: Entry) -> Move:
            return moves.killing(entry, entry.score)

        async def then(entry: Entry) -> None:
            await moves.tell_death(self.app, entry.item, ex)

        return await self._sweep(where, progress, within, after).run(
            decide,
            then=then if notify_failure and self.app.hooks.death_handlers else None,
            # It stands there again, with a later time.
            turn=_value if self.name == keys.DEAD else None,
        )

    async def delete_all(
        self,
        *,
        where: Filter | None = None,
        progress: Progress | None = None,
        within: float | None = None,
        after: str | None = None,
    ) -> BulkOutcome:
        """Do `Entry.delete` to all entries that match, in steps like those of `retry_all`.

        To delete whatever there is, `clear` is faster.

        Redis: for every 100 entries two scripts, one that reads and one that moves (ZSCORE, ZREM): O(n log n) in all.

        Args:
            where: the entries that are meant; all if not given.
            progress: as in `retry_all`.
            within: as in `retry_all`.
            after: as in `retry_all`.

        Raises:
            StoreError, ValueError: as `retry_all`.
        """

        async def decide(entry: Entry) -> Move:
            return moves.deletion(entry, entry.score)

        return await self._sweep(where, progress, within, after).run(decide)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    async def _enqueue(self, sweep: Sweep, *, is_retry: bool) -> BulkOutcome:
        async def decide(entry: Entry) -> Move:
            return await moves.enqueuing(self.app, entry, entry.score, is_retry=is_retry)

        return await sweep.run(decide, turn=_jid)

    def _sweep(self, where: Filter | None, progress: Progress | None, within: float | None, after: str | None) -> Sweep:
        return Sweep(self.app, self._pages, self.name, where=where, progress=progress, within=within, after=after)

    def _entry(self, member: Member) -> Entry:
        return Entry(self.app, self.name, *member)

    @property
    def _pages(self) -> SetPages:
        store = self.app.store
        return SetPages(store.admin, store.scripts, store.config)


def _jid(entry: Entry) -> str:
    return entry.jid


def _value(entry: Entry) -> bytes:
    return entry.value
