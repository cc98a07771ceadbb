"""The queues: what waits in them, and how to hold, empty and search them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Annotated, Any, NamedTuple, Self, overload

import msgspec

from sidelong.api import moves
from sidelong.api.bulk import BulkOutcome
from sidelong.api.filters import Filter
from sidelong.api.marks import read_mark, write_mark
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.errors import StoreError
from sidelong.store.control import LOOK_AT_PAUSES
from sidelong.store.queue_sweep import QueueSweep
from sidelong.store.stored_queue import StoredQueue, queue_names


class _Rest(NamedTuple):
    """What of a queue is still to be looked at.

    Attributes:
        depth: how many jobs lie before that.
        left: how many jobs it has.
        last: the digest of the last one before it; empty if none was left there.
    """

    depth: Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
    left: Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
    last: bytes


class QueuedJob(JobRecord):
    """A job that waits in a queue."""

    def __init__(self, value: bytes, queue: "Queue") -> None:
        super().__init__(value, queue.name, clock=queue.app.store.clock)
        self._source = queue

    async def position(self) -> int | None:
        """Return how many jobs are fetched before this one; None if it has left the queue.

        Redis: LLEN and LPOS, O(n) in the number of jobs before it.
        """
        return await self._source._stored.position(self.value)

    async def delete(self) -> bool:
        """Delete this job from its queue, by its exact bytes.

        Redis: LREM, O(n) in the length of the queue.

        Returns:
            False if it was no longer there: a worker may have it by now.

        Raises:
            StoreError: Redis cannot be reached, or refuses. After `ReplyLost` it may have been deleted; asking
                again does no harm.
        """
        return await self._source._stored.remove(self.value)

    async def edit(self, changes: Mapping[str, Any] | None = None, *, item: Mapping[str, Any] | None = None) -> bool:
        """Change this job: the new payload is pushed as the old one leaves its queue, in one atomic step.

        It waits behind all others then, as whatever is enqueued. What is not changed stays as it is, but for `queue`,
        which is that in which the job was found. Client middleware runs once more.

        Redis: a script (LPOS, LPUSH, SADD `queues`, LREM), O(n) in the length of the queue.

        Args:
            changes: fields of the payload with their new values, such as `{"args": [1], "queue": "low"}`.
            item: a whole payload instead, to be taken as it is: the way to mend what is no JSON object.

        Returns:
            False if it was no longer there: a worker may have it by now.

        Raises:
            TypeError: an argument or a field cannot travel as JSON, or has the wrong type.
            ValueError: a field is missing or has an impossible value, or the payload is too large.
            NotEnqueued: a client middleware stopped it; the job stays.
            Exception: what a client middleware raised; the job stays.
            StoreError: Redis cannot be reached, or refuses. After `ReplyLost` it may have been done; asking again does
                no harm.
        """
        edited = moves.edited(self, changes, item)
        if changes is not None:
            edited = {**edited, "queue": changes.get("queue", self.queue)}
        queue, raw = await moves.replacement(self._source.app, self, edited)
        return await self._source._stored.swap(self.value, raw, queue)


class Queue:
    """One queue. Making this object asks Redis nothing, and the queue need not exist.

    Every method raises `StoreError` where Redis cannot be reached or refuses, for instance because the key holds
    another type.

    Args:
        app: whose Redis it is in.
        name: its name, without `queue:`.

    Attributes:
        app: the application.
        name: its name.
    """

    def __init__(self, app: Sidelong, name: str = DEFAULT_QUEUE) -> None:
        self.app = app
        self.name = name

    @classmethod
    async def all(cls, app: Sidelong) -> list[Self]:
        """Return every queue that was ever pushed to and not cleared since, sorted by name.

        Redis: SMEMBERS `queues`, O(n) in the number of queues.
        """
        return [cls(app, name) for name in await queue_names(app.store.admin)]

    async def size(self) -> int:
        """Return how many jobs wait.

        Redis: LLEN, O(1).
        """
        return await self._stored.size()

    async def latency(self) -> float:
        """Return for how many seconds the job that is fetched next has waited; 0 if none waits, or it does not tell.

        Redis: LINDEX, O(1).
        """
        raw = await self._stored.oldest()
        return 0.0 if raw is None else QueuedJob(raw, self).latency

    async def is_paused(self) -> bool:
        """Tell whether workers leave this queue alone.

        Redis: SISMEMBER `paused`, O(1).
        """
        return await self._stored.is_paused()

    def __aiter__(self) -> AsyncIterator[QueuedJob]:
        """Iterate over all jobs, the one that is fetched next first; see `jobs`."""
        return self.jobs()

    async def jobs(self, *, oldest_first: bool = True, where: Filter | None = None) -> AsyncIterator[QueuedJob]:
        """Iterate over the jobs as they are when they are read.

        While others push, fetch and delete, no job is left out that was there at the begin and stays; jobs that were
        pushed meanwhile may or may not come, and a job may come twice where very much changes at once.

        Redis: LLEN, then LRANGE once for every 50 jobs, O(n) in all; in a queue that moves as it is read, some more
        of these, and LPOS, O(n), if more than 1000 jobs were taken between two pages.

        Args:
            oldest_first: begin with the job that is fetched next, else with the one pushed last.
            where: the jobs that are wanted; all if not given.
        """
        walk = self._stored.walk(oldest_first=oldest_first)
        while page := await walk.page():
            for raw in page:
                job = QueuedJob(raw, self)
                if where is None or where.matches(job):
                    yield job

    async def page(self, start: int, count: int, *, oldest_first: bool = True) -> list[QueuedJob]:
        """Return the jobs at some places, as they lie at this moment: for people who turn pages.

        Redis: LRANGE, O(start + count).

        Args:
            start: how many jobs to leave out.
            count: the most jobs to return, at least 1.
            oldest_first: begin with the job that is fetched next, else with the one pushed last.
        """
        return [QueuedJob(raw, self) for raw in await self._stored.range(start, count, oldest_first=oldest_first)]

    @overload
    async def first(self) -> QueuedJob | None: ...
    @overload
    async def first(self, n: int) -> list[QueuedJob]: ...
    async def first(self, n: int | None = None) -> QueuedJob | list[QueuedJob] | None:
        """Return the job that is fetched next, None if none waits; with `n` a list of the next ones, in order.

        Redis: LINDEX, O(1); with `n` as `jobs`, O(n) in that number.
        """
        if n is None:
            raw = await self._stored.oldest()
            return None if raw is None else QueuedJob(raw, self)
        found: list[QueuedJob] = []
        walk = self._stored.walk()
        while len(found) < n and (page := await walk.page()):
            found += [QueuedJob(raw, self) for raw in page[: n - len(found)]]
        return found

    async def find_job(self, jid: str) -> QueuedJob | None:
        """Return the job with this id; None if it is not in this queue.

        Redis: as `jobs`, but LRANGE for every 200 jobs, 50 if they are large; O(n): not for a hot path.
        """
        written = jid.encode("utf-8", "replace")
        walk = self._stored.walk(has_large_pages=True)
        while jid and (page := await walk.page()):
            for raw in page:
                # Parsing only what may be it: four times as fast. Behind an escape anything may hide.
                if (written in raw or b"\\" in raw) and (job := QueuedJob(raw, self)).jid == jid:
                    return job
        return None

    async def delete_job(self, jid: str) -> QueuedJob | None:
        """Delete the job with this id, by its exact bytes, and return it; None if it is not, or no longer, there.

        Redis: as `find_job`, then LREM; O(n).
        """
        job = await self.find_job(jid)
        return job if job is not None and await job.delete() else None

    async def delete_by_class(self, job_class: str) -> int:
        """Delete all jobs of a class, as the worker looks it up or as it is shown; return how many there were.

        Redis: as `delete_all`, O(n).
        """
        return await self.delete_all(where=Filter(job_class=job_class))

    async def delete_all(
        self, *, where: Filter | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Delete the jobs that match, and return how many; without a filter all of them, as `clear` does.

        It goes on in bounded steps, and nothing is undone if it is broken off: it may simply be called again. What
        workers fetch meanwhile is theirs, and the order of what stays is kept. Jobs are deleted where they lie; where
        very many are meant, behind many that stay, these are copied to a list aside, in steps as well, which then takes
        the place of the queue in a single one. For that Redis needs memory for them once more; where it has none, or
        others delete from the queue meanwhile, it goes on as before, slower.

        Redis: as `find_job`, and for every page with a job that matches a script (LRANGE, LSET, LREM), O(n); where much
        stays, LRANGE once more for every 200 jobs, and three scripts (RPUSH, EXPIRE; LPOS, LRANGE, LPUSH; LLEN,
        LINDEX, RENAME): O(n) in all, in steps of some milliseconds, and of some tens where few are meant, far behind.

        Args:
            where: the jobs that are meant.
            progress: called after each step with how many jobs were looked at and how many there are, about.
        """
        if where is None:
            return await self.clear()
        sweep = QueueSweep(
            self._stored,
            is_meant=lambda raw: where.matches(QueuedJob(raw, self)),
            tell=progress,
        )
        return await sweep.run()

    async def delete_some(
        self,
        *,
        where: Filter,
        within: float,
        after: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> BulkOutcome:
        """Do the same as `delete_all` for a time, and say where to go on; all are deleted where they lie.

        Redis: as `find_job`, and for every page with a job that matches a script (LRANGE, LSET, LREM) that passes over
        what stays in front of them: O(n) steps of at most O(n). To go on, LLEN, and LRANGE for every 200 jobs by which
        the queue has moved.

        Args:
            where: the jobs that are meant.
            within: seconds after which no further step is begun.
            after: where to go on: `goes_on` of an outcome before; at the begin if not given.
            progress: as in `delete_all`.

        Raises:
            ValueError: `after` is nothing that an outcome could say.
        """
        walk, last = self._stored.walk(has_large_pages=True), b""
        if after is not None:
            depth, left, last = read_mark(after, _Rest)
            await walk.go_on(depth, left, lambda raw: _digest(raw) == last)
        stored, total, clock = self._stored, await self.size(), self.app.store.clock
        begun_at = clock.monotonic()
        deleted = looked_at = 0
        while page := await walk.page():
            looked_at += len(page)
            meant = [where.matches(QueuedJob(raw, self)) for raw in page]
            deleted += await stored.sweep([raw for raw, is_meant in zip(page, meant, strict=True) if is_meant], walk)
            if progress is not None:
                progress(looked_at, max(total, looked_at))
            kept = [raw for raw, is_meant in zip(page, meant, strict=True) if not is_meant]
            last = _digest(kept[-1]) if kept else last
            if walk.left and clock.monotonic() - begun_at >= within:
                goes_on = write_mark(_Rest(walk.depth, walk.left, last))
                return BulkOutcome(done=deleted, is_complete=False, goes_on=goes_on)
        return BulkOutcome(done=deleted)

    async def clear(self) -> int:
        """Delete all jobs and take the queue off the list of queues; return how many jobs there were.

        Redis: a script (LLEN, UNLINK, SREM `queues`), O(1).
        """
        return await self._stored.clear()

    async def pause(self) -> bool:
        """Let workers leave this queue alone until `unpause`; jobs that run go on, and pushing does.

        Workers of ours that are told heed it at once, all others within two seconds.

        Redis: two scripts (SADD `paused`; RPUSH to each living worker), O(number of workers).

        Returns:
            False if it was paused already.
        """
        return await self._set_paused(True)

    async def unpause(self) -> bool:
        """Let workers serve this queue again.

        Redis: two scripts (SREM `paused`; RPUSH to each living worker), O(number of workers).

        Returns:
            False if it was not paused.
        """
        return await self._set_paused(False)

    async def _set_paused(self, is_paused: bool) -> bool:
        has_changed = await self._stored.set_paused(is_paused)
        with suppress(StoreError):
            # It is done; workers that are not told look by themselves.
            await self.app.store.control.tell(LOOK_AT_PAUSES)
        return has_changed

    def __repr__(self) -> str:
        return f"<Queue {self.name!r}>"

    @property
    def _stored(self) -> StoredQueue:
        store = self.app.store
        return StoredQueue(store.admin, store.scripts, self.name)


def _digest(raw: bytes) -> bytes:
    return sha256(raw).digest()[:16]
