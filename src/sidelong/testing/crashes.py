"""Is this job safe to repeat? Run it again and again, each time killed after another await and then run anew."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from sidelong.client.registry import AnyJob, Registry
from sidelong.core import payload, serialization
from sidelong.testing.await_points import Survey, telling
from sidelong.testing.enqueued import EnqueuedJob, Target, job_meant
from sidelong.testing.jobs import Jobs
from sidelong.testing.life import Life
from sidelong.testing.modes import ServerMiddleware, chain_of, opened
from sidelong.testing.runner import Runner
from sidelong.testing.user_code import UserCode

_ITS_END: Final = "its end"
_LOOK_AGAIN: Final = 0.001
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How things are after a job was killed once, and then run to its end.

    Attributes:
        number: which of the crashes this is, from 1 up.
        after: the await after which it was killed, as in `jobs.py:52 in complete_order`; or `its end`, where the
            worker died before Redis knew that the job was done.
        state: what `setup` has returned.
        jobs: what the job has enqueued, in both runs; none of it has run.
    """

    number: int
    after: str
    state: Any
    jobs: Jobs

    def __str__(self) -> str:
        return f"killed after {self.after}, and run again"


async def crash_after_each_await(
    job: Target,
    *args: Any,
    setup: Callable[[], Any] | None = None,
    restart: Callable[[], Any] | None = None,
    server_middleware: ServerMiddleware = False,
    patience: float = 10.0,
) -> AsyncIterator[Crash]:
    """Kill a job after each of its awaits in turn, and at last after its end; run it again, and show what came of it.

    `async for crash in crash_after_each_await(complete_order, 7, setup=new_world): ...` goes through its body once for
    each await that ends in your own code, that of libraries left out. First the job is run twice from a fresh start
    without being killed, to find them.

    A killed run stops where it stands, with all tasks it has started: no `except`, no `finally`, no end of a `with`
    block runs, as none does in a process that is killed. What lives on, unlike there, is memory: a lock stays locked,
    a connection checked out, its transaction open. `restart` is there to do what a new process would. A thread that
    runs goes on to its end; a `def` job is killed after its end only.

    Args:
        job: the job, not its name.
        args: its arguments, as for `enqueue`.
        setup: called before each start, plain or async: puts everything back to where the job begins.
        restart: called between the two runs, plain or async.
        server_middleware: True to have the server middleware of its app around it, or other middleware.
        patience: seconds that one run may take.

    Yields:
        What came of each crash, for the test to look at.

    Raises:
        BaseException: what the job has raised; a note says after which crash.
        TimeoutError: a run has taken longer than `patience`.
        RuntimeError: the job does not take the same way each time, most likely because `setup` leaves something.
    """
    found = job_meant(job, Registry())
    if found is None:
        raise TypeError(f"crash_after_each_await takes a job, not {job!r}")
    rehearsal = _Rehearsal(found, args, setup, restart, server_middleware, patience)
    total = await rehearsal.count_awaits() if found.is_async else 0
    for number in range(1, total + 2):
        yield await rehearsal.crash(number, ends_after=number if number <= total else None)


class _Rehearsal:
    """Runs one job with one choice of arguments, from a fresh start each time."""

    def __init__(
        self,
        job: AnyJob,
        args: tuple[Any, ...],
        setup: Callable[[], Any] | None,
        restart: Callable[[], Any] | None,
        server_middleware: ServerMiddleware,
        patience: float,
    ) -> None:
        self._job = job
        self._args = args
        self._setup = setup
        self._restart = restart
        self._chain = chain_of(job.server_chain, server_middleware)
        self._patience = patience
        self._registry = Registry()
        self._registry.register(job)
        self._users = UserCode(job.__module__)
        self._functions: list[FunctionType] = []

    async def count_awaits(self) -> int:
        """Return how many awaits of the user's code end in one run."""
        await self._run_once(Life(self._users, survey=Survey(self._users)))
        life = Life(self._users)
        await self._run_once(life)
        return life.passed

    async def crash(self, number: int, *, ends_after: int | None) -> Crash:
        """Kill the job once and run it again.

        Args:
            number: of this crash.
            ends_after: the number of the await after which it is killed; None for after its end.
        """
        state = await _call(self._setup)
        life = Life(self._users, ends_after=ends_after)
        with opened(self._job.client, self._registry, self._chain, is_inline=False) as (jobs, runner):
            enqueued = await self._enqueue(jobs)
            await self._live(runner, enqueued, life)
            if ends_after is not None and life.passed < ends_after:
                raise RuntimeError(
                    f"{self._job.name} has ended after {life.passed} awaits, although there were more before:"
                    " let setup= put everything back to where the job begins"
                )
            after = _ITS_END if ends_after is None else life.place
            await _call(self._restart)
            await self._run_again(runner, enqueued, after, jobs.now())
        return Crash(number=number, after=after, state=state, jobs=jobs)

    async def _run_once(self, life: Life) -> None:
        await _call(self._setup)
        with opened(self._job.client, self._registry, self._chain, is_inline=False) as (jobs, runner):
            await self._live(runner, await self._enqueue(jobs), life)

    async def _enqueue(self, jobs: Jobs) -> EnqueuedJob:
        """Let the job go the way of any other, and take what a worker would be given."""
        if await self._job.enqueue(*self._args) is None:
            raise RuntimeError(f"{self._job.name} was not enqueued: a client middleware has stopped it")
        enqueued = jobs[-1]
        jobs.clear()
        return enqueued

    async def _live(self, runner: Runner, enqueued: EnqueuedJob, life: Life) -> None:
        """Run the job until its life is over, or until it has ended, and with it the process."""
        async with _alone():
            await self._live_alone(runner, enqueued, life)
            if life.survey is not None:
                self._functions = life.survey.found()

    async def _live_alone(self, runner: Runner, enqueued: EnqueuedJob, life: Life) -> None:
        with telling(self._functions, life.takes_point), life.driving_tasks():
            try:
                async with asyncio.timeout(self._patience) as limit:
                    await runner.run(enqueued, drive=life.drive)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise TimeoutError(f"{self._job.name} has not ended within {self._patience:g} s") from None
            finally:
                await life.end()

    async def _run_again(self, runner: Runner, enqueued: EnqueuedJob, after: str, now: float) -> None:
        """Run the job as it comes back from a dead worker."""
        item = payload.parse(enqueued.value)
        payload.add_crash(item, [], now)
        again = EnqueuedJob(
            serialization.dumps(item), enqueued.queue, enqueued.at, is_scheduled=False, clock=self._job.client.clock
        )
        try:
            async with asyncio.timeout(self._patience) as limit:
                await runner.run(again)
        except BaseException as error:
            if isinstance(error, TimeoutError) and limit.expired():
                raise TimeoutError(
                    f"{self._job.name} was killed after {after}, and then has not ended within {self._patience:g} s:"
                    " does it wait for a lock or a connection that the killed run still holds? A new process would"
                    " have new ones: make them in restart="
                ) from None
            error.add_note(f"{self._job.name} was killed after {after}, and then run again")
            raise


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Wait until no other test, in whichever thread, has replaced code."""
    while not _lock.acquire(blocking=False):  # noqa: ASYNC110 - other threads may have it
        await asyncio.sleep(_LOOK_AGAIN)
    try:
        yield
    finally:
        _lock.release()


async def _call(function: Callable[[], Any] | None) -> Any:
    answer = None if function is None else function()
    return await answer if inspect.isawaitable(answer) else answer
