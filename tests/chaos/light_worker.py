"""One worker process of a long run: `python -m tests.chaos.light_worker --parent PID --redis URL ...`.

It is `tests.support.worker_main` that ends with its parent; what Redis answers it is told to no ledger.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.chaos.orphans import die_with_parent
from tests.support import worker_main


def main(arguments: Sequence[str]) -> int:
    """Run the worker until it is stopped and return its exit status."""
    parser = argparse.ArgumentParser(prog="light_worker", add_help=False)
    parser.add_argument("--parent", type=int, required=True, metavar="PID", help="end with this process")
    chosen, rest = parser.parse_known_args(arguments)
    die_with_parent(chosen.parent)
    return worker_main.main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
