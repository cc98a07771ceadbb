"""What the long runs share: their workers, what must hold of their samples, and the last line."""

import json
import os
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.samples import Row, Sampler, Watched, save, thinned
from tests.chaos.verdict import Verdict
from tests.support.eventually import eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess

SAMPLES = "samples.csv"
FIGURES = "figures.json"
"""The files in which a run leaves them."""
MOST_ROWS = 2_000
MEMORY_SHARE = 0.05
"""By how much memory may grow once a process is warm."""
WARM_UP = 0.1
"""The part of a run after which it is."""
LATE = 0.85
"""The part of a run after which growth shows."""
_SETTLES_WITHIN = 15.0
_UNWANTED = re.compile(
    r"Task was destroyed|never retrieved|never awaited|Exception ignored in|Task exception|Unclosed|ResourceWarning"
)
_UNRESTED = ("queued", "in_flight", "scheduled", "retries")
# What a process has when it is idle comes back to that, but for links that were opened on the way.
_SLACK = {"tasks": 3, "connections": 3, "descriptors": 4}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Two parts of a run, early and late, to be compared.

    Attributes:
        early: rows after the warm-up.
        late: the last rows.
    """

    early: Sequence[Row]
    late: Sequence[Row]

    @classmethod
    def by(cls, rows: Sequence[Row], column: str, begins: float, ends: float) -> "Stretch":
        """Part rows by how far a column that only grows is on its way from `begins` to `ends`."""
        span = ends - begins
        parts = [((row[column] - begins) / span, row) for row in rows]
        early = [row for part, row in parts if WARM_UP <= part <= WARM_UP + 1 - LATE]
        return cls(early, [row for part, row in parts if LATE <= part <= 1])

    def medians(self, column: str) -> tuple[float, float]:
        """Return the middle value of a column, early and late."""
        early, late = (
            statistics.median(row[column] for row in rows if column in row) for rows in (self.early, self.late)
        )
        return early, late


def start_worker(
    url: str, directory: Path, concurrency: int, queues: Sequence[str], **settings: object
) -> WorkerProcess:
    """Start a worker of the light application, with the product's own timings but for `settings`.

    It ends with the thread that calls this, however that ends.
    """
    options = WorkerOptions(
        redis=url,
        ledger=Ledger(directory),
        concurrency=concurrency,
        queues=queues,
        settings="default",
        overrides=settings,
        target="tests.chaos.light_app:app",
        module="tests.chaos.light_worker",
        extra=[f"--parent={os.getpid()}"],
    )
    return WorkerProcess(options)


def watched(name: str, worker: WorkerProcess) -> Watched:
    """Return the worker as the sampler wants it."""
    return Watched(name, worker.pid, worker.log_file, worker.ledger.directory)


def wait_for(sampler: Sampler, accepts: Callable[[Row], bool], within: float = _SETTLES_WITHIN) -> Row:
    """Wait for a sample of after this moment that is as wanted, and return it.

    Raises:
        AssertionError: none came in time.
    """
    began = sampler.seconds

    def found() -> list[Row]:
        return [row for row in sampler.rows[-1:] if row["seconds"] > began and accepts(row)]

    return eventually_sync(found, within)[0]


def idle_sample(sampler: Sampler, names: Sequence[str]) -> Row:
    """Return a sample in which all the named workers have told what they have."""
    return wait_for(sampler, lambda row: all(f"{name} tasks" in row for name in names))


def come_to_rest(sampler: Sampler, names: Sequence[str], idle: Row, within: float) -> Row:
    """Wait until nothing waits, runs or is due, and workers are as idle as before; return the last sample."""
    # If that does not come, the judge says what is wrong with the last sample.
    with suppress(AssertionError):
        wait_for(sampler, lambda row: not unrested(row), within)
        return wait_for(sampler, lambda row: _is_idle(row, names, idle))
    return sampler.rows[-1]


def _is_idle(row: Row, names: Sequence[str], idle: Row) -> bool:
    verdict = Verdict()
    for name in names:
        check_idle(verdict, name, idle, row)
    return verdict.is_clean


def unrested(row: Row) -> int:
    """Return how many jobs wait, run or are due."""
    return int(sum(row[f"redis {field}"] for field in _UNRESTED))


# What must hold.


def check_memory(verdict: Verdict, name: str, stretch: Stretch, allowance: float) -> None:
    """Require that a process has not grown by more than a share, or by an allowance in MB."""
    early, late = stretch.medians(f"{name} memory_mb")
    verdict.figures[f"{name} MB"] = f"{early:.1f} to {late:.1f} ({(late - early) / early:+.1%})"
    if late - early >= max(MEMORY_SHARE * early, allowance):
        verdict.violate("memory", f"{name} has grown from {early:.1f} MB to {late:.1f} MB")


def check_constant(verdict: Verdict, column: str, stretch: Stretch, slack: float) -> None:
    """Require that a column has not grown by more than `slack`."""
    early, late = stretch.medians(column)
    verdict.figures[column] = f"{early:g} to {late:g}"
    if late - early > slack:
        verdict.violate("constant", f"{column} has grown from {early:g} to {late:g}, allowed are {slack:g} more")


def check_most(verdict: Verdict, column: str, rows: Sequence[Row], limit: float) -> None:
    """Require that a column was never over `limit`."""
    most = max(row[column] for row in rows if column in row)
    verdict.figures[f"{column} at most"] = round(most, 1)
    if most > limit:
        verdict.violate("bound", f"{column} was {most:g}, allowed are {limit:g}")


def check_idle(verdict: Verdict, name: str, before: Row, after: Row) -> None:
    """Require that a worker at rest has what it had before its first job."""
    for field, slack in _SLACK.items():
        had, has = before[f"{name} {field}"], after[f"{name} {field}"]
        verdict.figures[f"{name} {field} at rest"] = f"{had:g} to {has:g}"
        if has - had > slack:
            verdict.violate("idle", f"{name} at rest has {has:g} {field}, had {had:g}, allowed are {slack} more")


def check_end(
    verdict: Verdict, last: Row, told: Mapping[str, int], leaks: Sequence[str], ends: Mapping[str, int]
) -> None:
    """Require exact counters, that nothing is left, and that every process has ended well.

    Args:
        verdict: gets what does not hold.
        last: a sample of Redis after the last worker has left.
        told: what the counters should have come to.
        leaks: keys that should not be there.
        ends: exit statuses.
    """
    for counter in ("processed", "failed"):
        counted = int(last[f"redis {counter}"])
        verdict.figures[counter] = counted
        if counted != told[counter]:
            verdict.violate("counters", f"{counter} is {counted:,}, should be {told[counter]:,}")
    for field in _UNRESTED:
        if left := int(last[f"redis {field}"]):
            verdict.violate("rest", f"{left:,} are left: {field}")
    for leak in leaks:
        verdict.violate("keys", leak)
    for name, status in ends.items():
        if status:
            verdict.violate("exit", f"{name} ended with {status}")


def check_log(verdict: Verdict, name: str, log: str) -> None:
    """Require that nobody complains of forgotten tasks and the like."""
    if complaint := _UNWANTED.search(log):
        line = log[: complaint.end()].rpartition("\n")[2]
        verdict.violate("log", f"{name} says: {line}")


# What a run leaves.


def keep(directory: Path, rows: Sequence[Row], verdict: Verdict) -> None:
    """Write samples and figures."""
    save(directory / SAMPLES, thinned(rows, MOST_ROWS))
    report = {"figures": verdict.figures, "violations": [asdict(each) for each in verdict.violations]}
    (directory / FIGURES).write_text(json.dumps(report, indent=2) + "\n")


def tell(heading: str, directory: Path, verdict: Verdict) -> int:
    """Print what a run came to, the figures in the last line, and return the exit status."""
    for violation in verdict.violations:
        print(f"{violation.invariant}: {violation.text}")
    print(f"samples and figures are in {directory}")
    figures = [
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in verdict.figures.items()
    ]
    end = "PASS" if verdict.is_clean else f"FAIL ({len(verdict.violations)} violations)"
    print(" | ".join((heading, ", ".join(figures), end)), flush=True)
    return 0 if verdict.is_clean else 1
