"""Celery on Redis, its worker started from its command line."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from celery import Celery, Task

sys.path.append(str(Path(__file__).parents[1]))
import common

_HOUR = 3_600
_URL, _WAIT = "BENCHMARK_URL", "BENCHMARK_WAIT"
_NO_WEIGHTS = "its queues have no weights"

app = Celery("peer", broker=os.environ.get(_URL))
# Documented for short jobs: no results, no rate limits, and any number of them fetched ahead.
app.conf.update(
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    worker_prefetch_multiplier=0,
    broker_connection_retry_on_startup=True,
)
# Without the variable this is the process that measures, which calls no job.
_note: Callable[..., None] = common.file_noter() if _URL in os.environ else print


@app.task(name="noop")
def noop(_number: int) -> None:
    """Be called."""
    _note()


@app.task(name="wait")
def wait(_number: int) -> None:
    """Be called, and wait."""
    _note()
    time.sleep(float(os.environ[_WAIT]))


@app.task(name="failing", bind=True, max_retries=None, default_retry_delay=_HOUR)
def failing(self: Task, _number: int) -> None:
    """Be called, fail, and ask to be called again."""
    _note()
    try:
        raise RuntimeError("as it should")
    except RuntimeError as error:
        raise self.retry(exc=error) from None


@app.task(name="delay")
def delay(enqueued_at: float) -> None:
    """Note when it was enqueued."""
    _note(enqueued_at)


@contextmanager
def _worker(settings: common.Settings, calls: common.FileCalls) -> Iterator["Popen[bytes]"]:
    """Run a worker with a thread for each slot.

    Its default, a process for each slot, is slower with 10 of them and with 100, and so are its greenlets.
    """
    celery = str(Path(sys.executable).parent / "celery")
    # Its talk with other workers is documented as what to switch off where there are none. No line per job.
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "CRITICAL"]
    slots = str(settings.get("slots", 10))
    environment = {
        "PYTHONPATH": str(Path(__file__).parent),
        _URL: settings["url"],
        _WAIT: str(settings.get("wait", 0)),
    }
    command = [celery, "-A", "peer", "worker", "--pool", "threads", "--concurrency", slots, *quiet]
    with common.running_worker(command, calls, environment) as worker:
        yield worker


def _run(settings: common.Settings, job: Task) -> common.FileCalls:
    """Fill the queue, let a worker empty it, and return its calls."""
    common.only_queue(settings.get("queues", ["celery"]), _NO_WEIGHTS)
    calls = common.FileCalls(settings["jobs"], settings["jobs"] // 10)
    _connect(settings)
    for number in range(settings["jobs"]):
        job.delay(number)
    with _worker(settings, calls) as worker:
        calls.wait(worker)
    return calls


def _connect(settings: common.Settings) -> None:
    app.conf.broker_url = settings["url"]


def drain(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that do nothing."""
    return common.pace(_run(settings, noop))


def io(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that wait."""
    return common.share_of_ideal(_run(settings, wait), settings)


def threads(settings: common.Settings) -> common.Measures:
    """Let the threads of a worker empty a queue."""
    return common.plain_pace(_run(settings, wait if settings["wait"] else noop))


def fail(settings: common.Settings) -> common.Measures:
    """Let a worker empty a queue of jobs that fail, and are to run again in an hour."""
    return common.plain_pace(_run(settings, failing))


def enqueue(settings: common.Settings) -> common.Measures:
    """Store jobs; a group of them is stored one by one as well."""
    common.decline_ways(settings, has_loop=False, has_many=False)
    _connect(settings)
    return common.enqueue_pace_without_a_loop(settings, noop.delay)


def latency(settings: common.Settings) -> common.Measures:
    """Let an idle worker take jobs from another process."""
    common.decline_load(settings)
    common.only_queue(settings["queues"], _NO_WEIGHTS)
    # One more to begin with: it tells that the worker is up.
    calls = common.FileCalls(1 + common.latency_jobs(settings), 1 + common.LATENCY_WARM_UP)
    _connect(settings)
    delay.delay(0.0)
    with _worker(settings, calls) as worker:
        calls.wait(worker, 1)
        producer = common.start_producer(settings)
        calls.wait(worker)
        producer.wait()
    return common.delays(calls)


def produce(settings: common.Settings) -> None:
    """Enqueue the jobs of `latency`."""
    _connect(settings)
    common.produce_without_a_loop(settings, delay.delay)


def schedule(settings: common.Settings) -> common.Measures:
    """Store jobs that are all due at one instant, with an idle worker beside."""
    calls = common.FileCalls(1 + settings["jobs"], 1)
    _connect(settings)
    noop.delay(0)
    with _worker(settings, calls) as worker:
        calls.wait(worker, 1)
        due = common.due_when_stored(settings)
        for number in range(settings["jobs"]):
            noop.apply_async((number,), eta=datetime.fromtimestamp(due, UTC))
        if time.time() > due:
            common.decline("it cannot store so many jobs before they are due")
        calls.wait(worker)
    return common.lateness(calls, due)


if __name__ == "__main__":
    common.main(
        {
            "drain": drain,
            "io": io,
            "threads": threads,
            "failing": fail,
            "enqueue": enqueue,
            "latency": latency,
            "produce": produce,
            "schedule": schedule,
        }
    )
