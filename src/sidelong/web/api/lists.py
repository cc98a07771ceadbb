"""Jobs in pages, as the JSON API tells of them."""

from typing import Any

from msgspec import Struct

from sidelong.web.api.jobs import Job, TimedJob
from sidelong.web.listing import Found, ListQuery, R
from sidelong.web.visit import Visit


class Page(Struct, kw_only=True):
    """A part of a list.

    Attributes:
        size: how many jobs the whole list has, those that do not match included.
        looked_at: how many of them conditions have looked at so far; null without conditions.
        next: where the list goes on; null at its end. With conditions, work is done for a moment only: there may be
            fewer jobs than wanted, or none, and it goes on all the same.
    """

    size: int
    looked_at: int | None
    next: str | None


class QueuedJobs(Page, kw_only=True):
    """A part of a queue.

    Attributes:
        jobs: the jobs.
    """

    jobs: list[Job]


class TimedJobs(Page, kw_only=True):
    """A part of the schedule, the retries or the dead jobs.

    Attributes:
        jobs: the entries.
    """

    jobs: list[TimedJob]


def page_of(visit: Visit, query: ListQuery, found: Found[R], path: str) -> dict[str, Any]:
    """Return the fields of `Page`.

    Args:
        visit: the request.
        query: what was asked for.
        found: what was found.
        path: the address of the list below the prefix, without a query.
    """
    goes_on: dict[str, object] | None = None
    if query.filters:
        if found.goes_on is not None:
            goes_on = query.values(**{"from": found.goes_on})
    elif found.page < found.pages:
        goes_on = query.values(page=found.page + 1)
    return {
        "size": found.size,
        "looked_at": found.looked_at if query.filters else None,
        "next": None if goes_on is None else visit.place.url(path, **goes_on),
    }


def job_url(visit: Visit, path: str, query: ListQuery, place: int) -> str:
    """Return where all of a job is told.

    Args:
        visit: the request.
        path: its address below the prefix, without a query.
        query: the list in which it stands.
        place: how many jobs stand before it.
    """
    return visit.place.url(path, at=place or None, order="reversed" if query.is_reversed else None)
