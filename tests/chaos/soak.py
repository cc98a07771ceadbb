"""A long run at a steady pace without a fault: nothing may grow, and at the end every job is accounted for.

Two workers and a producer share the machine with Redis. First the producer pushes all they can take, to learn how much
that is; then a part of it, for as long as asked.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import endurance, plot
from tests.chaos.endurance import Stretch
from tests.chaos.mix import QUEUES
from tests.chaos.samples import Row, Sampler, Watched
from tests.chaos.verdict import Verdict
from tests.support import keys
from tests.support.processes import ROOT
from tests.support.redis_server import RedisServer

WORKERS = ("worker 1", "worker 2")
SLOTS = 20
_BACKLOG = 2_000
LEAST_MINUTES = 0.2
"""In less, the early and the late part have too few samples to be compared."""
_RESTS_WITHIN = 60.0

_LONG = 300.0
"""Seconds after which a run is long; in a shorter one, a few threads and caches more are already 5 %."""
_SHORT_RUN_MB = 6.0

# What is allowed of growth from early to late, both in the median. Tasks and keys come and go with the jobs: of a short
# run there are too few samples to tell more.
_MORE = {"descriptors": 2, "connections": 2, "service_threads": 1}
_MORE_TASKS = {True: 6, False: SLOTS}
_MORE_KEYS = {True: 4, False: 10}
_MORE_REDIS_MB = 2.0

_BYTES_A_SECOND = 2_000
"""What a worker may log, on average."""
_KEYS = 40
"""What two workers, three queues, three sets and the counters of two days need."""


@dataclass(slots=True)
class Soaked:
    """What a run has shown.

    Attributes:
        seconds: how long the steady part was to be.
        rows: all samples.
        idle: one of before the first job.
        rested: one of after the last.
        last: one of after the workers have left.
        highest: jobs a second that the workers finished at most.
        began: when the steady part began, as rows count it.
        ended: when it ended.
        told: what producers pushed, and what the counters should have come to.
        leaks: keys that should not be there at the end.
        ends: exit statuses by process.
        logs: what they wrote.
    """

    seconds: float
    rows: list[Row] = field(default_factory=list)
    idle: Row = field(default_factory=dict)
    rested: Row = field(default_factory=dict)
    last: Row = field(default_factory=dict)
    highest: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    told: dict[str, int] = field(default_factory=lambda: {"jobs": 0, "processed": 0, "failed": 0})
    leaks: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


def soak(minutes: float, load: float, seed: int, directory: Path) -> int:
    """Run, judge and tell; samples, figures and a plot are in `directory` afterwards.

    Args:
        minutes: how long the steady part is.
        load: which part of what the workers can do is asked of them.
        seed: draws the jobs.
        directory: made if it is not there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    print(f"{len(WORKERS)} workers of {SLOTS} slots, seed {seed}: what they can do is measured first", flush=True)
    soaked = _run(minutes * 60, load, seed, directory)
    verdict = judge(soaked)
    endurance.keep(directory, soaked.rows, verdict)
    title = f"{minutes:g} min at {load:.0%} of {soaked.highest:,.0f} jobs/s, {len(WORKERS)} workers of {SLOTS} slots"
    complaint = plot.draw(soaked.rows, soaked.began, soaked.ended, title, directory / "soak.svg")
    if complaint:
        print(complaint)
    return endurance.tell(f"soak, {title}", directory, verdict)


def judge(soaked: Soaked) -> Verdict:
    """Say whether all held; a pure function."""
    verdict = Verdict()
    steady = [row for row in soaked.rows if soaked.began <= row["seconds"] <= soaked.ended]
    stretch = Stretch.by(steady, "seconds", soaked.began, soaked.ended)
    is_long = soaked.seconds >= _LONG
    verdict.figures["jobs"] = soaked.told["jobs"]
    verdict.figures["jobs/s"] = round(_rate(steady, "redis processed"), 1)
    for name in (*WORKERS, "producer"):
        endurance.check_memory(verdict, name, stretch, 0.0 if is_long else _SHORT_RUN_MB)
        verdict.figures[f"{name} cores"] = round(_rate(steady, f"{name} cpu_seconds"), 2)
    for name in WORKERS:
        endurance.check_constant(verdict, f"{name} tasks", stretch, _MORE_TASKS[is_long])
        _check_worker(verdict, name, soaked, steady, stretch)
    endurance.check_constant(verdict, "redis memory_mb", stretch, _MORE_REDIS_MB)
    endurance.check_constant(verdict, "redis keys", stretch, _MORE_KEYS[is_long])
    endurance.check_most(verdict, "redis keys", soaked.rows, _KEYS)
    endurance.check_end(verdict, soaked.last, soaked.told, soaked.leaks, soaked.ends)
    return verdict


