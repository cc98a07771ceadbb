"""What can be asked of the chaos program."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.broken import BREAKAGES
from tests.chaos.nemeses import NEMESES
from tests.chaos.plans import PLANS

_ABOUT = """Let faults strike while jobs run, and check that none is lost.

plans:
{plans}
  any fault, or several joined by '+', each with ':TIMES' if need be:
{faults}
"""


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line; `command` is what is to be done."""
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=_ABOUT.format(plans=_listed(PLANS), faults=_listed(NEMESES)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run a plan and check it"))
    _add_matrix(commands.add_parser("matrix", help="run every fault alone, or every two, with several seeds"))
    starts = commands.add_parser("starts", help="start and stop a worker again and again in one process")
    starts.add_argument("--times", type=_count, default=1000, metavar="N")
    soak = commands.add_parser("soak", help="run at a steady pace without a fault: nothing may grow")
    soak.add_argument("--minutes", type=float, default=30.0, metavar="N")
    soak.add_argument("--load", type=float, default=0.5, metavar="PART", help="of what the workers can do")
    _add_seed_and_out(soak, "gets samples, figures, logs and a plot")
    memory = commands.add_parser("memory", help="run many jobs, some with large frames: memory may not grow")
    memory.add_argument("--jobs", type=_count, default=1_000_000, metavar="N")
    _add_seed_and_out(memory, "gets samples, figures and the log")
    check = commands.add_parser("check", help="check once more what a run has left")
    check.add_argument("directory", type=Path)
    for each in commands.choices.values():
        each.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return made


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plan", default="smoke", metavar="NAME", help="which one (default: smoke)")
    command.add_argument(
        "--jobs", type=_count, metavar="N", help="how many are pushed; the plan's own number if not given"
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="S", help="the same seed gives the same jobs and faults"
    )
    command.add_argument("--seeds", type=_count, default=1, metavar="N", help="run N times, with the seeds from S on")
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep ledger, logs and dump there in any case")
    command.add_argument("--broken", default="", choices=["", *BREAKAGES], metavar="NAME", help=_broken())


def _add_matrix(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pairs", action="store_true", help="every two faults that can meet, instead of each alone")
    command.add_argument("--seed", type=int, default=1, metavar="S", help="the first seed")
    command.add_argument("--seeds", type=_count, default=3, metavar="N", help="how many")
    command.add_argument("--jobs", type=_count, default=2000, metavar="N", help="of each run")
    command.add_argument("--at-once", type=_count, default=1, metavar="N", help="runs at the same time")
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep ledgers, logs and dumps there")


def _add_seed_and_out(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--seed", type=int, default=1, metavar="S")
    command.add_argument("--out", type=Path, metavar="DIR", help=what)


def _broken() -> str:
    return f"break the workers on purpose: {', '.join(BREAKAGES)}"


def _listed(names: Iterable[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 96:
            lines.append("")
        lines[-1] += f"  {name}"
    return "\n".join(lines)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return number
