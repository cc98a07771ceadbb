"""A process that pushes jobs: one by one, many at once, and in bulk, at a steady pace.

`python -m tests.chaos.producer --redis URL --ledger DIR --mix NAME --count N --seed S --seconds T`
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

from sidelong import Sidelong
from tests.chaos import broken, jobs, mix
from tests.chaos.mix import Planned
from tests.chaos.orphans import die_with_parent
from tests.chaos.pushes import bulks, push_bulk_until_known, push_until_known
from tests.support.ledger import Ledger

_PORTION = 50
"""Jobs in a portion at most."""
_PORTIONS_A_SECOND = 10
"""At least so many, where jobs come slowly: what lasts for half a second must meet some."""
_AT_ONCE = 20
"""Portions that may be under way at the same time: those that come later wait, as a web app's requests do."""

Portion = Callable[[], Awaitable[None]]


def main(arguments: Sequence[str]) -> int:
    """Push everything and return the exit status."""
    parser = argparse.ArgumentParser(prog="producer")
    parser.add_argument("--redis", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--mix", required=True, choices=MIXES)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--broken", default="")
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args(arguments)
    die_with_parent(options.parent)
    broken.break_by(options.broken)
    asyncio.run(_produce(options))
    return 0


MIXES = {
    "everything": mix.EVERYTHING,
    "steered": mix.STEERED,
    "quick": mix.QUICK,
    "steady": mix.STEADY,
    "long": mix.LONG,
    "stepped": mix.STEPPED,
}


async def _produce(options: argparse.Namespace) -> None:
    chance = random.Random(options.seed)
    ledger = Ledger(options.ledger)
    planned = list(MIXES[options.mix].draw(chance, options.count))
    async with jobs.build(options.redis, options.ledger) as app:
        size = max(1, min(_PORTION, int(options.count / options.seconds / _PORTIONS_A_SECOND)))
        portions = list(_portions(app, ledger, planned, size, chance))
        began = asyncio.get_running_loop().time()
        allowed = asyncio.Semaphore(_AT_ONCE)

        async def push(number: int, portion: Portion) -> None:
            await asyncio.sleep(began + options.seconds * number / len(portions) - asyncio.get_running_loop().time())
            async with allowed:
                await portion()

        async with asyncio.TaskGroup() as group:
            for number, portion in enumerate(portions):
                group.create_task(push(number, portion))


def _portions(
    app: Sidelong, ledger: Ledger, planned: list[Planned], size: int, chance: random.Random
) -> Iterator[Portion]:
    """Part the jobs into portions, each pushed in one of three ways."""

    async def one_by_one(portion: list[Planned]) -> None:
        for each in portion:
            await push_until_known(app, ledger, each)

    async def at_once(portion: list[Planned]) -> None:
        await asyncio.gather(*(push_until_known(app, ledger, each) for each in portion))

    async def in_bulk(portion: list[Planned]) -> None:
        for together in bulks(portion):
            if len(together) == 1:
                await one_by_one(together)
            else:
                await push_bulk_until_known(app, ledger, together)

    for first in range(0, len(planned), size):
        way = chance.choice((one_by_one, at_once, in_bulk))
        yield lambda way=way, portion=planned[first : first + size]: way(portion)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
