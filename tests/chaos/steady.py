"""A process that pushes jobs at a steady rate, or so many that workers always find some.

`python -m tests.chaos.steady --redis URL --seed S --seconds T --told FILE [--rate R | --backlog N]`
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import redis

from sidelong import Sidelong
from tests.chaos import light, mix
from tests.chaos.mix import QUEUES, Planned

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
    options = parser.parse_args(arguments)
    options.told.write_text(json.dumps(asyncio.run(_push(options))))
    return 0


async def _push(options: argparse.Namespace) -> dict[str, int]:
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
    if not is_bulk:
        await asyncio.gather(*(_push_one(app, each) for each in planned))
        return
    for _, alike in groupby(sorted(planned, key=_likeness), key=_likeness):
        first, *others = alike
        if first.delay or not others:
            await asyncio.gather(*(_push_one(app, each) for each in (first, *others)))
        else:
            args = [list(each.args) for each in (first, *others)]
            await app.client.push_bulk({"class": app.registry.get(first.job), "args": args, "queue": first.queue})


async def _push_one(app: Sidelong, planned: Planned) -> None:
    due = {"at": app.client.clock.now() + planned.delay} if planned.delay else {}
    await app.client.push(
        {"class": app.registry.get(planned.job), "args": list(planned.args), "queue": planned.queue, **due}
    )


def _likeness(planned: Planned) -> tuple[str, str, bool]:
    return planned.job, planned.queue, planned.delay > 0


def _processed(planned: Planned) -> int:
    # The child of such a job is one more.
    return planned.course.acks + (planned.job == "spawn")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
