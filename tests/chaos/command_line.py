"""What can be asked of the chaos program."""

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.chaos.broken import BREAKAGES
from tests.chaos.memory import LEAST_JOBS
from tests.chaos.nemeses import NEMESES
from tests.chaos.plans import PLANS
from tests.chaos.soak import LEAST_MINUTES

_WIDTH = 96
_PLANS = """plans, with how long jobs are pushed; starting and coming to rest take some more:
{plans}
  any fault, or several joined by '+', each with ':TIMES' if need be:
{faults}
"""
_STATUSES = """exit status: 0 all held, 1 an invariant did not hold, 2 nothing could be run, 3 a run came to no end,
130 or 143 it was stopped by Ctrl-C or SIGTERM
"""
_REPLACED = "an earlier run that is there and has ended is replaced"


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line; `command` is what is to be done."""
    plans = _PLANS.format(plans=_listed(map(_lasting, PLANS)), faults=_listed(NEMESES))
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=f"Let faults strike while jobs run, and check that none is lost.\n\n{plans}",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(
        commands.add_parser(
            "run",
            help="run a plan and check it",
            description=f"Run a plan and check it.\n\n{plans}",
            epilog=_STATUSES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _add_matrix(commands.add_parser("matrix", help="run every fault alone, or every two, with several seeds"))
    starts = commands.add_parser("starts", help="start and stop a worker again and again in one process")
    starts.add_argument("--times", type=_at_least(1), default=1000, metavar="N", help="how often (default: 1000)")
    soak = commands.add_parser("soak", help="run at a steady pace without a fault: nothing may grow")
    soak.add_argument("--minutes", type=_minutes, default=30.0, metavar="N", help="how long (default: 30)")
    soak.add_argument(
        "--load", type=_part, default=0.5, metavar="PART", help="of what the workers can do (default: 0.5)"
    )
    _add_seed_and_out(soak, "gets samples, figures, logs and a plot")
    memory = commands.add_parser("memory", help="run many jobs, some with large frames: memory may not grow")
    memory.add_argument(
        "--jobs", type=_at_least(LEAST_JOBS), default=1_000_000, metavar="N", help="how many (default: 1000000)"
    )
    _add_seed_and_out(memory, "gets samples, figures and the log")
    check = commands.add_parser("check", help="check once more what a run has left")
    check.add_argument("directory", type=Path, metavar="DIR", help="what the run has said it is kept in")
    for each in commands.choices.values():
        each.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return made


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plan", default="smoke", metavar="NAME", help="which one (default: smoke)")
    command.add_argument(
        "--jobs", type=_at_least(1), metavar="N", help="how many are pushed; the plan's own number if not given"
    )
    command.add_argument(
        "--seed", type=_whole, default=1, metavar="S", help="the same seed gives the same jobs and faults"
    )
    command.add_argument(
        "--seeds", type=_at_least(1), default=1, metavar="N", help="run N times, with the seeds from S on"
    )
    command.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help=f"keep ledger, logs and dump in DIR/NAME-S, however it ends; {_REPLACED}",
    )
    command.add_argument("--broken", default="", choices=["", *BREAKAGES], metavar="NAME", help=_broken())


def _add_matrix(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pairs", action="store_true", help="every two faults that can meet, instead of each alone")
    command.add_argument("--seed", type=_whole, default=1, metavar="S", help="the first seed")
    command.add_argument("--seeds", type=_at_least(1), default=3, metavar="N", help="how many (default: 3)")
    command.add_argument("--jobs", type=_at_least(1), default=2000, metavar="N", help="of each run (default: 2000)")
    command.add_argument("--at-once", type=_at_least(1), default=1, metavar="N", help="runs at the same time")
    command.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help=f"keep ledgers, logs and dumps in DIR, one directory each; {_REPLACED}",
    )


def _add_seed_and_out(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--seed", type=_whole, default=1, metavar="S", help="draws the jobs")
    command.add_argument("--out", type=Path, metavar="DIR", help=f"{what}; {_REPLACED}")


def _broken() -> str:
    return f"break the workers on purpose: {', '.join(BREAKAGES)}"


def _lasting(name: str) -> str:
    return f"{name} ({lasting(PLANS[name].seconds)})"


def lasting(seconds: float) -> str:
    """Return how long something takes, as people say it."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _listed(names: Iterable[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _WIDTH:
            lines.append("")
        lines[-1] += f"  {name}"
    return "\n".join(lines)


# Values.


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _whole(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{text} is too few: it must be {least} or more")
        return number

    return read


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _minutes(text: str) -> float:
    number = _number(text)
    if number < LEAST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text} is too few: in less than {LEAST_MINUTES:g} there are no samples")
    return number


def _part(text: str) -> float:
    number = _number(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no part: it must be more than 0, and 1 at most")
    return number
