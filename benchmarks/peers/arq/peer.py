"""Measures arq: coroutines in one process, jobs in a sorted set that the worker polls."""

import asyncio
import datetime
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import event_loop
import program
from arq import ArqRedis, Retry, create_pool, func
from arq.connections import RedisSettings
from arq.worker import Worker

_NAME = "noop"
_POLL_DELAY = 0.001
"""Seconds. With all slots taken or the queue empty it waits this long; by default it is half a second."""


class Client:
    """Enqueues by name."""

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def enqueue(self, value: float) -> None:
        """Enqueue a job."""
        await self._pool.enqueue_job(_NAME, value)

    async def enqueue_at(self, value: float, when: float) -> None:
        """Enqueue a job that is due then."""
        due = datetime.datetime.fromtimestamp(when, datetime.UTC)
        await self._pool.enqueue_job(_NAME, value, _defer_until=due)


class Peer:
    """arq; it has no call that enqueues many, and its jobs are coroutine functions."""

    has_many = False
    has_threads = False
    due_in_whole_seconds = False

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Client]:
        """Give a client with a pool of connections."""
        pool = await create_pool(RedisSettings.from_dsn(url))
        yield Client(pool)
        await pool.aclose()

    async def work(self, settings: program.Settings, job: event_loop.Job) -> None:
        """Run a worker with a slot for each job that may run, which keeps no results."""

        async def noop(ctx: dict[str, Any], value: float) -> None:
            await job(value)

        worker = Worker(
            functions=[func(noop, name=_NAME)],
            redis_settings=RedisSettings.from_dsn(settings["url"]),
            max_jobs=settings["slots"],
            poll_delay=_POLL_DELAY,
            keep_result=0,
            handle_signals=False,
        )
        await worker.async_run()

    def failure(self) -> Exception:
        """Return the only exception after which arq tries again."""
        return Retry(defer=3600)


if __name__ == "__main__":
    program.main(event_loop.workloads(Peer()), run=asyncio.run)
