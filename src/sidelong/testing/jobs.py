"""What was enqueued in a block: to look at, to run, and to forget."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, overload

from sidelong.client.registry import Registry
from sidelong.client.schedule import after, instant
from sidelong.client.validation import Spoilt
from sidelong.core import payload, serialization
from sidelong.errors import EmptyQueueError
from sidelong.store.pusher import Push
from sidelong.testing.blocks import Block
from sidelong.testing.enqueued import EnqueuedJob, Target, name_of
from sidelong.testing.expectation import ANY, FORGIVEN, Anything, Expectation
from sidelong.testing.listing import listed
from sidelong.testing.runner import Runner, depth

_MOST: Final = 10_000
"""Jobs that one call runs before it takes them for a job that enqueues itself for ever."""
_DEEPEST: Final = 100
"""Jobs that may wait for each other in an `inline` block."""


class Jobs(Sequence[EnqueuedJob]):
    """The jobs of a block that wait, in the order in which they were enqueued; those that have run are in `performed`.

    Whatever runs a job, or looks whether one is due, is awaited, and works until the block ends. A test without an
    event loop calls `app.sync.run(jobs.drain)`.

    Args:
        block: whose jobs these are.
        runner: runs them.
        registry: the jobs that can be run.
        is_inline: whether they run as they are enqueued.
    """

    def __init__(self, block: Block, runner: Runner, registry: Registry, *, is_inline: bool) -> None:
        self._block = block
        self._runner = runner
        self._registry = registry
        self._is_inline = is_inline
        # Threads enqueue as well.
        self._lock = threading.Lock()
        self._waiting: tuple[EnqueuedJob, ...] = ()
        self._performed: tuple[EnqueuedJob, ...] = ()

    # What was enqueued.

    @property
    def performed(self) -> Sequence[EnqueuedJob]:
        """The jobs that have run, to whatever end, in the order in which they began."""
        return self._performed

    @property
    def scheduled(self) -> Sequence[EnqueuedJob]:
        """The jobs that wait for their time."""
        return [job for job in self._waiting if job.is_scheduled]

    def of(self, job: Target) -> list[EnqueuedJob]:
        """Return the waiting jobs of one kind."""
        return self._found(job, None)

    def on(self, queue: str) -> list[EnqueuedJob]:
        """Return the waiting jobs of one queue, those included that are to enter it later."""
        return self._found(None, queue)

    def now(self) -> float:
        """Return the time of day in this block, in epoch seconds; see `travel`."""
        return self._block.now()

    def clear(self, job: Target | None = None, *, queue: str | None = None) -> None:
        """Forget the jobs, whether they wait or have run.

        Args:
            job: only of this kind.
            queue: only of this queue.
        """
        with self._lock:
            self._waiting = tuple(each for each in self._waiting if not self._is_meant(each, job, queue))
            self._performed = tuple(each for each in self._performed if not self._is_meant(each, job, queue))

    def assert_enqueued(
        self,
        job: Target,
        args: Sequence[Any] | Anything = ANY,
        *,
        at: float | datetime | timedelta | Anything | None = ANY,
        queue: str | None = None,
    ) -> EnqueuedJob:
        """Return the first job that was enqueued so, whether it has run by now or not.

        Args:
            job: the job, or its wire name.
            args: all its positional arguments, as `enqueue` takes them.
            at: the time it was enqueued for, an aware datetime or epoch seconds; a timedelta counts from when it was
                enqueued. A second more or less is forgiven. None: at once.
            queue: the queue it was enqueued to.

        Raises:
            AssertionError: there is none; the message lists what was enqueued, by job and by queue.
            TypeError: the arguments do not fit the job's signature.
        """
        __tracebackhide__ = True
        expected = Expectation.of(job, self._registry, args=args, at=at, queue=queue)
        known = (*self._performed, *self._waiting)
        for each in known:
            if expected.is_met_by(each, self._name(each)):
                return each
        raise AssertionError(f"{expected} was not enqueued\n{listed(known, now=self.now())}")

    # Running them.

    async def drain(self, job: Target | None = None, *, queue: str | None = None, limit: int = _MOST) -> int:
        """Run the jobs that wait, and those that they enqueue, until none is left; return how many ran.

        A job for a later time is left, unless its time has come: see `travel`.

        Args:
            job: only of this kind.
            queue: only of this queue.
            limit: how many may run.

        Raises:
            BaseException: what a job has raised; it counts as run, and the others still wait.
            RuntimeError: `limit` were run and there are more, or the block has ended.
        """
        count = 0
        while (found := await self._next(job, queue)) is not None:
            if count == limit:
                raise _endless(found, count)
            count += await self._perform(found)
        return count

    async def perform_one(self, job: Target | None = None, *, queue: str | None = None) -> EnqueuedJob:
        """Run the job that waits longest, and return it.

        Args:
            job: only of this kind.
            queue: only of this queue.

        Raises:
            EmptyQueueError: none waits.
            BaseException: what the job has raised; it counts as run.
            RuntimeError: the block has ended.
        """
        while (found := await self._next(job, queue)) is not None:
            if await self._perform(found):
                return found
        raise EmptyQueueError(f"no such job waits\n{listed(self._waiting, now=self.now())}")

    async def perform(self, job: EnqueuedJob) -> None:
        """Run one of the jobs that wait, whichever, also one for a later time.

        Args:
            job: one of these jobs, as in `jobs[2]`.

        Raises:
            EmptyQueueError: it does not wait, or no more.
            BaseException: what it has raised; it counts as run.
            RuntimeError: the block has ended.
        """
        self._refuse_after_end()
        if not await self._perform(job):
            raise EmptyQueueError(f"{job!r} does not wait here")

    # Time.

    async def travel(self, delay: float | timedelta) -> int:
        """Let time pass; see `travel_to`.

        Args:
            delay: seconds or a timedelta.
        """
        return await self.travel_to(after(delay, self.now()))

    async def travel_to(self, when: float | datetime) -> int:
        """Go to a later time, at which what becomes due on the way is enqueued; return how many jobs that were.

        They enter their queues one by one, in the order of their times and each at its own, through client middleware
        as in a worker. In an `inline` block they are run then and there.

        The time is that of the block: `enqueue_in` counts from it. The clock of the machine, which a job may read,
        stays as it is.

        Args:
            when: an aware datetime or epoch seconds.

        Raises:
            ValueError: it has passed, more than a second ago.
            RuntimeError: more and more jobs become due, or the block has ended.
            BaseException: what a job or a middleware has raised. Time stands still there.
        """
        self._refuse_after_end()
        target = instant(when)
        if target < self.now() - FORGIVEN:
            raise ValueError(f"time goes on only: {target} lies {self.now() - target:g} s ago")
        count = 0
        while (due := self._first_due(target)) is not None:
            if count == _MOST:
                raise _endless(due, count)
            self._go_on_to(due.at or target)
            await self._enter_queue(due)
            count += 1
        self._go_on_to(target)
        return count

    # What comes in.

    async def receive(self, pushes: Sequence[Push]) -> None:
        """Take jobs that were pushed."""
        taken = [
            EnqueuedJob(push.raw, push.queue, push.at, is_scheduled=push.at is not None, clock=self._block)
            for push in pushes
        ]
        with self._lock:
            self._waiting = (*self._waiting, *taken)
        # As for every push, others may go on before it returns.
        await asyncio.sleep(0)
        for job in taken:
            await self._run_at_once(job)

    async def _run_at_once(self, job: EnqueuedJob) -> None:
        if not self._is_inline or job.is_scheduled or job.job_class not in self._registry:
            return
        if depth() >= _DEEPEST:
            raise RuntimeError(
                f"{_DEEPEST} jobs wait for one that each has enqueued: does {job.job_class} enqueue itself for ever?"
                " In a `fake` block a job ends before those that it enqueues begin"
            )
        await self._perform(job)

    async def _perform(self, job: EnqueuedJob) -> bool:
        """Run a job, unless another thread was faster; tell whether this one has."""
        with self._lock:
            if not self._remove(job):
                return False
            job.has_run = True
            self._performed = (*self._performed, job)
        await self._runner.run(job)
        return True

    async def _next(self, job: Target | None, queue: str | None) -> EnqueuedJob | None:
        """Return the job to be run next, after what is due has entered its queue."""
        self._refuse_after_end()
        # Not what becomes due meanwhile: a job that runs as it enters its queue may bring the next one.
        now = self.now()
        while (due := self._first_due(now)) is not None:
            await self._enter_queue(due)
        ready = (each for each in self._waiting if not each.is_scheduled and self._is_meant(each, job, queue))
        return next(ready, None)

    def _first_due(self, now: float) -> EnqueuedJob | None:
        due = [job for job in self._waiting if job.is_scheduled and job.at is not None and job.at <= now]
        return min(due, key=lambda job: job.at or 0.0, default=None)

    async def _enter_queue(self, due: EnqueuedJob) -> None:
        """Let a scheduled job enter its queue, as the poller of a worker does."""
        with self._lock:
            if not self._remove(due):
                return
        try:
            item = await self._runner.within(self._block.client.promote(payload.parse(due.value)))
        except BaseException:
            # It stays where it is, as with a worker, which tries again later.
            with self._lock:
                self._waiting = (*self._waiting, due)
            raise
        if item is None:
            return  # a client middleware has stopped it
        if isinstance(item, Spoilt):
            raise item.reason
        job = EnqueuedJob(
            serialization.dumps(item), payload.queue_to_enter(item), due.at, is_scheduled=False, clock=self._block
        )
        with self._lock:
            self._waiting = (*self._waiting, job)
        await self._run_at_once(job)

    def _go_on_to(self, when: float) -> None:
        self._block.ahead += max(0.0, when - self.now())

    def _remove(self, job: EnqueuedJob) -> bool:
        waiting = tuple(each for each in self._waiting if each is not job)
        is_there = len(waiting) < len(self._waiting)
        self._waiting = waiting
        return is_there

    def _found(self, job: Target | None, queue: str | None) -> list[EnqueuedJob]:
        return [each for each in self._waiting if self._is_meant(each, job, queue)]

    def _is_meant(self, each: EnqueuedJob, job: Target | None, queue: str | None) -> bool:
        return (job is None or self._name(each) == name_of(job, self._registry)) and queue in (None, each.queue)

    def _name(self, job: EnqueuedJob) -> str:
        return name_of(job.job_class, self._registry)

    def _refuse_after_end(self) -> None:
        if not self._block.is_open:
            raise RuntimeError("the block has ended: what its jobs enqueue would go to Redis")

    # As a sequence.

    def __len__(self) -> int:
        return len(self._waiting)

    @overload
    def __getitem__(self, index: int) -> EnqueuedJob: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EnqueuedJob]: ...
    def __getitem__(self, index: int | slice) -> EnqueuedJob | Sequence[EnqueuedJob]:
        return self._waiting[index]

    def __repr__(self) -> str:
        return f"<Jobs: {len(self._waiting)} waiting, {len(self._performed)} performed>"


def _endless(job: EnqueuedJob, count: int) -> RuntimeError:
    return RuntimeError(f"{count:,} jobs have run and there are more: does {job.job_class} enqueue itself for ever?")
