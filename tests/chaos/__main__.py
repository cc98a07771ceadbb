"""The chaos program; its last line says what came of it, and its exit status whether all held."""

import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.command_line import lasting, parser
from tests.chaos.ends import HELD, MISUSED, VIOLATED, brought_to_end, summary, worst
from tests.chaos.endurance import FIGURES, SAMPLES
from tests.chaos.kept_run import PLAN, VERDICT, KeptRun, UnreadableRunError
from tests.chaos.matrix import matrix_plans, run_matrix
from tests.chaos.memory import memory
from tests.chaos.places import UnusablePlaceError, place
from tests.chaos.plans import Plan, plan_named, sized
from tests.chaos.run import run
from tests.chaos.signals import ending_in_order
from tests.chaos.soak import soak
from tests.chaos.starts import run_starts
from tests.chaos.verdict import Verdict
from tests.support.redis_server import EXECUTABLE, RedisServer, is_installed

_SHOWN = 20


class MisusedError(Exception):
    """What was asked for cannot be done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for, and return the exit status: see `ends`.

    Raises:
        SystemExit: the arguments are no good, or a signal has ended it.
    """
    options = parser().parse_args(arguments)
    with ending_in_order():
        try:
            if options.command != "check" and not options.dry_run:
                _require_redis()
            return _COMMANDS[options.command](options)
        except (MisusedError, UnusablePlaceError, UnreadableRunError) as error:
            print(error, file=sys.stderr)
            return MISUSED


def _require_redis() -> None:
    if not is_installed():
        raise MisusedError(f"{EXECUTABLE} is not on PATH: nothing can be run")
    try:
        with RedisServer():
            pass
    except (OSError, RuntimeError) as error:
        raise MisusedError(f"nothing can be run: {str(error).rstrip(': ')}") from None


def _run(options: Namespace) -> int:
    plan = _plan(options.plan, options.jobs)
    if options.dry_run:
        print(f"{plan.name}: {plan.jobs:,} jobs in {lasting(plan.seconds)} or more, {options.seeds} times")
        return HELD
    statuses = [_run_one(plan, options.seed + number, options) for number in range(options.seeds)]
    if len(statuses) > 1:
        print(summary(statuses), flush=True)
    return worst(statuses)


def _run_one(plan: Plan, seed: int, options: Namespace) -> int:
    """Run once and return the exit status, also if nothing could be run: the next seed may have a place."""

    def judged() -> int:
        verdict = run(plan, seed, directory, broken=options.broken)
        _tell(verdict, directory, f"{plan.name} seed {seed}: ")
        return HELD if verdict.is_clean else VIOLATED

    try:
        with place(options.keep and options.keep / f"{plan.name}-{seed}", PLAN, VERDICT) as directory:
            print(f"plan {plan.name}, seed {seed}, {plan.jobs:,} jobs in {lasting(plan.seconds)} or more", flush=True)
            status = brought_to_end(judged, directory)
            if status == HELD and not options.keep:
                shutil.rmtree(directory)
            return status
    except UnusablePlaceError as error:
        print(error, file=sys.stderr)
        return MISUSED


def _check(options: Namespace) -> int:
    if options.dry_run:
        print(f"check what is kept in {options.directory}")
        return HELD

    kept = KeptRun.read(options.directory)

    def judged() -> int:
        verdict = kept.check()
        _tell(verdict, kept.directory)
        return HELD if verdict.is_clean else VIOLATED

    return brought_to_end(judged, None)


def _run_matrix(options: Namespace) -> int:
    plans = matrix_plans(with_pairs=options.pairs)
    seeds = range(options.seed, options.seed + options.seeds)
    if options.dry_run:
        seconds = len(seeds) * sum(sized(plan, options.jobs).seconds for plan in plans) / options.at_once
        print(f"{len(plans)} plans with {len(seeds)} seeds in {lasting(seconds)} or more: ", end="")
        print(", ".join(plan.name for plan in plans))
        return HELD

    def run_all() -> int:
        return run_matrix(plans, seeds=seeds, jobs=options.jobs, at_once=options.at_once, keep=options.keep)

    return brought_to_end(run_all, None)


def _run_starts(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.times:,} starts and stops")
        return HELD
    return brought_to_end(lambda: run_starts(options.times), None)


def _soak(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.minutes:g} minutes at {options.load:g} of what the workers can do")
        return HELD
    with place(options.out, FIGURES, SAMPLES) as directory:
        return brought_to_end(lambda: soak(options.minutes, options.load, options.seed, directory), directory)


def _memory(options: Namespace) -> int:
    if options.dry_run:
        print(f"{options.jobs:,} jobs")
        return HELD
    with place(options.out, FIGURES, SAMPLES) as directory:
        return brought_to_end(lambda: memory(options.jobs, options.seed, directory), directory)


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


def _tell(verdict: Verdict, kept: Path, heading: str = "") -> None:
    for violation in verdict.violations[:_SHOWN]:
        print(f"{violation.invariant}: {violation.text}")
    if len(verdict.violations) > _SHOWN:
        print(f"and {len(verdict.violations) - _SHOWN:,} more, in {kept / VERDICT}")
    if not verdict.is_clean:
        print(f"ledger, logs and dump are kept in {kept}")
    print(f"{heading}{verdict.line()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
