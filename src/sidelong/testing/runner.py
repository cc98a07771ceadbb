"""Runs single jobs as a worker would, but lets what they raise come out."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from random import Random
from types import TracebackType
from typing import Any, TypeVar

from sidelong.client.calls import host_calls
from sidelong.client.registry import AnyJob, Registry
from sidelong.client.step_memory import StepMemory
from sidelong.client.steps import Steps
from sidelong.core.config import Config
from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.lifecycle import Hooks
from sidelong.core.middleware import Chain
from sidelong.core.outcome import DROPPED, LOST, Outcome
from sidelong.testing.blocks import Block
from sidelong.testing.enqueued import EnqueuedJob
from sidelong.worker.executor import Executor
from sidelong.worker.retries import Retries
from sidelong.worker.suspects import Suspects
from sidelong.worker.threads import JobThreads

T = TypeVar("T")

_depth: ContextVar[int] = ContextVar("sidelong_depth", default=0)

Drive = Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]
"""Puts something around the coroutine of an execution."""


def depth() -> int:
    """Return how many jobs wait for what happens here, each having enqueued the next in an `inline` block."""
    return _depth.get()


class Runner:
    """Runs the jobs of one block through the executor of a worker, one task for each.

    Args:
        block: what jobs enqueue meanwhile is its own, and so is their time.
        registry: the jobs that can be run.
        chain: the server middleware.
    """

    def __init__(self, block: Block, registry: Registry, chain: Chain) -> None:
        config, hooks = block.client.config, Hooks()
        self._block = block
        self._failures = _Failures(config, block, hooks, Random())
        self._threads = JobThreads("sidelong-test-job")
        self._executor = Executor(
            config=config,
            clock=block,
            registry=registry,
            server_chain=chain,
            hooks=hooks,
            retries=self._failures,
            suspects=Suspects(_mark),
            threads=self._threads,
            is_stopping=lambda: False,
            # Of the block: a job that runs again in it finds the steps that it had finished.
            steps=Steps(StepMemory(), block.client.close),
        )

    async def run(self, job: EnqueuedJob, *, drive: Drive | None = None) -> None:
        """Run a job to its end.

        Args:
            job: what to run.
            drive: puts something around its coroutine. If that lets the task be cancelled, the job was broken off.

        Raises:
            BaseException: what the job has raised, or the middleware around it.
        """
        delivery = Delivery(job.value, 0, job.queue)
        executing: Coroutine[Any, Any, Any] = self._executor.execute(delivery)
        task = delivery.task = self._start(executing if drive is None else drive(executing))
        try:
            # Not awaited itself: the executor takes a cancellation for the job's own, unless it is told.
            await asyncio.wait({task})
        except asyncio.CancelledError:
            self._executor.cancel(delivery, CancelReason.STOP)
            await asyncio.wait({task})
            raise
        finally:
            # Timers of the execution ask whether there is anything left to tell.
            delivery.outcome = LOST
        if not task.cancelled():
            task.result()
        self._failures.raise_of(delivery)

    async def within(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await something as a part of the block, whichever context this is."""
        return await self._start(coroutine)

    def close(self) -> None:
        """Let the threads of `def` jobs end."""
        self._threads.close()

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        context = self._block.context.copy()
        context.run(host_calls)
        context.run(_depth.set, depth() + 1)
        return asyncio.get_running_loop().create_task(coroutine, name="sidelong-test-job", context=context)


class _Failures(Retries):
    """Keeps what a job has raised, in the place of deciding what becomes of it."""

    def __init__(self, config: Config, block: Block, hooks: Hooks, random: Random) -> None:
        super().__init__(config, block, hooks, random)
        self._raised: dict[Delivery, tuple[BaseException, TracebackType | None]] = {}

    async def outcome(self, delivery: Delivery, job: AnyJob | None, error: BaseException) -> Outcome:
        """Note the exception with its traceback, which the executor is about to cut off."""
        self._raised[delivery] = (error, error.__traceback__)
        return DROPPED

    def raise_of(self, delivery: Delivery) -> None:
        """Raise what the job of a delivery has raised, if it has."""
        if (raised := self._raised.pop(delivery, None)) is not None:
            error, traceback = raised
            try:
                raise error.with_traceback(traceback)
            finally:
                # Its traceback holds this frame, and everything the job had in hand.
                del error, raised, traceback


async def _mark(jid: str) -> None:
    """Nobody has to know which job runs alone."""
