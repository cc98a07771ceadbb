"""One worker process of a run: `python -m tests.chaos.worker --redis URL --ledger DIR ...`.

It is `tests.support.worker_main`, or a worker inside a web server, that tells the ledger what Redis answers it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import broken, clock
from tests.chaos.observers import observe
from tests.chaos.orphans import die_with_parent
from tests.support import failpoints, worker_main
from tests.support.ledger import Ledger


def main(arguments: Sequence[str]) -> int:
    """Run the worker until it is stopped and return its exit status."""
    parser = argparse.ArgumentParser(prog="worker", add_help=False)
    parser.add_argument("--broken", default="", metavar="NAME", help="a fault of the worker, for the checker to find")
    parser.add_argument("--clock", type=Path, metavar="FILE", help="how many seconds its clock is ahead")
    parser.add_argument("--embedded", action="store_true", help="inside a host program")
    parser.add_argument("--parent", type=int, metavar="PID", help="end with this process")
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.parent is not None:
        die_with_parent(chosen.parent)
    if chosen.clock is not None:
        clock.follow(chosen.clock)
    options = worker_main.parse(rest)
    broken.break_by(chosen.broken)
    observe(Ledger(options.ledger))
    if not chosen.embedded:
        return worker_main.main(rest)
    worker_main.set_surroundings(options)
    for spec in options.failpoint:
        failpoints.arm(spec, Ledger(options.ledger))

    from tests.chaos.embedded_host import serve

    queues = options.queues.split(" ") if options.queues else []
    return serve(concurrency=options.concurrency, queues=queues, timeout=options.timeout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
