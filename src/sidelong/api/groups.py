"""The entries of a set by class and error: what is wrong, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidelong.api.display import display_class
from sidelong.api.filters import NO_ERROR, Filter
from sidelong.api.job_set import JobSet
from sidelong.api.records import JobRecord
from sidelong.core import payload
from sidelong.errors import InvalidPayloadError
from sidelong.store.set_pages import SetPages
from sidelong.store.set_walk import SetWalk

_STEP: Final = 500
_MOST: Final = 1_000
_LONGEST_MESSAGE: Final = 500


@dataclass(slots=True)
class JobGroup:
    """Entries of one class that failed with errors of one class.

    Attributes:
        display_class: the class of the jobs, as it is shown.
        error_class: the class of their last error; `filters.NO_ERROR` for none.
        count: how many there are among those that were looked at.
        message: what the last error of one of them said.
        earliest: the lowest score, in epoch seconds.
        latest: the highest.
    """

    display_class: str
    error_class: str
    count: int
    message: str
    earliest: float
    latest: float

    @property
    def where(self) -> Filter:
        """What the entries of this group meet, and no others."""
        return Filter(display_class=self.display_class, error_class=self.error_class)


@dataclass(frozen=True, slots=True)
class Groups:
    """What is known so far.

    Attributes:
        groups: the largest first; a thousand at most.
        others: entries that belong to none of these.
        looked_at: how many entries were read.
        total: how many there are, about.
        is_complete: whether all were read.
    """

    groups: Sequence[JobGroup]
    others: int
    looked_at: int
    total: int
    is_complete: bool


class Grouping:
    """Reads a set once from its lowest score up, for as long as it may each time, in bounded memory.

    Args:
        jobs: the set.
    """

    def __init__(self, jobs: JobSet) -> None:
        store = jobs.app.store
        self._walk = SetWalk(SetPages(store.admin, store.scripts, store.config), jobs.name, "up", _STEP)
        self._clock = store.clock
        self._groups: dict[tuple[str, str], JobGroup] = {}
        self._others = 0
        self._is_over = False

    async def go_on(self, within: float) -> Groups:
        """Read on, and return what is known by then.

        Redis: for every 500 entries a script (ZCARD, ZCOUNT, ZRANGE), O(log n) and 500.

        Args:
            within: seconds after which to stop for now; a step is always done.

        Raises:
            StoreError: Redis cannot be reached, or refuses; it may be called again.
        """
        ends_at = self._clock.monotonic() + within
        while not self._is_over:
            page = await self._walk.page()
            for raw, score in page:
                self._add(raw, score)
            self._is_over = not page
            if self._clock.monotonic() > ends_at:
                break
        ordered = sorted(self._groups.values(), key=lambda group: (-group.count, group.display_class))
        looked_at = self._walk.looked_at
        return Groups(ordered, self._others, looked_at, max(self._walk.total, looked_at), self._is_over)

    def _add(self, raw: bytes, score: float) -> None:
        # What a `JobRecord` says, at half its price: there may be a million.
        try:
            item = payload.parse(raw)
        except InvalidPayloadError:
            item = {}
        error = item.get("error_class")
        key = display_class(item), error if type(error) is str and error else NO_ERROR
        group = self._groups.get(key)
        if group is not None:
            group.count += 1
            # Scores only rise on the way.
            group.latest = score
        elif len(self._groups) < _MOST:
            message = JobRecord(raw).error_message or ""
            self._groups[key] = JobGroup(*key, 1, message[:_LONGEST_MESSAGE], score, score)
        else:
            self._others += 1
