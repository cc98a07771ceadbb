"""What a workload is made of, and how a process that measures one speaks to the program that started it."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import redis

Measures = Mapping[str, float]
"""Name of a measure to its value; the unit is part of the name."""
Settings = Mapping[str, Any]

DECLINED = 64
"""Exit status of a contestant that cannot do a workload at all; its last line says why."""


def _load_nothing(client: redis.Redis, settings: Settings) -> None:
    """Leave Redis empty."""


@dataclass(frozen=True)
class Case:
    """One setting of a workload.

    Attributes:
        name: what the table shows.
        settings: what the measuring processes are given.
        jobs: how many jobs one run has, or of what the workload counts.
        peer_jobs: how many of them other libraries get, which are slower; 0 if they are not measured.
        to: name of the case by whose figure this one's is divided, where nobody else takes part.
    """

    name: str
    settings: Settings
    jobs: int
    peer_jobs: int = 0
    to: str = ""


@dataclass(frozen=True)
class Workload:
    """Something to measure.

    Attributes:
        name: what the command line calls it.
        about: one line for the help and the table.
        cases: its settings.
        measure: name of the measure that ratios compare.
        module: the module whose process measures Sidelong.
        quick: jobs of one run with `--quick`.
        has_floor: whether `benchmarks.floor` does it without a library.
        has_uvloop: whether Sidelong is measured on uvloop as well.
        beside: other contestants and the modules that measure them.
        counts: what a run has a number of, which is also what its setting is called.
        load: fills Redis before each run; other libraries do it themselves.
    """

    name: str
    about: str
    cases: tuple[Case, ...]
    measure: str
    module: str
    quick: int
    has_floor: bool = False
    has_uvloop: bool = False
    beside: Mapping[str, str] = field(default_factory=dict)
    counts: str = "jobs"
    load: Callable[[redis.Redis, Settings], None] = _load_nothing


def read_settings() -> dict[str, Any]:
    """Return what this process was started with, in its last argument."""
    settings: dict[str, Any] = json.loads(sys.argv[-1])
    return settings


def run(measuring: Coroutine[Any, Any, Measures], settings: Settings, *, is_worker: bool = True) -> None:
    """Measure on the event loop that is asked for, and tell the program that started this process.

    Args:
        measuring: measures.
        settings: tell the event loop.
        is_worker: whether a worker runs in this process, or what stands for one: the garbage collector is set for it.
            A program that only enqueues has Python's defaults.
    """
    if is_worker:
        spare_the_collector()
    if settings.get("loop") == "uvloop":
        import uvloop

        tell(uvloop.run(measuring))
    else:
        tell(asyncio.run(measuring))


def spare_the_collector() -> None:
    """Set the garbage collector of this process, which is a worker, as `sidelong run` sets it."""
    with suppress(ImportError):  # another checkout may be older
        from sidelong.cli import garbage

        garbage.spare_the_collector()


def tell(measures: Measures) -> None:
    """Answer the program that started this process."""
    print(json.dumps(measures))


def decline(reason: str) -> NoReturn:
    """End this process: it cannot do what it is asked for."""
    print(reason)
    sys.exit(DECLINED)
