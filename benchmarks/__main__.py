"""The command line: which workloads, how long, and where the figures go."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import redis

from benchmarks.contestants import own_contestants
from benchmarks.peers import peer_contestants
from benchmarks.report import document, reference, table
from benchmarks.rounds import Result, play
from benchmarks.server import NoServerError, running_server
from benchmarks.workloads import WORKLOADS

_ROUNDS = 5


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit status is 1 if anything could not be measured."""
    options = _parse(words)
    # Before anything is measured, which is a load itself.
    load = os.getloadavg()[0]
    try:
        with running_server() as url:
            print(f"load average before: {load:.2f}", flush=True)
            results = _play_all(options, url)
            version = _redis_version(url)
    except NoServerError as error:
        print(f"nothing could be measured: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(document(results, version, load), indent=2) + "\n")
    return 1 if any(result.failures for result in results) else 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    about = "\n".join(f"  {each.name:<10}{each.about}" for each in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure Sidelong against a redis-server of its own.\n\nworkloads:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="which ones; all if none is given")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name begins with TEXT")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"runs of each contestant (default: {_ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round of few jobs: shows that it works, no more")
    parser.add_argument("--peers", action="store_true", help="other libraries as well; installs those that are missing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="another checkout, or its src: run in turn with this"
    )
    options = parser.parse_args(words)
    for name in options.workloads:
        if name not in WORKLOADS:
            parser.error(f"there is no workload {name!r}: {', '.join(WORKLOADS)}")
    if options.against is not None:
        sources = [path for path in (options.against / "src", options.against) if (path / "sidelong").is_dir()]
        if not sources:
            parser.error(f"{options.against} is no checkout: it has no sidelong in it")
        options.against = sources[0].resolve()
    return options


def _play_all(options: argparse.Namespace, url: str) -> list[Result]:
    rounds = options.rounds or (1 if options.quick else _ROUNDS)
    peers = peer_contestants() if options.peers else []
    results: list[Result] = []
    for workload in WORKLOADS.values():
        if options.workloads and workload.name not in options.workloads:
            continue
        rivals = own_contestants(workload, options.against)
        for case in workload.cases:
            if not case.name.startswith(options.case):
                continue
            most = workload.quick if options.quick else None
            all_rivals = rivals + peers if case.peer_jobs else rivals
            result = play(workload, case, all_rivals, url=url, most=most, rounds=rounds)
            results.append(result)
            print(table(result, reference(result, results)), flush=True)
    return results


def _redis_version(url: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return str(client.info("server")["redis_version"])


if __name__ == "__main__":
    sys.exit(main())
