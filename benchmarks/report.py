"""Results as a table for people and as JSON for programs."""

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.contestants import FIRST
from benchmarks.rounds import Result


def table(result: Result) -> str:
    """Return one case as lines of text: a contestant each, with medians and how Sidelong compares with it."""
    jobs = sorted(result.jobs.values())
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((jobs[0], jobs[-1]))) if jobs else "no"
    lines = [f"{result.workload}: {result.case} ({counts} jobs)"]
    for name in result.runs:
        figures = "  ".join(f"{value:>10,.{_digits(value)}f} {unit}" for unit, value in result.medians(name).items())
        lines.append(f"  {name:<10}{figures}{_comparison(result, name)}")
    for name, reason in result.declined.items():
        lines.append(f"  {name:<10}does not take part: {reason}")
    for name, reason in result.failures.items():
        lines.append(f"  {name:<10}could not run: {reason}")
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