def _check_worker(verdict: Verdict, name: str, soaked: Soaked, steady: list[Row], stretch: Stretch) -> None:
    for field_name, slack in _MORE.items():
        endurance.check_constant(verdict, f"{name} {field_name}", stretch, slack)
    # A thread is made whenever more `def` jobs run at once than ever before, and kept; one folds the log.
    endurance.check_most(verdict, f"{name} threads", soaked.rows, soaked.idle[f"{name} threads"] + SLOTS + 1)
    endurance.check_idle(verdict, name, soaked.idle, soaked.rested)
    endurance.check_log(verdict, name, soaked.logs[name])
    pace = _rate(steady, f"{name} log_bytes")
    verdict.figures[f"{name} log lines/s"] = round(_rate(steady, f"{name} log_lines"), 1)
    verdict.figures[f"{name} log bytes/s"] = round(pace)
    if pace > _BYTES_A_SECOND:
        verdict.violate("log", f"{name} writes {pace:,.0f} bytes/s, allowed are {_BYTES_A_SECOND:,}")


def _rate(rows: list[Row], column: str) -> float:
    found = [row for row in rows if column in row]
    first, last = found[0], found[-1]
    return (last[column] - first[column]) / (last["seconds"] - first["seconds"])


# What happens.


def _run(seconds: float, load: float, seed: int, directory: Path) -> Soaked:
    soaked = Soaked(seconds)
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        queues = [f"{name},{weight}" for name, weight in zip(QUEUES, (3, 2, 1), strict=True)]
        workers = {
            name: stack.enter_context(
                endurance.start_worker(
                    # Few enough dead jobs that their set is full when the workers are warm.
                    server.url,
                    directory / "workers",
                    SLOTS,
                    queues,
                    beat_interval=1.0,
                    dead_max_jobs=500,
                )
            )
            for name in WORKERS
        }
        client = stack.enter_context(server.client())
        sampler = stack.enter_context(
            Sampler(stack.enter_context(server.client()), server.port, 1.0 if seconds >= _LONG else 0.5)
        )
        for name, worker in workers.items():
            sampler.watch(endurance.watched(name, worker))
        soaked.idle = endurance.idle_sample(sampler, WORKERS)
        soaked.highest = _measure(server, sampler, soaked, seed, min(10.0, max(4.0, seconds / 60)), directory)
        # A job may count more than once: for each attempt, and for its child.
        rate = load * soaked.highest * soaked.told["jobs"] / soaked.told["processed"]
        print(
            f"they finish {soaked.highest:,.0f} jobs/s: {rate:,.0f} are pushed a second for {seconds:,.0f} s",
            flush=True,
        )
        # What the flood has left is no part of the steady pace.
        endurance.wait_for(sampler, lambda row: row["redis queued"] < SLOTS, _RESTS_WITHIN)
        soaked.began = sampler.seconds
        _produce(server, sampler, soaked, "producer", seed, seconds, directory, f"--rate={rate}")
        soaked.ended = sampler.seconds
        soaked.rested = endurance.come_to_rest(sampler, WORKERS, soaked.idle, _RESTS_WITHIN)
        soaked.ends = {name: worker.stop() for name, worker in workers.items()}
        soaked.last = sampler.take()
        soaked.leaks = keys.leaks(client, keys.catalogue())
        soaked.logs = {name: worker.log() for name, worker in workers.items()}
        soaked.rows = sampler.rows
    return soaked


def _measure(
    server: RedisServer, sampler: Sampler, soaked: Soaked, seed: int, seconds: float, directory: Path
) -> float:
    """Return how many jobs a second are finished while as many as can be taken are there."""
    began = sampler.seconds
    _produce(server, sampler, soaked, "flood", seed + 1, seconds, directory, f"--backlog={_BACKLOG}")
    rows = [row for row in sampler.rows if row["seconds"] > began]
    full = [row for row in rows if row["redis queued"] > _BACKLOG / 4]
    return _rate(full if len(full) > 1 else rows, "redis processed")


def _produce(
    server: RedisServer,
    sampler: Sampler,
    soaked: Soaked,
    name: str,
    seed: int,
    seconds: float,
    directory: Path,
    pace: str,
) -> None:
    """Let a process push for `seconds`, and note what it has pushed.

    Raises:
        RuntimeError: it failed.
    """
    told = directory / f"{name}.json"
    log_file = directory / f"{name}.log"
    words = [
        f"--redis={server.url}",
        f"--seed={seed}",
        f"--seconds={seconds}",
        f"--told={told}",
        f"--parent={os.getpid()}",
        pace,
    ]
    with log_file.open("wb") as log:
        producer = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.steady", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        sampler.watch(Watched(name, producer.pid))
        status = producer.wait(seconds + _RESTS_WITHIN)
    finally:
        producer.kill()
        producer.wait()
    if status:
        raise RuntimeError(f"the producer ended with {status}:\n{log_file.read_text(errors='replace')[-3000:]}")
    for counter, count in json.loads(told.read_text()).items():
        soaked.told[counter] += count
