"""Run contestants in turn, round after round, and compare them within each round."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import redis

from benchmarks.workload import Case, Measures, Workload

CHECKOUT = Path(__file__).parents[1]
_ENDS_WITHIN = 300


@dataclass(frozen=True)
class Contestant:
    """A way to do a workload.

    Attributes:
        name: what the table shows.
        module: the module whose process measures it.
        sources: the `src` directory whose `sidelong` that process imports.
    """

    name: str
    module: str
    sources: Path = CHECKOUT / "src"


@dataclass
class Result:
    """What one case gave.

    Attributes:
        workload: name of the workload.
        case: name of the case.
        jobs: how many jobs each run had.
        measure: the measure that ratios compare.
        runs: contestant to its measures, one entry per round.
        failures: contestant to why it could not be measured.
    """

    workload: str
    case: str
    jobs: int
    measure: str
    runs: dict[str, list[Measures]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def medians(self, contestant: str) -> dict[str, float]:
        """Return the median of each measure over the rounds."""
        runs = self.runs[contestant]
        return {name: statistics.median(run[name] for run in runs) for name in runs[0]}

    def ratios(self, contestant: str, to: str) -> list[float]:
        """Return, round by round, the contestant's measure divided by that of `to`."""
        pairs = zip(self.runs[contestant], self.runs[to], strict=True)
        return [mine[self.measure] / other[self.measure] for mine, other in pairs]


class FailedError(Exception):
    """A contestant could not be measured."""


def contestants(workload: Workload, against: Path | None) -> list[Contestant]:
    """Return this checkout, another one if there is one, and what else the workload compares with."""
    found = [Contestant("sidelong", workload.module)]
    if against is not None:
        found.append(Contestant("against", workload.module, against))
    return found + [Contestant(name, module) for name, module in workload.beside.items()]


def play(workload: Workload, case: Case, rivals: Sequence[Contestant], *, url: str, jobs: int, rounds: int) -> Result:
    """Let each contestant run once per round; one that fails is left out from then on."""
    result = Result(workload.name, case.name, jobs, workload.measure)
    settings = {**case.settings, "url": url, "jobs": jobs}
    for _ in range(rounds):
        for rival in rivals:
            if rival.name in result.failures:
                continue
            try:
                measures = _run(workload, rival, settings)
            except FailedError as error:
                result.failures[rival.name] = str(error)
                result.runs.pop(rival.name, None)
            else:
                result.runs.setdefault(rival.name, []).append(measures)
    return result


def _run(workload: Workload, rival: Contestant, settings: Mapping[str, object]) -> Measures:
    with redis.Redis.from_url(str(settings["url"])) as client:
        client.flushall()
        workload.load(client, settings)
    paths = os.pathsep.join([str(rival.sources), str(CHECKOUT)])
    try:
        done = subprocess.run(
            [sys.executable, "-m", rival.module, "measure", json.dumps(settings)],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=_ENDS_WITHIN,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"did not end within {_ENDS_WITHIN} s") from None
    if done.returncode != 0:
        raise FailedError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    measures: Measures = json.loads(done.stdout.splitlines()[-1])
    return measures
