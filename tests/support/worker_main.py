"""One worker process of a test: `python -m tests.support.worker_main --redis URL --ledger DIR ...`.

It is `sidelong run` on the jobs of `tests.support.jobs`, or on another target, with failpoints armed before
anything starts.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from tests.support import failpoints
from tests.support.ledger import Ledger
from tests.support.processes import LEDGER, SETTINGS, URL
from tests.support.timings import TEST_TIMINGS


def main(arguments: Sequence[str]) -> int:
    """Run the worker until it is stopped and return its exit status."""
    options = parse(arguments)
    set_surroundings(options)
    for spec in options.failpoint:
        failpoints.arm(spec, Ledger(options.ledger))

    from sidelong.cli.run import RunOptions, run

    return run(
        RunOptions(
            target=options.target,
            concurrency=options.concurrency,
            queues=options.queues.split(" ") if options.queues else (),
            timeout=options.timeout,
            redis=None,
            verbose=options.verbose,
        )
    )


def set_surroundings(options: argparse.Namespace) -> None:
    """Tell the target where Redis and the ledger are, and its settings."""
    settings: dict[str, Any] = dict(TEST_TIMINGS) if options.settings == "test" else {}
    settings |= dict(options.set)
    os.environ[URL] = options.redis
    os.environ[LEDGER] = options.ledger
    os.environ[SETTINGS] = json.dumps(settings)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="worker_main", description=__doc__)
    parser.add_argument("--redis", required=True, metavar="URL")
    parser.add_argument("--target", default="tests.support.worker_app:app")
    parser.add_argument("--ledger", required=True, metavar="DIR")
    parser.add_argument("--concurrency", type=int, metavar="N")
    parser.add_argument("--queues", metavar='"NAME[,WEIGHT] ..."', help="parted by spaces")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("--settings", choices=["test", "default"], default="test")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=JSON", help="a field of Config"
    )
    parser.add_argument("--failpoint", action="append", default=[], metavar="NAME[:n]")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(arguments)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
