"""The chaos program; its last line says what came of it, and its exit status whether all held."""

import shutil
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.command_line import parser
from tests.chaos.matrix import matrix_plans, run_matrix
from tests.chaos.memory import memory
from tests.chaos.plans import Plan, plan_named, sized
from tests.chaos.run import PLAN, judge, run
from tests.chaos.site import RunFailedError
from tests.chaos.soak import soak
from tests.chaos.starts import run_starts
from tests.chaos.verdict import Verdict
from tests.support.redis_server import EXECUTABLE, is_installed

_SHOWN = 20
_FIGURES = "figures.json"


class MisusedError(Exception):
    """What was asked for cannot be done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for, and return the exit status.

    It is 0 only if every invariant held, 1 if one did not, 2 if nothing could be done, and 3 if a run came to no end.
    """
    options = parser().parse_args(arguments)
    # Whoever ends the program ends its workers and servers, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if not is_installed() and options.command != "check":
            raise MisusedError(f"{EXECUTABLE} is not on PATH: nothing can be run")
        return _COMMANDS[options.command](options)
    except MisusedError as error:
        print(error, file=sys.stderr)
        return 2
    except RunFailedError as error:
        print(f"the run came to no end: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def _run(options: Namespace) -> int:
    plan = _plan(options.plan, options.jobs)
    if options.dry_run:
        print(f"{plan.name}: {plan.jobs:,} jobs in {plan.seconds:.0f} s or more, {options.seeds} times")
        return 0
    return max(_run_one(plan, options.seed + number, options) for number in range(options.seeds))


def _run_one(plan: Plan, seed: int, options: Namespace) -> int:
    """Run once and return the exit status."""
    kept = _place(options.keep and options.keep / f"{plan.name}-{seed}", PLAN)
    print(f"plan {plan.name}, seed {seed}, {plan.jobs:,} jobs in {plan.seconds:.0f} s or more", flush=True)
    verdict = run(plan, seed, kept, broken=options.broken)
    _tell(verdict, kept, f"{plan.name} seed {seed}: ")
    if verdict.is_clean and not options.keep:
        shutil.rmtree(kept)
    return 0 if verdict.is_clean else 1


def _check(options: Namespace) -> int:
    if not (options.directory / PLAN).is_file():
        raise MisusedError(f"{options.directory} holds no run: it has no {PLAN}")
    verdict = judge(options.directory)
    _tell(verdict, options.directory)
    return 0 if verdict.is_clean else 1


def _run_matrix(options: Namespace) -> int:
    plans = matrix_plans(with_pairs=options.pairs)
    seeds = range(options.seed, options.seed + options.seeds)
    if options.dry_run:
        print(f"{len(plans)} plans with {len(seeds)} seeds: {', '.join(plan.name for plan in plans)}")
        return 0
    bad = run_matrix(plans, seeds=seeds, jobs=options.jobs, at_once=options.at_once, keep=options.keep)
    return 1 if bad else 0


def _run_starts(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.times:,} starts and stops")
        return 0
    return run_starts(options.times)


def _soak(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.minutes:g} minutes at {options.load:g} of what the workers can do")
        return 0
    return soak(options.minutes, options.load, options.seed, _place(options.out, _FIGURES))


def _memory(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.jobs:,} jobs")
        return 0
    return memory(options.jobs, options.seed, _place(options.out, _FIGURES))


_COMMANDS = {
    "run": _run,
    "check": _check,
    "matrix": _run_matrix,
    "starts": _run_starts,
    "soak": _soak,
    "memory": _memory,
}


def _plan(name: str, jobs: int | None) -> Plan:
    try:
        return sized(plan_named(name), jobs)
    except LookupError as error:
        raise MisusedError(f"{error}; see --help") from None


def _place(directory: Path | None, mark: str) -> Path:
    """Return an empty directory: a new one, or the one given, rid of an earlier run.

    Args:
        directory: where to; None for a temporary one.
        mark: the file that an earlier run has left; nothing else is removed.
    """
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="sidelong-chaos-"))
    if directory.exists() and any(directory.iterdir()):
        if not (directory / mark).is_file():
            raise MisusedError(f"{directory} is not empty, and what is in it is from no earlier run")
        shutil.rmtree(directory)
    return directory


def _tell(verdict: Verdict, kept: Path, heading: str = "") -> None:
    for violation in verdict.violations[:_SHOWN]:
        print(f"{violation.invariant}: {violation.text}")
    if len(verdict.violations) > _SHOWN:
        print(f"and {len(verdict.violations) - _SHOWN:,} more, in {kept / 'verdict.json'}")
    if not verdict.is_clean:
        print(f"ledger, logs and dump are kept in {kept}")
    print(f"{heading}{verdict.line()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
