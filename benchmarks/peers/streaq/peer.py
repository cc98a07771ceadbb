"""Measures streaq: coroutines in one process, jobs in a stream."""

import datetime
import inspect
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import event_loop
import program
import uvloop
from streaq import StreaqRetry, Worker

_NAME = "noop"


async def _nothing(value: float) -> None:
    """Stand for the job where it is only enqueued."""


def _worker(url: str, slots: int, job: event_loop.Job = _nothing) -> tuple[Worker[None], Any]:
    """Return a worker, which is the client too, and its task; the task keeps no results and logs nothing."""
    worker: Worker[None] = Worker(redis_url=url, concurrency=slots, handle_signals=False)

    async def noop(value: float) -> None:
        await job(value)

    def plain_noop(value: float) -> None:
        job(value)

    function = noop if inspect.iscoroutinefunction(job) else plain_noop
    return worker, worker.task(name=_NAME, ttl=0, silent=True)(function)


class Client:
    """Enqueues with the task."""

    def __init__(self, worker: Worker[None], task: Any) -> None:
        self._worker, self._task = worker, task

    async def enqueue(self, value: float) -> None:
        """Enqueue a job."""
        await self._task.enqueue(value)

    async def enqueue_at(self, value: float, when: float) -> None:
        """Enqueue a job that is due then."""
        await self._task.enqueue(value).start(schedule=datetime.datetime.fromtimestamp(when, datetime.UTC))

    async def enqueue_many(self, values: Sequence[float]) -> None:
        """Enqueue a job for each of the arguments."""
        await self._worker.enqueue_many([self._task.enqueue(value) for value in values])


class Peer:
    """streaq."""

    has_many = True
    has_threads = True
    due_in_whole_seconds = False

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Client]:
        """Give a client."""
        worker, task = _worker(url, 1)
        async with worker:
            yield Client(worker, task)

    async def work(self, settings: program.Settings, job: event_loop.Job) -> None:
        """Run a worker with a slot for each job that may run; it prefetches as many again."""
        worker, _ = _worker(settings["url"], settings["slots"], job)
        await worker.run_async()

    def failure(self) -> Exception:
        """Return the only exception after which streaq tries again."""
        return StreaqRetry(delay=3600)


if __name__ == "__main__":
    logging.getLogger("streaq").setLevel(logging.WARNING)
    # Its worker takes the options of anyio's event loop, of which uvloop is the fast one.
    program.main(event_loop.workloads(Peer()), run=uvloop.run)
