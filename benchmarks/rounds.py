"""Run contestants in turn, round after round, and compare them within each round."""

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis

from benchmarks.contestants import CHECKOUT, Contestant
from benchmarks.workload import DECLINED, Case, Measures, Workload

_ENDS_WITHIN = 300
_LOOKED_AT_EVERY = 1.0


@dataclass
class Result:
    """What one case gave.

    Attributes:
        workload: name of the workload.
        case: name of the case.
        measure: the measure that ratios compare.
        jobs: contestant to how many jobs each of its runs had, or of what is counted.
        runs: contestant to its measures, one entry per round.
        failures: contestant to why it could not be measured.
        declined: contestant to why it does not do such a thing at all.
        counts: what there is a number of in each run.
        to: the case by whose figure this one's is divided, where nobody else takes part.
    """

    workload: str
    case: str
    measure: str
    jobs: dict[str, int] = field(default_factory=dict)
    runs: dict[str, list[Measures]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    declined: dict[str, str] = field(default_factory=dict)
    counts: str = "jobs"
    to: str = ""

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


class DeclinedError(Exception):
    """A contestant does not do such a thing."""


def play(
    workload: Workload, case: Case, rivals: Sequence[Contestant], *, url: str, most: int | None, rounds: int
) -> Result:
    """Let each contestant run once per round; one that fails is left out from then on.

    Args:
        workload: what is to be done.
        case: in which setting.
        rivals: who takes part.
        url: of a Redis that may be emptied.
        most: the most jobs of one run, if there is a limit.
        rounds: how often each runs.
    """
    result = Result(workload.name, case.name, workload.measure, counts=workload.counts, to=case.to)
    for rival in rivals:
        if rival.missing:
            result.failures[rival.name] = rival.missing
    for _ in range(rounds):
        for rival in rivals:
            if rival.name in result.failures or rival.name in result.declined:
                continue
            count = result.jobs[rival.name] = rival.jobs(workload, case, most)
            settings = {**case.settings, **rival.settings, "url": url, workload.counts: count}
            try:
                measures = _run(workload, rival, settings)
            except FailedError as error:
                result.failures[rival.name] = str(error)
                result.runs.pop(rival.name, None)
            except DeclinedError as error:
                result.declined[rival.name] = str(error)
            else:
                result.runs.setdefault(rival.name, []).append(measures)
    return result


def _run(workload: Workload, rival: Contestant, settings: dict[str, object]) -> Measures:
    with redis.Redis.from_url(str(settings["url"])) as client:
        client.flushall()
        if not rival.is_peer:
            workload.load(client, settings)
    process = subprocess.Popen(
        [*rival.command, workload.name, json.dumps(settings)],
        cwd=CHECKOUT,
        env={**os.environ, **rival.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = _read_to_the_end(process)
    finally:
        _end_all_of(process)
    if process.returncode == DECLINED:
        raise DeclinedError(_last_line(said))
    if process.returncode != 0:
        raise FailedError(_last_line(complained))
    measures: Measures = json.loads(said.splitlines()[-1])
    return measures


def _read_to_the_end(process: "subprocess.Popen[str]") -> tuple[str, str]:
    latest = time.monotonic() + _ENDS_WITHIN
    while True:
        try:
            return process.communicate(timeout=_LOOKED_AT_EVERY)
        except subprocess.TimeoutExpired:
            if process.poll() is not None:
                # It has left somebody behind who holds its pipes.
                _end_all_of(process)
            elif time.monotonic() > latest:
                raise FailedError(f"did not end within {_ENDS_WITHIN} s") from None


def _end_all_of(process: "subprocess.Popen[str]") -> None:
    """Leave no worker of a contestant behind, whatever became of the process that started it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
