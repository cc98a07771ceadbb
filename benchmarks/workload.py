"""What a workload is made of, and how a process that measures one speaks to the program that started it."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

Measures = Mapping[str, float]
"""Name of a measure to its value; the unit is part of the name."""
Settings = Mapping[str, Any]


def _load_nothing(client: redis.Redis, settings: Settings) -> None:
    """Leave Redis empty."""


@dataclass(frozen=True)
class Case:
    """One setting of a workload.

    Attributes:
        name: what the table shows.
        settings: what the measuring processes are given.
        jobs: how many jobs one run has.
    """

    name: str
    settings: Settings
    jobs: int


@dataclass(frozen=True)
class Workload:
    """Something to measure.

    Attributes:
        name: what the command line calls it.
        about: one line for the help and the table.
        cases: its settings.
        measure: name of the measure that ratios compare.
        module: the module whose process measures Sidelong.
        beside: other contestants and the modules that measure them.
        quick: jobs of one run with `--quick`.
        load: fills Redis before each run.
    """

    name: str
    about: str
    cases: tuple[Case, ...]
    measure: str
    module: str
    quick: int
    beside: Mapping[str, str] = field(default_factory=dict)
    load: Callable[[redis.Redis, Settings], None] = _load_nothing


def read_settings() -> dict[str, Any]:
    """Return what this process was started with, in its last argument."""
    settings: dict[str, Any] = json.loads(sys.argv[-1])
    return settings


def tell(measures: Measures) -> None:
    """Answer the program that started this process."""
    print(json.dumps(measures))
