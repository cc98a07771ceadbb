"""Faults of the network between workers, producers and Redis."""

import random
from collections.abc import Callable

from tests.chaos.needs import PROXIES
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site
from tests.support.proxy import Direction, Proxy
from tests.support.timings import TEST_TIMINGS

_SILENT_FOR = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + 2.0
_GIVEN_UP_AFTER = 12.0
"""A parked wait of three queues may be silent for three times three seconds."""
_PATIENCE = 1.5

_LOSSES: tuple[Callable[[Proxy, random.Random], None], ...] = (
    lambda link, chance: link.drop_reply_to(chance.choice((b"EVALSHA", b"BLMOVE", b"LPUSH"))),
    lambda link, chance: link.cut_after_replies(1, 40),
    lambda link, chance: link.cut_after_request_bytes(chance.randrange(1, 3000)),
    lambda link, chance: link.cut_after_reply_bytes(1, 3000),
    lambda link, chance: link.reset_share(0.05),
)


def cut(site: Site, chance: random.Random) -> None:
    """Cut one or more connections of a link, with replies or half requests lost on the way."""
    link = chance.choice(site.links)
    with site.using(link):
        chance.choice(_LOSSES)(link, chance)
        if not site.wait_for_cut(link, _PATIENCE):
            # Nothing that would be cut so is sent: the next reply will do.
            link.cut_after_replies(1, 1)
            site.wait_for_cut(link, _PATIENCE)
        link.heal()


def reset(site: Site, chance: random.Random) -> None:
    """Reset every connection of a link, and refuse new ones for a moment."""
    link = chance.choice(site.links)
    with site.using(link):
        link.refuse()
        link.close_all()
        site.wait(chance.uniform(0.0, 1.0))
        link.heal()


def blackhole(site: Site, chance: random.Random) -> None:
    """Let a worker's link go silent, one way or both, for less than a lease or for longer than a lease and a grace."""
    slot = site.busy(chance, linked=True)
    assert slot.link is not None
    directions: tuple[Direction, ...] = ("both", "replies", "requests")
    with site.using(slot.link):
        slot.cut_off(chance.choice((1.0, _SILENT_FOR)), chance.choice(directions))


def strand(site: Site, chance: random.Random) -> None:
    """Forget every open connection of a worker's link, as a load balancer does: silence, and no end."""
    slot = site.fleet.any(chance, linked=True)
    assert slot.link is not None
    with site.using(slot.link):
        slot.strand(_GIVEN_UP_AFTER)


def latency(site: Site, chance: random.Random) -> None:
    """Deliver everything late, and reset a connection now and then."""
    link = chance.choice(site.links)
    with site.using(link):
        link.delay(chance.uniform(0.01, 0.3))
        link.reset_share(0.02)
        site.wait(3.0)
        link.heal()


def bandwidth(site: Site, chance: random.Random) -> None:
    """Let little through."""
    link = chance.choice(site.links)
    with site.using(link):
        link.limit_bandwidth(chance.randrange(20_000, 200_000))
        site.wait(3.0)
        link.heal()


NEMESES = (
    Nemesis(name="cut", strike=cut, times=20, needs=PROXIES),
    Nemesis(name="reset", strike=reset, times=8, lasts=1.0, needs=PROXIES),
    Nemesis(name="blackhole", strike=blackhole, times=4, lasts=_SILENT_FOR, needs=PROXIES, kills=True),
    Nemesis(name="strand", strike=strand, times=3, lasts=_GIVEN_UP_AFTER, needs=PROXIES, kills=True),
    Nemesis(name="latency", strike=latency, times=5, lasts=3.0, needs=PROXIES),
    Nemesis(name="bandwidth", strike=bandwidth, times=5, lasts=3.0, needs=PROXIES),
)
