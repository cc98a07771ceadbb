"""Queues, sets and running jobs as lists that are read at a place, in the order that the page asks for."""

from collections.abc import Sequence
from time import monotonic
from typing import Final, TypeVar

from sidelong.api.entries import Entry
from sidelong.api.job_set import JobSet
from sidelong.api.queues import Queue, QueuedJob
from sidelong.api.records import JobRecord
from sidelong.api.work import Work
from sidelong.web.listing import Source
from sidelong.web.row_keys import row_key

R = TypeVar("R", bound=JobRecord)

_STEP: Final = 500


class QueueSource:
    """The jobs of a queue: the one that is fetched next first, or last."""

    def __init__(self, queue: Queue, *, oldest_first: bool) -> None:
        self._queue = queue
        self._oldest_first = oldest_first

    async def size(self) -> int:
        """Return how many jobs wait."""
        return await self._queue.size()

    async def page(self, start: int, count: int, /) -> Sequence[QueuedJob]:
        """Return the jobs at some places."""
        return await self._queue.page(start, count, oldest_first=self._oldest_first)


class RunningJob(JobRecord):
    """A job that runs, as lists take it; `work` says where."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.record.value, work.queue)
        self.work = work


class RunningSource:
    """The jobs that run, all of which are at hand: the one that has run for longest first, or last."""

    def __init__(self, works: Sequence[Work], *, longest_first: bool) -> None:
        self._works = works if longest_first else works[::-1]

    async def size(self) -> int:
        """Return how many jobs run."""
        return len(self._works)

    async def page(self, start: int, count: int, /) -> Sequence[RunningJob]:
        """Return the jobs at some places."""
        return [RunningJob(work) for work in self._works[start : start + count]]


class SetSource:
    """The entries of a set: the one with the lowest score first, or last."""

    def __init__(self, jobs: JobSet, *, earliest_first: bool) -> None:
        self._jobs = jobs
        self._earliest_first = earliest_first

    async def size(self) -> int:
        """Return how many entries there are."""
        return await self._jobs.size()

    async def page(self, start: int, count: int, /) -> Sequence[Entry]:
        """Return the entries at some places."""
        return await self._jobs.page(start, count, earliest_first=self._earliest_first)


async def look_near(source: Source[R], keys: set[str], place: int) -> dict[str, R]:
    """Return by key the jobs that still stand about where a page has shown them."""
    jobs = await source.page(max(0, place - _STEP // 2), _STEP)
    found: dict[str, R] = {}
    for job in jobs:
        if (key := row_key(job)) in keys:
            found.setdefault(key, job)
    return found


async def look_everywhere(
    queue: Queue, keys: set[str], seconds: float, *, oldest_first: bool
) -> tuple[dict[str, QueuedJob], bool]:
    """Return by key the jobs of a queue that are found in so much time, and whether that was enough.

    What stays in the queue is not passed over, whatever others push and fetch meanwhile.
    """
    found: dict[str, QueuedJob] = {}
    ends_at = monotonic() + seconds
    async for job in queue.jobs(oldest_first=oldest_first):
        if (key := row_key(job)) in keys:
            found.setdefault(key, job)
            if len(found) == len(keys):
                break
        if monotonic() > ends_at:
            return found, False
    return found, True
