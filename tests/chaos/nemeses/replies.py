"""The reply to one sort of command is lost: Redis has acted on it, and whoever sent it cannot know."""

import random
import re
import time
from collections.abc import Callable

from sidelong.store import keys
from tests.chaos.mix import QUEUES, Course, Planned
from tests.chaos.needs import PROXIES
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site
from tests.support.proxy import Proxy

_PUSHES = re.compile(rb"^LPUSH ")
_SETTLES = re.compile(rb" stat:processed .* %d [1-9]" % keys.DAILY_TTL)
"""The turn script, where it is given something to settle; a heartbeat names the counters of a day only."""
_TAKES = re.compile(rb"^BLMOVE ")
_PATIENCE = 3.0
_PORTION_EVERY = 0.2


def _lose(pattern: re.Pattern[bytes], choose: Callable[[Site, random.Random], Proxy]) -> Callable[..., None]:
    def strike(site: Site, chance: random.Random) -> None:
        link = choose(site, chance)
        with site.using(link):
            link.drop_reply_to(pattern)
            ends_at = time.monotonic() + _PATIENCE
            while not site.wait_for_cut(link, _PORTION_EVERY) and time.monotonic() < ends_at:
                # Where the run has nothing more to do, there is nothing to lose a reply to.
                for queue in QUEUES:
                    site.push(Planned("quick", (), Course(), queue))
            link.heal()

    return strike


def _of_a_worker(site: Site, chance: random.Random) -> Proxy:
    link = site.fleet.any(chance, linked=True).link
    assert link is not None
    return link


def _of_the_producer(site: Site, chance: random.Random) -> Proxy:
    return site.links[-1]


NEMESES = (
    Nemesis(name="lost-push", strike=_lose(_PUSHES, _of_the_producer), times=5, lasts=0.2, needs=PROXIES),
    Nemesis(name="lost-settle", strike=_lose(_SETTLES, _of_a_worker), times=8, lasts=0.2, needs=PROXIES),
    Nemesis(name="lost-take", strike=_lose(_TAKES, _of_a_worker), times=8, lasts=0.2, needs=PROXIES),
)
