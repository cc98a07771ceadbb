"""Size: whether a job costs more when much else is stored.

The queue, the schedule and the dead set hold equally many entries each. Nothing of the schedule is due, and whatever
the worker takes from the queue is put back at the other end, in portions, while the clock stands still.
"""

import asyncio
import time
from typing import Any

import redis

from benchmarks.payloads import JOB, fill_by_the_million
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_YEAR = 365 * 86_400
_HOUR = 3_600
_PORTION = 500
"""How many jobs run until as many are put back: at most half of the shortest queue."""
_MOST_PER_JOB = 50
"""Entries per job of the run: few jobs are for a look, which should not wait for a million entries."""


class _Meter:
    """What was used up so far, in seconds: of the wall's clock, by this process, and by Redis.

    It does not run while the queue is filled up.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._left_out = (0.0, 0.0, 0.0)

    def read(self) -> tuple[float, float, float]:
        """Return the three figures; their beginning means nothing."""
        return _less(self._now(), self._left_out)

    def refill(self, first: int) -> None:
        """Put jobs into the queue, unmeasured."""
        before = self._now()
        fill_by_the_million(self._client, "queue:default", _PORTION, first=first)
        self._left_out = _more(self._left_out, _less(self._now(), before))

    def _now(self) -> tuple[float, float, float]:
        used: Any = self._client.info("cpu")
        return time.perf_counter(), time.process_time(), used["used_cpu_user"] + used["used_cpu_sys"]


def _less(these: tuple[float, float, float], those: tuple[float, float, float]) -> tuple[float, float, float]:
    return these[0] - those[0], these[1] - those[1], these[2] - those[2]


def _more(these: tuple[float, float, float], those: tuple[float, float, float]) -> tuple[float, float, float]:
    return these[0] + those[0], these[1] + those[1], these[2] + those[2]


def _entries(settings: Settings) -> int:
    entries, jobs = int(settings["entries"]), int(settings["jobs"])
    return min(entries, _MOST_PER_JOB * jobs)


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill the queue, the schedule and the dead set."""
    entries = _entries(settings)
    fill_by_the_million(client, "queue:default", entries)
    fill_by_the_million(client, "schedule", entries, first=entries, due_at=time.time() + _YEAR)
    fill_by_the_million(client, "dead", entries, first=2 * entries, due_at=time.time() - _HOUR)


async def measure(settings: Settings) -> Measures:
    """Run jobs off the queue and return what each took."""
    entries, jobs = _entries(settings), settings["jobs"]
    warm_up = jobs // 10
    called = 0
    began = ended = (0.0, 0.0, 0.0)
    all_called = asyncio.Event()
    client = redis.Redis.from_url(settings["url"])
    meter = _Meter(client)
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        nonlocal called, began, ended
        called += 1
        if called % _PORTION == 0:
            meter.refill(3 * entries + called)
        if called == warm_up:
            began = meter.read()
        elif called == jobs:
            ended = meter.read()
            all_called.set()

    async with app.worker(concurrency=settings["slots"]):
        await all_called.wait()
    await app.close()
    left = (client.zcard("schedule"), client.zcard("dead"))
    client.close()
    if left != (entries, entries):
        raise RuntimeError(f"of {entries} scheduled and {entries} dead jobs there are {left} left")
    wall, cpu, redis_cpu = (seconds / (jobs - warm_up) * 1e6 for seconds in _less(ended, began))
    return {"µs/job": wall, "CPU µs/job": cpu, "Redis CPU µs/job": redis_cpu}


_LEAST = "1 thousand each"


def _case(name: str, entries: int) -> Case:
    return Case(name, {"slots": 100, "entries": entries}, 40_000, to=_LEAST if name != _LEAST else "")


WORKLOAD = Workload(
    name="size",
    about="what a job takes while queue, schedule and dead set hold so many entries",
    cases=(
        _case(_LEAST, 1_000),
        _case("10 thousand each", 10_000),
        _case("100 thousand each", 100_000),
        _case("1 million each", 1_000_000),
    ),
    measure="µs/job",
    module="benchmarks.size",
    quick=2_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
