"""Measures taskiq with taskiq-redis: coroutines in one process, jobs in a list that is popped."""

import datetime
import functools
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
import uvloop
from taskiq import SmartRetryMiddleware, TaskiqScheduler
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource

_NAME = "noop"
_EACH_SECOND = datetime.timedelta(seconds=1)


async def _nothing(value: float) -> None:
    """Stand for the job where it is only enqueued."""


def _broker(
    url: str, job: event_loop.Job = _nothing, *, is_retried: bool = False
) -> tuple[ListQueueBroker, ListRedisScheduleSource, Any]:
    """Return a broker, what keeps jobs for later, and the task; the broker keeps no results unless told to."""
    source = ListRedisScheduleSource(url)
    broker = ListQueueBroker(url)
    if is_retried:
        broker.add_middlewares(
            SmartRetryMiddleware(default_delay=3600, default_retry_label=True, schedule_source=source)
        )

    async def noop(value: float) -> None:
        await job(value)

    def plain_noop(value: float) -> None:
        job(value)

    function = noop if inspect.iscoroutinefunction(job) else plain_noop
    return broker, source, broker.task(task_name=_NAME)(function)


class Client:
    """Enqueues with the task."""

    def __init__(self, source: ListRedisScheduleSource, task: Any) -> None:
        self._source, self._task = source, task

    async def enqueue(self, value: float) -> None:
        """Enqueue a job."""
        await self._task.kiq(value)

    async def enqueue_at(self, value: float, when: float) -> None:
        """Enqueue a job that is due then."""
        due = datetime.datetime.fromtimestamp(when, datetime.UTC)
        await self._task.schedule_by_time(self._source, due, value)


class Peer:
    """taskiq; it has no call that enqueues many."""

    has_many = False
    has_threads = True
    due_in_whole_seconds = False

    def __init__(self, *, is_retried: bool = False) -> None:
        self._is_retried = is_retried

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Client]:
        """Give a client with a broker of its own."""
        broker, source, task = _broker(url)
        await broker.startup()
        yield Client(source, task)
        await broker.shutdown()

    async def work(self, settings: program.Settings, job: event_loop.Job) -> None:
        """Run what `taskiq worker` runs in each of its processes."""
        broker, _, _ = _broker(settings["url"], job, is_retried=self._is_retried)
        slots = settings["slots"]
        await run_receiver_task(broker, sync_workers=slots, max_async_tasks=slots, run_startup=True)

    def failure(self) -> Exception:
        """Return any exception; the middleware tries again."""
        return RuntimeError("fails")


async def schedule(settings: program.Settings) -> program.Measures:
    """Let a scheduler run in a process of its own, as taskiq is deployed."""
    scheduler = program.start_again("scheduler", settings)
    try:
        return await event_loop.schedule(Peer(), settings)
    finally:
        scheduler.kill()


async def scheduler(settings: program.Settings) -> None:
    """Be that process; it looks for new jobs once a second, instead of once a minute, and for due ones as often."""
    broker, source, _ = _broker(settings["url"])
    await run_scheduler_task(TaskiqScheduler(broker, [source]), run_startup=True, interval=_EACH_SECOND)


if __name__ == "__main__":
    # It would log the traceback of every failing job.
    logging.getLogger("taskiq").setLevel(logging.CRITICAL)
    failing = functools.partial(event_loop.failing, Peer(is_retried=True))
    workloads = {**event_loop.workloads(Peer()), "failing": failing, "schedule": schedule, "scheduler": scheduler}
    # Its command line runs on uvloop where that is installed.
    program.main(workloads, run=uvloop.run)
