"""RQ: a pool of processes, each with one job at a time."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from redis import Redis
from rq import Queue, Retry

sys.path.append(str(Path(__file__).parents[1]))
import common

_HOUR = 3_600
_URL, _WAIT = "BENCHMARK_URL", "BENCHMARK_WAIT"
_PROCESSES_PER_CORE = 5
_FILL_AT_ONCE = 1_000
# Documented for jobs whose result nobody reads: nothing is kept of them.
_NO_RESULT = {"result_ttl": 0}
# Without the variable this is the process that measures, which calls no job.
_note: Callable[..., None] = common.file_noter() if _URL in os.environ else print


def noop(_number: int) -> None:
    """Be called."""
    _note()


def wait(_number: int) -> None:
    """Be called, and wait."""
    _note()
    time.sleep(float(os.environ[_WAIT]))


def failing(_number: int) -> None:
    """Be called, and fail."""
    _note()
    raise RuntimeError("as it should")


def delay(enqueued_at: float) -> None:
    """Note when it was enqueued."""
    _note(enqueued_at)


@contextmanager
def _pool(settings: common.Settings, calls: common.FileCalls, processes: int) -> Iterator["Popen[bytes]"]:
    """Run a pool of as many workers, of the class that is documented as fast: it does not fork for each job."""
    rq = str(Path(sys.executable).parent / "rq")
    environment = {
        "PYTHONPATH": str(Path(__file__).parent),
        _URL: settings["url"],
        _WAIT: str(settings.get("wait", 0)),
    }
    # No line per job, not even for one that fails.
    command = [
        rq,
        "worker-pool",
        "--url",
        settings["url"],
        "--logging-level",
        "CRITICAL",
        "--num-workers",
        str(processes),
    ]
    command += ["--worker-class", "rq.worker.SimpleWorker", _queue_name(settings)]
    with common.running_worker(command, calls, environment) as worker:
        yield worker


def _queue_name(settings: common.Settings) -> str:
    return common.only_queue(settings.get("queues", ["default"]), "its queues have no weights")


def _queue(settings: common.Settings) -> Queue:
    return Queue(_queue_name(settings), connection=Redis.from_url(settings["url"]))


def _many(queue: Queue, job: str, numbers: Sequence[int], retry: Retry | None = None) -> None:
    for first in range(0, len(numbers), _FILL_AT_ONCE):
        some = numbers[first : first + _FILL_AT_ONCE]
        queue.enqueue_many([Queue.prepare_data(job, (number,), retry=retry, **_NO_RESULT) for number in some])


def _run(settings: common.Settings, job: str, processes: int, retry: Retry | None = None) -> common.FileCalls:
    """Fill the queue, let a pool empty it, and return its calls."""
    queue = _queue(settings)
    calls = common.FileCalls(settings["jobs"], settings["jobs"] // 10)
    _many(queue, job, range(settings["jobs"]), retry)
    with _pool(settings, calls, processes) as worker:
        calls.wait(worker)
    return calls


def _processes(settings: common.Settings) -> int:
    """Return how many processes are fastest: a job costs them milliseconds of processor time, so more take turns."""
    return min(settings.get("slots", 10), _PROCESSES_PER_CORE * (os.cpu_count() or 1))


def drain(settings: common.Settings) -> common.Measures:
    """Let a pool empty a queue of jobs that do nothing."""
    return common.pace(_run(settings, "peer.noop", _processes(settings)))


def io(settings: common.Settings) -> common.Measures:
    """Let a pool empty a queue of jobs that wait."""
    return common.share_of_ideal(_run(settings, "peer.wait", _processes(settings)), settings)


def fail(settings: common.Settings) -> common.Measures:
    """Let a pool empty a queue of jobs that fail, and are to run again in an hour."""
    retry = Retry(max=3, interval=_HOUR)
    return common.plain_pace(_run(settings, "peer.failing", _processes(settings), retry))


def enqueue(settings: common.Settings) -> common.Measures:
    """Store jobs."""
    common.decline_ways(settings, has_loop=False, has_many=True)
    queue = _queue(settings)
    return common.enqueue_pace_without_a_loop(
        settings,
        lambda number: queue.enqueue("peer.noop", number, **_NO_RESULT),
        lambda numbers: _many(queue, "peer.noop", numbers),
    )


def latency(settings: common.Settings) -> common.Measures:
    """Let an idle pool take jobs from another process."""
    common.decline_load(settings)
    # One more to begin with: it tells that a worker is up.
    calls = common.FileCalls(1 + common.latency_jobs(settings), 1 + common.LATENCY_WARM_UP)
    _queue(settings).enqueue("peer.delay", 0.0, **_NO_RESULT)
    with _pool(settings, calls, _processes(settings)) as worker:
        calls.wait(worker, 1)
        producer = common.start_producer(settings)
        calls.wait(worker)
        producer.wait()
    return common.delays(calls)


def produce(settings: common.Settings) -> None:
    """Enqueue the jobs of `latency`."""
    queue = _queue(settings)
    common.produce_without_a_loop(settings, lambda at: queue.enqueue("peer.delay", at, **_NO_RESULT))


def schedule(settings: common.Settings) -> common.Measures:
    """Store jobs that are all due at one instant, with an idle pool beside; its scheduler looks once a second."""
    calls = common.FileCalls(1 + settings["jobs"], 1)
    queue = _queue(settings)
    queue.enqueue("peer.noop", 0, **_NO_RESULT)
    with _pool(settings, calls, _processes(settings)) as worker:
        calls.wait(worker, 1)
        # It keeps whole seconds of a time.
        due = math.ceil(common.due_when_stored(settings))
        for number in range(settings["jobs"]):
            queue.enqueue_at(datetime.fromtimestamp(due, UTC), "peer.noop", number, **_NO_RESULT)
        if time.time() > due:
            common.decline("it cannot store so many jobs before they are due")
        calls.wait(worker)
    return common.lateness(calls, due)


if __name__ == "__main__":
    common.main(
        {
            "drain": drain,
            "io": io,
            "failing": fail,
            "enqueue": enqueue,
            "latency": latency,
            "produce": produce,
            "schedule": schedule,
        }
    )
