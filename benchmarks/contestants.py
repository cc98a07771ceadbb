"""Who takes part in a workload, and how the process that measures it is started."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.workload import Case, Workload

CHECKOUT = Path(__file__).parents[1]
FIRST = "sidelong"
UVLOOP = "uvloop"
FLOOR = "floor"
FLOOR_ON_UVLOOP = "floor on uvloop"
REDIS_PY = "redis-py"
"""redis-py by hand, as a program without any library for jobs would use it."""


@dataclass(frozen=True)
class Contestant:
    """A way to do a workload.

    Attributes:
        name: what the table shows.
        command: the words that start the measuring process; the name of the workload and the settings as JSON follow.
        environment: variables of that process, beside those of this one.
        settings: what it is given beside the settings of the case.
        is_peer: whether it is another library: it fills Redis by itself.
        share: which part of `peer_jobs` a peer gets.
        missing: why it cannot be started; empty if it can.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    is_peer: bool = False
    share: float = 1.0
    missing: str = ""

    def jobs(self, workload: Workload, case: Case, most: int | None) -> int:
        """Return how many jobs one run of this contestant has, of which there may be a limit."""
        jobs = case.jobs
        if self.is_peer:
            # Where a pace is measured, slow ones get less to do; delays need as many from everybody.
            jobs = max(10, int(case.peer_jobs * (self.share if workload.measure.endswith("/s") else 1)))
        return jobs if most is None else min(jobs, most)


def own_contestants(workload: Workload, against: Path | None) -> list[Contestant]:
    """Return this checkout, another one if there is one, and what else the workload compares with."""
    found = [_ours(FIRST, workload.module)]
    if against is not None:
        found.append(_ours("against", workload.module, sources=against))
    if workload.has_uvloop:
        found.append(_on_uvloop(UVLOOP, workload.module))
    if workload.has_floor:
        found.append(_ours(FLOOR, "benchmarks.floor"))
    if workload.has_floor and workload.has_uvloop:
        found.append(_on_uvloop(FLOOR_ON_UVLOOP, "benchmarks.floor"))
    return found + [_ours(name, module) for name, module in workload.beside.items()]


def compared_with(contestant: str) -> str:
    """Return which Sidelong a ratio divides by this contestant: the one on the same event loop."""
    return UVLOOP if contestant == FLOOR_ON_UVLOOP else FIRST


def _on_uvloop(name: str, module: str) -> Contestant:
    is_there = importlib.util.find_spec("uvloop") is not None
    missing = "" if is_there else "uvloop is not installed"
    return _ours(name, module, settings={"loop": "uvloop"}, missing=missing)


def _ours(
    name: str,
    module: str,
    *,
    sources: Path = CHECKOUT / "src",
    settings: Mapping[str, object] | None = None,
    missing: str = "",
) -> Contestant:
    paths = os.pathsep.join([str(sources), str(CHECKOUT)])
    command = (sys.executable, "-m", module)
    return Contestant(name, command, {"PYTHONPATH": paths}, settings or {}, missing=missing)
