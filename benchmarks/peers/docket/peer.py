"""Measures docket: coroutines in one process, jobs in a stream."""

import asyncio
import datetime
import functools
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import event_loop
import program
from docket import Docket, Retry, Worker

_NAME = "noop"
_TICK = datetime.timedelta(milliseconds=1)
"""With all slots taken it waits this long, a quarter of a second by default."""
_LOOKS_EVERY = datetime.timedelta(milliseconds=250)
"""Its default interval of looking for due jobs; in `schedule` it is a tick, which would cost a fifth of `drain`."""
_RETRY = Retry(attempts=2, delay=datetime.timedelta(hours=1))


async def _nothing(value: float) -> None:
    """Stand for the job where it is only enqueued."""


def _docket(url: str, job: event_loop.Job = _nothing, is_retried: bool = False) -> Docket:
    """Return a docket that forgets jobs as soon as they are done."""

    async def noop(value: float) -> None:
        await job(value)

    async def retried(value: float, retry: Retry = _RETRY) -> None:
        await job(value)

    # redis-py 8 opens no more than 100 connections unless told to, too few for as many slots.
    docket = Docket(name="benchmark", url=f"{url}?max_connections=10000", execution_ttl=datetime.timedelta(0))
    docket.register(retried if is_retried else noop, names=[_NAME])
    return docket


class Client:
    """Enqueues by name."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    async def enqueue(self, value: float) -> None:
        """Enqueue a job."""
        await self._docket.add(_NAME)(value)

    async def enqueue_at(self, value: float, when: float) -> None:
        """Enqueue a job that is due then."""
        await self._docket.add(_NAME, when=datetime.datetime.fromtimestamp(when, datetime.UTC))(value)

    async def enqueue_many(self, values: Sequence[float]) -> None:
        """Enqueue a job for each of the arguments."""
        call = self._docket.call
        await self._docket.add_many(call(_NAME)(value) for value in values)


class Peer:
    """docket; its jobs are coroutine functions."""

    has_many = True
    has_threads = False
    due_in_whole_seconds = False

    def __init__(self, *, is_retried: bool = False, looks_every: datetime.timedelta = _LOOKS_EVERY) -> None:
        self._is_retried, self._looks_every = is_retried, looks_every

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Client]:
        """Give a client."""
        async with _docket(url) as docket:
            yield Client(docket)

    async def work(self, settings: program.Settings, job: event_loop.Job) -> None:
        """Run a worker with a slot for each job that may run."""
        async with (
            _docket(settings["url"], job, self._is_retried) as docket,
            Worker(
                docket,
                concurrency=settings["slots"],
                minimum_check_interval=_TICK,
                scheduling_resolution=self._looks_every,
            ) as worker,
        ):
            await worker.run_forever()

    def failure(self) -> Exception:
        """Return any exception; the worker tries again."""
        return RuntimeError("fails")


if __name__ == "__main__":
    # It would log the traceback of every failing job.
    logging.getLogger("docket").setLevel(logging.CRITICAL)
    failing = functools.partial(event_loop.failing, Peer(is_retried=True))
    schedule = functools.partial(event_loop.schedule, Peer(looks_every=_TICK))
    program.main({**event_loop.workloads(Peer()), "failing": failing, "schedule": schedule}, run=asyncio.run)
