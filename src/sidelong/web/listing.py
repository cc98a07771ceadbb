"""What a list shows: which jobs, in which order, and how many; all of it stands in the address of the page.

The rule: work is bounded whatever the address says. A page without a filter is read at its place. A filter looks at
the jobs for a moment, and where that was not enough the page says how far it came and offers to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar

from sidelong.api.filters import Filter
from sidelong.api.records import JobRecord

R = TypeVar("R", bound=JobRecord)
R_co = TypeVar("R_co", bound=JobRecord, covariant=True)

COUNTS: Final = (25, 50, 100)
_FILTERS: Final = ("class", "job", "queue", "tag", "error", "text")
_LONGEST: Final = 500
"""Characters of a filter."""
_STEP: Final = 250
"""Jobs that are read at a time to look for those that match."""
_WITHIN: Final = 0.7
"""Seconds for which a page looks for them."""
_FURTHEST: Final = 10**12


class Source(Protocol[R_co]):
    """What a list shows parts of."""

    async def size(self) -> int:
        """Return how many jobs there are."""
        ...

    async def page(self, start: int, count: int, /) -> Sequence[R_co]:
        """Return the jobs at some places."""
        ...


@dataclass(frozen=True)
class ListQuery:
    """What the address asks for, made sound.

    Attributes:
        page: which one, from 1 on; without a filter.
        count: how many jobs at most.
        is_reversed: the other order than the usual one of this list.
        start: where a filter goes on: how many jobs it has looked at.
        filters: by name in the address, what was given.
    """

    page: int
    count: int
    is_reversed: bool
    start: int
    filters: Mapping[str, str]

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "ListQuery":
        """Take what can be taken from an address; the rest is as if it had not been given."""
        wanted = _whole(query.get("count"), COUNTS[0])
        filters = {name: query[name][:_LONGEST] for name in _FILTERS if query.get(name)}
        return cls(
            page=max(1, _whole(query.get("page"), 1)),
            count=min(max(wanted, 1), COUNTS[-1]),
            is_reversed=query.get("order") == "reversed",
            start=_whole(query.get("from"), 0) if filters else 0,
            filters=filters,
        )

    @property
    def where(self) -> Filter | None:
        """The filter; None if all jobs are wanted."""
        if not self.filters:
            return None
        given = self.filters.get
        return Filter(
            job_class=given("class"),
            queue=given("queue"),
            tag=given("tag"),
            error_class=given("error"),
            text=given("text"),
            display_class=given("job"),
        )

    def values(self, **changes: object) -> dict[str, object]:
        """Return what stands in the address of this list, with changes; None leaves something out."""
        given: dict[str, object] = {
            "count": self.count if self.count != COUNTS[0] else None,
            "order": "reversed" if self.is_reversed else None,
            "page": self.page if self.page > 1 else None,
            "from": self.start or None,
            **self.filters,
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Found(Generic[R]):
    """One page of a list.

    Attributes:
        jobs: what it shows.
        size: how many jobs the whole list has, those that do not match included.
        page: which page this is.
        pages: how many there are; with a filter it cannot be known.
        start: how many jobs lie before the first one.
        places: how many jobs lie before each.
        looked_at: how far a filter has come.
        goes_on: where a filter goes on; None at the end, and without a filter.
    """

    jobs: Sequence[R]
    size: int
    page: int = 1
    pages: int = 1
    start: int = 0
    places: Sequence[int] = ()
    looked_at: int = 0
    goes_on: int | None = None


def read_place(text: str | None) -> int:
    """Return how many jobs of a list stand before one, as an address says; 0 where it says nothing that could be so."""
    return _whole(text, 0)


async def find(source: Source[R], query: ListQuery) -> Found[R]:
    """Return the page that an address asks for; of pages that there are not, the last.

    Raises:
        StoreError: Redis cannot be reached, or refuses.
    """
    size = await source.size()
    where = query.where
    if where is not None:
        return await _matching(source, query, where, size)
    pages = max(1, -(-size // query.count))
    page = min(query.page, pages)
    start = (page - 1) * query.count
    jobs = await source.page(start, query.count) if size else []
    return Found(jobs, size, page, pages, start, range(start, start + len(jobs)))


async def _matching(source: Source[R], query: ListQuery, where: Filter, size: int) -> Found[R]:
    found: list[R] = []
    places: list[int] = []
    place = min(query.start, size)
    ends_at = monotonic() + _WITHIN
    while place < size:
        step = await source.page(place, _STEP)
        if not step:
            place = size
            break
        for job in step:
            place += 1
            if where.matches(job):
                found.append(job)
                places.append(place - 1)
                if len(found) == query.count:
                    break
        if len(found) == query.count or monotonic() > ends_at:
            break
    goes_on = place if place < size else None
    return Found(found, size, start=query.start, places=places, looked_at=place, goes_on=goes_on)


def _whole(text: Any, otherwise: int) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > 15:
        return otherwise
    return min(int(text), _FURTHEST)
