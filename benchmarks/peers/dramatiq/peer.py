"""Dramatiq on its Redis broker: one process, a thread for each slot, or a greenlet where they are many."""

# ruff: noqa: E402 - greenlets come first, and what the peers share stands beside this directory
import json
import sys

# It documents greenlets for many jobs that wait (`dramatiq-gevent`); with few slots threads are as fast.
# The standard library must be patched before anything else is imported.
GREENLETS = sys.argv[1] in {"drain", "io"} and json.loads(sys.argv[2])["slots"] >= 100
if GREENLETS:
    from gevent import monkey

    monkey.patch_all()

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from dramatiq.worker import Worker

sys.path.append(str(Path(__file__).parents[1]))
import common

_MS_PER_HOUR = 3_600_000
_SPARE_CONNECTIONS = 20
_NO_WEIGHTS = "its queues have no weights"


def _broker(settings: common.Settings) -> RedisBroker:
    # Of its middleware only what runs a failed job again: the others would be paid for unused.
    # Each thread has a connection of its own, and redis-py gives no more than a hundred if it is not told.
    url = f"{settings['url']}?max_connections={settings.get('slots', 10) + _SPARE_CONNECTIONS}"
    broker = RedisBroker(url=url, middleware=[Retries(min_backoff=_MS_PER_HOUR)])
    dramatiq.set_broker(broker)
    return broker


def _run(settings: common.Settings, body: Callable[[int], None]) -> common.Calls:
    """Fill the queue, let a worker empty it, and return its calls."""
    queue = common.only_queue(settings.get("queues", ["default"]), _NO_WEIGHTS)
    broker, ended = _broker(settings), threading.Event()
    calls = common.Calls(settings["jobs"], settings["jobs"] // 10, ended.set)

    @dramatiq.actor(queue_name=queue)
    def job(number: int) -> None:
        calls.note()
        body(number)

    for number in range(settings["jobs"]):
        job.send(number)
    _start(broker, settings["slots"])
    ended.wait()
    return calls


def _start(broker: RedisBroker, slots: int) -> None:
    # It fetches two jobs for each thread ahead, by default.
    Worker(broker, worker_threads=slots).start()


def _nothing(_number: int) -> None:
    """Do nothing."""


def _fail(_number: int) -> None:
    raise RuntimeError("as it should")


def drain(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that do nothing."""
    return common.pace(_run(settings, _nothing))


def io(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that wait."""
    return common.share_of_ideal(_run(settings, lambda _: time.sleep(settings["wait"])), settings)


def threads(settings: common.Settings) -> common.Measures:
    """Do as in `drain` or `io`: all its jobs run in threads."""
    wait = settings["wait"]
    return common.plain_pace(_run(settings, (lambda _: time.sleep(wait)) if wait else _nothing))


def failing(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that fail, and are to run again in an hour."""
    # No line per job: what a log costs is not the question here.
    logging.disable()
    return common.plain_pace(_run(settings, _fail))


def enqueue(settings: common.Settings) -> common.Measures:
    """Store jobs; a group of them is stored one by one as well."""
    common.decline_ways(settings, has_loop=False, has_many=False)
    _broker(settings)

    @dramatiq.actor
    def job(number: int) -> None:
        """Do nothing."""

    return common.enqueue_pace_without_a_loop(settings, job.send)


def latency(settings: common.Settings) -> common.Measures:
    """Let an idle worker take jobs from another process."""
    common.decline_load(settings)
    queue = common.only_queue(settings["queues"], _NO_WEIGHTS)
    broker, ended = _broker(settings), threading.Event()
    calls = common.Calls(common.latency_jobs(settings), common.LATENCY_WARM_UP, ended.set)

    @dramatiq.actor(actor_name="delay", queue_name=queue)
    def delay(enqueued_at: float) -> None:
        calls.note(enqueued_at)

    _start(broker, settings["slots"])
    producer = common.start_producer(settings)
    ended.wait()
    producer.wait()
    return common.delays(calls)


def produce(settings: common.Settings) -> None:
    """Enqueue the jobs of `latency`."""
    _broker(settings)

    @dramatiq.actor(actor_name="delay", queue_name=settings["queues"][-1])
    def delay(enqueued_at: float) -> None:
        """Be named as the worker's."""

    common.produce_without_a_loop(settings, delay.send)


def schedule(settings: common.Settings) -> common.Measures:
    """Store jobs that are all due at one instant, with an idle worker beside."""
    broker, ended = _broker(settings), threading.Event()
    calls = common.Calls(settings["jobs"], 0, ended.set)

    @dramatiq.actor
    def job() -> None:
        calls.note()

    _start(broker, settings.get("slots", 10))
    due = common.due_when_stored(settings)
    for _ in range(settings["jobs"]):
        job.send_with_options(delay=max(0, round((due - time.time()) * 1000)))
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
