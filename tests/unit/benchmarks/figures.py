"""Made-up results, as `python -m benchmarks --json` writes them."""

from benchmarks.report import document
from benchmarks.rounds import Result


def result(workload, case, runs, *, measure="jobs/s", jobs=1_000, **left_out):
    """Return a case; `runs` has for each contestant its figure in each round."""
    return Result(
        workload,
        case,
        measure,
        jobs=dict.fromkeys(runs, jobs),
        runs={name: [{measure: figure} for figure in figures] for name, figures in runs.items()},
        **left_out,
    )


def by_case(*results):
    """Return results as targets look them up."""
    return {(each.workload, each.case): each for each in results}


def written(*results):
    """Return the document of one run, on a machine that is always the same."""
    machine = {"python": "3.11.7", "redis": "7.0.15", "system": "Linux", "cores": 2, "load": 0.5}
    versions = {"sidelong": "0.1.0", "arq": "0.28.0"}
    return {**document(results, "7.0.15", 0.5), "machine": machine, "versions": versions}
