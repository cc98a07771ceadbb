"""A process that pushes jobs at a steady rate, or so many that workers always find some.

`python -m tests.chaos.steady --redis URL --seed S --seconds T --told FILE [--rate R | --backlog N]`
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import redis

from sidelong import Sidelong
from tests.chaos import light, mix
from tests.chaos.mix import QUEUES, Planned
from tests.chaos.orphans import die_with_parent
from tests.chaos.pushes import bulk_of, bulks, item_of

_TICK = 0.05
_PORTION = 500


def main(arguments: Sequence[str]) -> int:
    """Push until the time is over and return the exit status."""
    parser = argparse.ArgumentParser(prog="steady")
    parser.add_argument("--redis", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--told", type=Path, required=True, metavar="FILE", help="gets what the jobs should come to")
    parser.add_argument("--rate", type=float, default=0.0, help="jobs a second")
    parser.add_argument("--backlog", type=int, default=0, help="how many jobs always wait, whatever the rate")
    parser.add_argument("--parent", type=int, metavar="PID", help="end with this process")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        die_with_parent(options.parent)
    options.told.write_text(json.dumps(asyncio.run(_produce(options))))
    return 0


async def _produce(options: argparse.Namespace) -> dict[str, int]:
    """Return how many jobs were pushed, and how often they should count as processed and as failed."""
    chance = random.Random(options.seed)
    told = {"jobs": 0, "processed": 0, "failed": 0}
    with redis.Redis.from_url(options.redis) as client:
        async with light.build(options.redis, str(options.told.parent)) as app:
            now = asyncio.get_running_loop().time
            began = now()
            while (elapsed := now() - began) < options.seconds:
                if options.backlog:
                    count = _PORTION if _waiting(client) < options.backlog else 0
                else:
                    count = round(options.rate * elapsed) - told["jobs"]
                planned = list(mix.EVERYTHING.draw(chance, count))
                await _push_portion(app, planned, is_bulk=chance.random() < 0.5)
                told["jobs"] += count
                told["processed"] += sum(map(_processed, planned))
                told["failed"] += sum(each.course.fails for each in planned)
                await asyncio.sleep(_TICK - (now() - began) % _TICK)
    return told


def _waiting(client: redis.Redis) -> int:
    return sum(client.llen(f"queue:{name}") for name in QUEUES)


async def _push_portion(app: Sidelong, planned: Sequence[Planned], *, is_bulk: bool) -> None:
    """Push equal jobs together, or each by itself as the requests of a web app do."""
    groups = bulks(planned) if is_bulk else ([each] for each in planned)
    await asyncio.gather(*(_push(app, group) for group in groups))


async def _push(app: Sidelong, group: Sequence[Planned]) -> None:
    if len(group) == 1:
        await app.client.push(item_of(app, group[0]))
    else:
        await app.client.push_bulk(bulk_of(app, group))


def _processed(planned: Planned) -> int:
    # The child of such a job is one more.
    return planned.course.acks + (planned.job == "spawn")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
