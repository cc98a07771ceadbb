"""Results as a table for people and as JSON for programs."""

import os
import platform
import statistics
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks import peers
from benchmarks.contestants import FIRST, UVLOOP
from benchmarks.rounds import Result

_CALLED = {
    FIRST: "Sidelong",
    UVLOOP: "Sidelong on uvloop",
    peers.RUBY.name: "Sidekiq in Ruby",
    "ruby": "Sidekiq in Ruby",
}


LIBRARIES = frozenset([*(peer.name for peer in peers.PEERS), peers.RUBY.name])
"""The contestants that are other libraries."""


def called(contestant: str) -> str:
    """Return what the page and its pictures call a contestant."""
    return _CALLED.get(contestant, contestant)


def table(result: Result) -> str:
    """Return one case as lines of text: a contestant each, with medians and how Sidelong compares with it."""
    jobs = sorted(result.jobs.values())
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((jobs[0], jobs[-1]))) if jobs else "no"
    lines = [f"{result.workload}: {result.case} ({counts} jobs)"]
    for name in result.runs:
        figures = "  ".join(f"{value:>10,.{_digits(value)}f} {unit}" for unit, value in result.medians(name).items())
        lines.append(f"  {name:<12}{figures}{_comparison(result, name)}")
    for name, reason in result.declined.items():
        lines.append(f"  {name:<12}does not take part: {reason}")
    for name, reason in result.failures.items():
        lines.append(f"  {name:<12}could not run: {reason}")
    return "\n".join(lines)


def _digits(value: float) -> int:
    return 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2


def _comparison(result: Result, name: str) -> str:
    if name == FIRST or FIRST not in result.runs:
        return ""
    ratios = result.ratios(FIRST, name)
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"   {FIRST} / {name} = {statistics.median(ratios):.2f}{spread}"


def document(results: Sequence[Result], redis_version: str) -> dict[str, Any]:
    """Return everything that was measured, and where."""
    return {
        "machine": {
            "python": platform.python_version(),
            "redis": redis_version,
            "system": platform.system(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        },
        "versions": _versions({name for result in results for name in result.runs}),
        "results": [
            {
                "workload": result.workload,
                "case": result.case,
                "jobs": result.jobs,
                "measure": result.measure,
                "runs": result.runs,
                "medians": {name: result.medians(name) for name in result.runs},
                "ratios": {
                    name: statistics.median(result.ratios(FIRST, name))
                    for name in result.runs
                    if name != FIRST and FIRST in result.runs
                },
                "declined": result.declined,
                "could_not_run": result.failures,
            }
            for result in results
        ],
    }


def rounded(value: float) -> str:
    """Return a number for people: three digits of it, of which at most two are decimals."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        digits = len(str(round(abs(value))))
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}" if abs(value) >= 0.095 else f"{value:.2g}"


def more_is_better(measure: str) -> bool:
    """Return whether a measure is a pace or a share, of which one wants more, and not a time or a size."""
    return measure in ("jobs/s", "requests/s", "% of ideal")


def read(document: Mapping[str, Any]) -> list[Result]:
    """Return the results that a document of this program holds."""
    return [
        Result(
            workload=entry["workload"],
            case=entry["case"],
            measure=entry["measure"],
            jobs=entry["jobs"],
            runs=entry["runs"],
            failures=entry["could_not_run"],
            declined=entry["declined"],
        )
        for entry in document["results"]
    ]


def _versions(contestants: Collection[str]) -> dict[str, str]:
    """Return what was installed here, and the versions of the other libraries that took part."""
    packages = {FIRST: FIRST, "redis-py": "redis", "hiredis": "hiredis"}
    if UVLOOP in contestants:
        packages[UVLOOP] = UVLOOP
    found = {}
    for name, package in packages.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found | peers.versions(contestants)
