"""A million jobs through one worker, one in ten failing with much in its frames: its memory must stay as it is."""

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.chaos import endurance
from tests.chaos.endurance import Stretch
from tests.chaos.light import MEMORY, RETRY
from tests.chaos.mix import Planned
from tests.chaos.samples import Row, Sampler
from tests.chaos.verdict import Verdict
from tests.support import keys, seeding
from tests.support.redis_server import RedisServer

NAME = "worker"
SLOTS = 100
_QUEUE = "default"
_PORTION = 1_000
_BACKLOG = 10_000
_LEAST_SAMPLES = 30
"""However fast the machine is: those before, early and late are compared."""
LEAST_JOBS = 10_000
"""With fewer, the jobs that run at once would be a large part of the way between two samples."""
_PAUSE = 0.02
_RESTS_WITHIN = 60.0

# In a short run, a few caches more are already 5 %.
_LONG = 500_000
_SHORT_RUN_MB = 6.0
# What is allowed of growth from early to late, both in the median. Whether a sample meets the tasks of half the slots
# or of all is chance, as one half is settled while the other runs; those at rest may hardly grow.
_MORE = {"descriptors": 2, "connections": 2, "threads": 1, "tasks": SLOTS}


@dataclass(slots=True)
class Worked:
    """What a run has shown.

    Attributes:
        told: how many jobs were pushed, and what the counters should have come to.
        rows: the samples until the last job was done.
        idle: a sample of before the first job.
        rested: one of after the last.
        last: one of after the worker has left.
        leaks: keys that should not be there at the end.
        ends: exit statuses by process.
        log: what the worker wrote.
    """

    told: dict[str, int] = field(default_factory=lambda: {"jobs": 0, "processed": 0, "failed": 0})
    rows: list[Row] = field(default_factory=list)
    idle: Row = field(default_factory=dict)
    rested: Row = field(default_factory=dict)
    last: Row = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    log: str = ""


def memory(jobs: int, seed: int, directory: Path) -> int:
    """Run, judge and tell; samples and figures are in `directory` afterwards.

    Args:
        jobs: how many.
        seed: draws them.
        directory: made if it is not there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    print(f"one worker of {SLOTS} slots, {jobs:,} jobs, seed {seed}", flush=True)
    worked = _run(jobs, seed, directory)
    verdict = judge(worked)
    endurance.keep(directory, worked.rows, verdict)
    return endurance.tell("memory", directory, verdict)


def judge(worked: Worked) -> Verdict:
    """Say whether all held; a pure function."""
    verdict = Verdict()
    jobs = worked.told["jobs"]
    stretch = Stretch.by(worked.rows, "redis processed", 0, worked.told["processed"])
    verdict.figures["jobs"] = jobs
    endurance.check_memory(verdict, NAME, stretch, 0.0 if jobs >= _LONG else _SHORT_RUN_MB)
    for field_name, slack in _MORE.items():
        endurance.check_constant(verdict, f"{NAME} {field_name}", stretch, slack)
    endurance.check_idle(verdict, NAME, worked.idle, worked.rested)
    endurance.check_log(verdict, NAME, worked.log)
    endurance.check_end(verdict, worked.last, worked.told, worked.leaks, worked.ends)
    return verdict


# What happens.


def _run(jobs: int, seed: int, directory: Path) -> Worked:
    worked = Worked()
    every = 1.0 if jobs >= _LONG else 0.1
    with (
        RedisServer() as server,
        server.client() as client,
        server.client() as sampled,
        endurance.start_worker(
            server.url, directory / "workers", SLOTS, [_QUEUE], beat_interval=every, dead_max_jobs=500
        ) as worker,
        Sampler(sampled, server.port, every) as sampler,
    ):
        sampler.watch(endurance.watched(NAME, worker))
        worked.idle = endurance.idle_sample(sampler, [NAME])
        _feed(client, sampler, MEMORY.draw(random.Random(seed), jobs), jobs // _LEAST_SAMPLES, worked.told)
        worked.rested = endurance.come_to_rest(sampler, [NAME], worked.idle, _RESTS_WITHIN)
        worked.ends = {NAME: worker.stop()}
        worked.last = sampler.take()
        worked.leaks = keys.leaks(client, keys.catalogue())
        worked.log = worker.log()
        # What is sampled at rest is no part of the way.
        worked.rows = [row for row in sampler.rows if row["redis processed"] < worked.told["processed"]]
    return worked


def _feed(client: redis.Redis, sampler: Sampler, planned: Iterator[Planned], step: int, told: dict[str, int]) -> None:
    """Push portion by portion, so that Redis never holds many; wait for a sample at each step of so many jobs."""
    next_sample = step
    while portion := list(itertools.islice(planned, min(_PORTION, step))):
        while client.llen(f"queue:{_QUEUE}") > min(_BACKLOG, step):
            time.sleep(_PAUSE)
        if told["jobs"] >= next_sample:
            sampler.take()
            next_sample += step
        seeding.push(client, *(seeding.payload(each.job, queue=_QUEUE, retry=RETRY[each.job]) for each in portion))
        told["jobs"] += len(portion)
        told["processed"] += sum(each.course.acks for each in portion)
        told["failed"] += sum(each.course.fails for each in portion)
