"""The command line of the chaos program; the last line says what came of it."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.matrix import run_matrix
from tests.chaos.memory import memory
from tests.chaos.nemeses import NEMESES
from tests.chaos.plans import PLANS, Plan, plan_named, sized
from tests.chaos.run import judge, run
from tests.chaos.soak import soak
from tests.chaos.starts import run_starts
from tests.chaos.verdict import Verdict
from tests.support.redis_server import EXECUTABLE, is_installed

_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; the exit status is 0 only if every invariant held."""
    options = _parse(arguments)
    if options.command == "check":
        return _tell(judge(options.directory), options.directory)
    if not is_installed():
        print(f"{EXECUTABLE} is not on PATH: nothing can be run", file=sys.stderr)
        return 2
    if options.command == "starts":
        return run_starts(options.times)
    if options.command == "soak":
        return soak(options.minutes, options.load, options.seed, _output(options.out))
    if options.command == "memory":
        return memory(options.jobs, options.seed, _output(options.out))
    if options.command == "matrix":
        return 1 if _run_matrix(options) else 0
    try:
        plan = sized(plan_named(options.plan), options.jobs)
    except LookupError as error:
        print(f"{error}; see --help", file=sys.stderr)
        return 2
    return 1 if any(_run_one(plan, options.seed + number, options) for number in range(options.seeds)) else 0


def _output(directory: Path | None) -> Path:
    """Return the given directory without what the workers of an earlier run have left, or a new one."""
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="sidelong-chaos-"))
    shutil.rmtree(directory / "workers", ignore_errors=True)
    return directory


def _run_matrix(options: argparse.Namespace) -> int:
    return run_matrix(
        with_pairs=options.pairs,
        seeds=range(options.seed, options.seed + options.seeds),
        jobs=options.jobs,
        at_once=options.at_once,
        keep=options.keep,
    )


def _run_one(plan: Plan, seed: int, options: argparse.Namespace) -> int:
    """Run once and return the exit status."""
    kept = options.keep / f"{plan.name}-{seed}" if options.keep else Path(tempfile.mkdtemp(prefix="sidelong-chaos-"))
    if kept.exists() and options.keep:
        shutil.rmtree(kept)
    print(f"plan {plan.name}, seed {seed}, {plan.jobs:,} jobs in {plan.seconds:.0f} s or more", flush=True)
    verdict = run(plan, seed, kept, broken=options.broken)
    status = _tell(verdict, kept, f"{plan.name} seed {seed}: ")
    if verdict.is_clean and not options.keep:
        shutil.rmtree(kept)
    return status


def _tell(verdict: Verdict, kept: Path, heading: str = "") -> int:
    for violation in verdict.violations[:_SHOWN]:
        print(f"{violation.invariant}: {violation.text}")
    if more := len(verdict.violations) - _SHOWN:
        print(f"and {more} more" if more > 0 else "", end="\n" if more > 0 else "")
    if not verdict.is_clean:
        print(f"ledger, logs and dump are kept in {kept}")
    print(f"{heading}{verdict.line()}", flush=True)
    return 0 if verdict.is_clean else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    plans = "\n".join(f"  {name}" for name in PLANS)
    faults = ", ".join(NEMESES)
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=(
            "Let faults strike while jobs run, and check that none is lost.\n\n"
            f"plans:\n{plans}\n  any fault, or several joined by '+', each with ':TIMES' if need be:\n  {faults}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a plan and check it")
    one.add_argument("--plan", default="smoke", metavar="NAME")
    one.add_argument("--jobs", type=int, metavar="N", help="how many are pushed; the plan's own number if not given")
    one.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed gives the same jobs and faults")
    one.add_argument("--seeds", type=int, default=1, metavar="N", help="run N times, with the seeds from S on")
    one.add_argument("--keep", type=Path, metavar="DIR", help="keep ledger, logs and dump there, whatever comes of it")
    one.add_argument("--broken", default="", metavar="NAME", help="break the workers on purpose; see broken.py")
    many = commands.add_parser("matrix", help="run every fault alone, or every two, with several seeds")
    many.add_argument("--pairs", action="store_true", help="every two faults that can meet, instead of each alone")
    many.add_argument("--seed", type=int, default=1, metavar="S", help="the first seed")
    many.add_argument("--seeds", type=int, default=3, metavar="N", help="how many")
    many.add_argument("--jobs", type=int, default=2000, metavar="N", help="of each run")
    many.add_argument("--at-once", type=int, default=1, metavar="N", help="runs at the same time")
    many.add_argument("--keep", type=Path, metavar="DIR", help="keep ledgers, logs and dumps there")
    often = commands.add_parser("starts", help="start and stop a worker again and again in one process")
    often.add_argument("--times", type=int, default=1000, metavar="N")
    steady = commands.add_parser("soak", help="run at a steady pace without a fault: nothing may grow")
    steady.add_argument("--minutes", type=float, default=30.0, metavar="N")
    steady.add_argument("--load", type=float, default=0.5, metavar="PART", help="of what the workers can do")
    steady.add_argument("--seed", type=int, default=1, metavar="S")
    steady.add_argument("--out", type=Path, metavar="DIR", help="gets samples, figures, logs and a plot")
    large = commands.add_parser("memory", help="run a million jobs, many with large frames: memory may not grow")
    large.add_argument("--jobs", type=int, default=1_000_000, metavar="N")
    large.add_argument("--seed", type=int, default=1, metavar="S")
    large.add_argument("--out", type=Path, metavar="DIR", help="gets samples, figures and the log")
    again = commands.add_parser("check", help="check once more what a run has left")
    again.add_argument("directory", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
