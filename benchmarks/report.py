"""Results as a table for people and as JSON for programs."""

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks import peers
from benchmarks.contestants import FIRST, UVLOOP, compared_with
from benchmarks.rounds import Result

_CALLED = {FIRST: "Sidelong", UVLOOP: "Sidelong on uvloop", peers.RUBY.name: "Ruby's Sidekiq"}
_WEB_SERVER = ("uvicorn", "starlette")
_IN_A_LINE = 8
"""The most figures that stand in one line."""

LIBRARIES = frozenset([*(peer.name for peer in peers.PEERS), peers.RUBY.name])
"""The contestants that are other libraries."""


def called(contestant: str) -> str:
    """Return what the page and its pictures call a contestant."""
    return _CALLED.get(contestant, contestant)


def reference(result: Result, results: Iterable[Result]) -> Result | None:
    """Return the case by whose figure this one's is divided, if it is among the results and both have figures."""
    place = (result.workload, result.to)
    found = next((each for each in results if (each.workload, each.case) == place), None)
    return found if found is not None and FIRST in found.runs and FIRST in result.runs else None


def ratio_of_cases(result: Result, to: Result) -> float:
    """Return Sidelong's median in one case, divided by that in another."""
    return result.medians(FIRST)[result.measure] / to.medians(FIRST)[to.measure]


def table(result: Result, to: Result | None = None) -> str:
    """Return one case as lines of text: a contestant each, with medians and how Sidelong compares with it.

    Args:
        result: the case.
        to: the case by whose figure its own is divided.
    """
    jobs = sorted(result.jobs.values())
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((jobs[0], jobs[-1]))) if jobs else "no"
    lines = [f"{result.workload}: {result.case} ({counts} {result.counts})"]
    width = max((len(called(name)) for name in (*result.jobs, *result.failures)), default=0) + 2
    for name in result.runs:
        figures = [f"{value:>10,.{_digits(value)}f} {unit}" for unit, value in result.medians(name).items()]
        parts = ["  ".join(figures[start : start + _IN_A_LINE]) for start in range(0, len(figures), _IN_A_LINE)]
        lines.append(f"  {called(name):<{width}}{parts[0]}{_comparison(result, name)}")
        lines += [f"  {'':<{width}}{part}" for part in parts[1:]]
    if to is not None:
        lines[1] += f"   {ratio_of_cases(result, to):.2f} of {to.case}"
    for name, reason in result.declined.items():
        lines.append(f"  {called(name):<{width}}does not take part: {reason}")
    for name, reason in result.failures.items():
        lines.append(f"  {called(name):<{width}}could not run: {reason}")
    return "\n".join(lines)


def _digits(value: float) -> int:
    return 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2


def _comparison(result: Result, name: str) -> str:
    if not (ratios := ratios_to(result, name)):
        return ""
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"   {called(compared_with(name))} / {called(name)} = {statistics.median(ratios):.2f}{spread}"


def ratios_to(result: Result, name: str) -> list[float]:
    """Return Sidelong's figures divided by those of a contestant, round by round; none if there is nothing to divide.

    It is the Sidelong on the same event loop.
    """
    own = compared_with(name)
    if name in (FIRST, own) or own not in result.runs or not all(run[result.measure] for run in result.runs[name]):
        return []
    return result.ratios(own, name)


def document(results: Sequence[Result], redis_version: str, load: float) -> dict[str, Any]:
    """Return everything that was measured, and where.

    Args:
        results: what was measured.
        redis_version: of the server.
        load: the load average of the machine before.
    """
    return {
        "machine": {
            "python": platform.python_version(),
            "redis": redis_version,
            "system": platform.system(),
            "cores": os.cpu_count(),
            "load": load,
        },
        "versions": _versions(results),
        "results": [
            {
                "workload": result.workload,
                "case": result.case,
                "jobs": result.jobs,
                "counts": result.counts,
                "to": result.to,
                "measure": result.measure,
                "runs": result.runs,
                "medians": {name: result.medians(name) for name in result.runs},
                "ratios": {
                    name: statistics.median(ratios) for name in result.runs if (ratios := ratios_to(result, name))
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
            counts=entry["counts"],
            to=entry["to"],
        )
        for entry in document["results"]
    ]


def _versions(results: Iterable[Result]) -> dict[str, str]:
    """Return what was installed here, and the versions of the other libraries that took part."""
    results = [result for result in results if result.runs]
    contestants = {name for result in results for name in result.runs}
    packages = {FIRST: FIRST, "redis-py": "redis", "hiredis": "hiredis"}
    if UVLOOP in contestants:
        packages[UVLOOP] = UVLOOP
    if any(result.workload in ("web", "web-ui") for result in results):
        packages |= {name: name for name in _WEB_SERVER}
    found = {}
    for name, package in packages.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found | peers.versions(contestants)
