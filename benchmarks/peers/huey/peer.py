"""Huey on Redis: one process, a thread for each slot, or a greenlet where they are many."""

# ruff: noqa: E402 - greenlets come first, and what the peers share stands beside this directory
import json
import sys

# It documents greenlets for many jobs that wait (`-k greenlet`); with few slots threads are as fast.
# The standard library must be patched before anything else is imported.
GREENLETS = sys.argv[1] in {"drain", "io"} and json.loads(sys.argv[2])["slots"] >= 100
if GREENLETS:
    from gevent import monkey

    monkey.patch_all()

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from huey import RedisHuey

sys.path.append(str(Path(__file__).parents[1]))
import common

_HOUR = 3_600
_SPARE_CONNECTIONS = 20


def _huey(settings: common.Settings) -> RedisHuey:
    # Results are documented as what to switch off where nobody reads them. Workers park in BRPOP, by default.
    # Each has a connection of its own then, and redis-py gives no more than a hundred if it is not told.
    url = f"{settings['url']}?max_connections={settings.get('slots', 10) + _SPARE_CONNECTIONS}"
    return RedisHuey("benchmark", url=url, results=False)


def _start(huey: RedisHuey, slots: int) -> None:
    # As `huey_consumer -w SLOTS -k WORKER_TYPE -q -n`: no line per job, no periodic jobs.
    logging.getLogger("huey").setLevel(logging.WARNING)
    worker_type = "greenlet" if GREENLETS else "thread"
    huey.create_consumer(workers=slots, worker_type=worker_type, periodic=False).start()


def _run(settings: common.Settings, body: Callable[[int], None]) -> common.Calls:
    """Fill the queue, let a consumer empty it, and return its calls."""
    common.only_queue(settings.get("queues", ["default"]))
    huey, ended = _huey(settings), threading.Event()
    calls = common.Calls(settings["jobs"], settings["jobs"] // 10, ended.set)

    @huey.task(retries=3, retry_delay=_HOUR)
    def job(number: int) -> None:
        calls.note()
        body(number)

    for number in range(settings["jobs"]):
        job(number)
    _start(huey, settings["slots"])
    ended.wait()
    return calls


def _nothing(_number: int) -> None:
    """Do nothing."""


def _fail(_number: int) -> None:
    raise RuntimeError("as it should")


def drain(settings: common.Settings) -> common.Measures:
    """Let a consumer empty a queue of jobs that do nothing."""
    return common.pace(_run(settings, _nothing))


def io(settings: common.Settings) -> common.Measures:
    """Let a consumer empty a queue of jobs that wait."""
    return common.share_of_ideal(_run(settings, lambda _: time.sleep(settings["wait"])), settings)


def threads(settings: common.Settings) -> common.Measures:
    """Do as in `drain` or `io`: all its jobs run in threads."""
    wait = settings["wait"]
    return common.plain_pace(_run(settings, (lambda _: time.sleep(wait)) if wait else _nothing))


def failing(settings: common.Settings) -> common.Measures:
    """Let a consumer empty a queue of jobs that fail, and are to run again in an hour."""
    # No line per job: what a log costs is not the question here.
    logging.disable()
    return common.plain_pace(_run(settings, _fail))


def enqueue(settings: common.Settings) -> common.Measures:
    """Store jobs; its `map` stores one by one as well."""
    common.decline_ways(settings, has_loop=False, has_many=False)
    huey = _huey(settings)

    @huey.task()
    def job(number: int) -> None:
        """Do nothing."""

    return common.enqueue_pace_without_a_loop(settings, job)


def latency(settings: common.Settings) -> common.Measures:
    """Let an idle consumer take jobs from another process."""
    common.decline_load(settings)
    common.only_queue(settings["queues"])
    huey, ended = _huey(settings), threading.Event()
    calls = common.Calls(common.latency_jobs(settings), common.LATENCY_WARM_UP, ended.set)

    @huey.task()
    def delay(enqueued_at: float) -> None:
        calls.note(enqueued_at)

    _start(huey, settings["slots"])
    producer = common.start_producer(settings)
    ended.wait()
    producer.wait()
    return common.delays(calls)


def produce(settings: common.Settings) -> None:
    """Enqueue the jobs of `latency`."""
    huey = _huey(settings)

    @huey.task()
    def delay(enqueued_at: float) -> None:
        """Be named as the consumer's."""

    common.produce_without_a_loop(settings, delay)


def schedule(settings: common.Settings) -> common.Measures:
    """Store jobs that are all due at one instant, with an idle consumer beside; its scheduler looks once a second."""
    huey, ended = _huey(settings), threading.Event()
    calls = common.Calls(settings["jobs"], 0, ended.set)

    @huey.task()
    def job(number: int) -> None:
        calls.note()

    _start(huey, settings.get("slots", 10))
    # It keeps whole seconds of a time.
    due = math.ceil(common.due_when_stored(settings))
    for number in range(settings["jobs"]):
        job.schedule((number,), eta=datetime.fromtimestamp(due))
    if time.time() > due:
        common.decline("it cannot store so many jobs before they are due")
    ended.wait()
    return common.lateness(calls, due)


if __name__ == "__main__":
    common.main(
        {
            "drain": drain,
            "io": io,
            "threads": threads,
            "failing": failing,
            "enqueue": enqueue,
            "latency": latency,
            "produce": produce,
            "schedule": schedule,
        }
    )
