"""Measures saq: coroutines in one process, each slot waiting for the list by itself."""

import asyncio
import inspect
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import event_loop
import program
from saq import Queue, Worker

_NAME = "noop"
# Not to be kept when it is done; one more attempt, an hour after a failure.
_JOB: dict[str, Any] = {"ttl": -1, "retries": 2, "retry_delay": 3600.0}


class Client:
    """Enqueues by name."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def enqueue(self, value: float) -> None:
        """Enqueue a job."""
        await self._queue.enqueue(_NAME, value=value, **_JOB)

    async def enqueue_at(self, value: float, when: float) -> None:
        """Enqueue a job that is due then."""
        await self._queue.enqueue(_NAME, value=value, scheduled=int(when), **_JOB)


class Peer:
    """saq; its call for many jobs waits for their results, and how many threads it has cannot be set."""

    has_many = False
    has_threads = True
    due_in_whole_seconds = True

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Client]:
        """Give a client with a queue of its own."""
        queue = Queue.from_url(url)
        await queue.connect()
        yield Client(queue)
        await queue.disconnect()

    async def work(self, settings: program.Settings, job: event_loop.Job) -> None:
        """Run a worker with a slot for each job that may run."""

        async def noop(ctx: dict[str, Any], *, value: float) -> None:
            await job(value)

        def plain_noop(ctx: dict[str, Any], *, value: float) -> None:
            job(value)

        function = noop if inspect.iscoroutinefunction(job) else plain_noop
        # By default no more than 20 operations at once, however many slots there are.
        queue = Queue.from_url(settings["url"], max_concurrent_ops=max(20, settings["slots"]))
        await queue.connect()
        worker = Worker(queue, functions=[(_NAME, function)], concurrency=settings["slots"])
        await worker.start()

    def failure(self) -> Exception:
        """Return any exception; the job says that it is tried again."""
        return RuntimeError("fails")


if __name__ == "__main__":
    # It would log the traceback of every failing job.
    logging.getLogger("saq").setLevel(logging.CRITICAL)
    program.main(event_loop.workloads(Peer()), run=asyncio.run)
