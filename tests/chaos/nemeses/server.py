"""Faults of Redis itself: frozen, restarted, killed, full, refusing, replaced."""

import random

from tests.chaos.events import REDIS_DIED, words
from tests.chaos.needs import APPENDONLY, SENTINELS
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site
from tests.support.eventually import eventually_sync
from tests.support.timings import TEST_TIMINGS

STANDSTILL = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + 1.0
"""For so long that every lease runs out and every grace is over."""
OUTAGE = 600.0
_ELECTED_WITHIN = 40.0


def freeze(site: Site, chance: random.Random) -> None:
    """Freeze Redis for longer than every lease and grace."""
    with site.redis_away():
        site.server.pause()
        site.wait(STANDSTILL)
        site.server.resume()


def restart(site: Site, chance: random.Random) -> None:
    """Restart Redis in good order, after a time of absence."""
    with site.redis_away():
        site.server.stop(save=True)
        site.wait(chance.choice((0.0, 2.0, STANDSTILL)))
        site.server.start()


def stay_away(site: Site, chance: random.Random) -> None:
    """Let Redis be down for ten minutes."""
    with site.redis_away():
        site.server.stop(save=True)
        site.wait(OUTAGE)
        site.server.start()


def kill(site: Site, chance: random.Random) -> None:
    """Kill Redis, and start it again on what its append-only file holds."""
    with site.redis_away():
        keeps = "all" if site.setting.appendonly == "always" else "second"
        site.ledger.write(REDIS_DIED, extra=words(keeps=keeps))
        site.server.stop(kill=True)
        site.wait(chance.choice((0.0, 2.0)))
        site.server.start()


def fill(site: Site, chance: random.Random) -> None:
    """Let Redis be full: whatever needs memory is refused."""
    with site.redis_lock, site.client() as client:
        client.config_set("maxmemory", 1)
        site.wait(4.0)
        client.config_set("maxmemory", 0)


def want_replicas(site: Site, chance: random.Random) -> None:
    """Let Redis refuse to write for want of replicas, for longer than every lease and grace."""
    with site.redis_away(), site.client() as client:
        client.config_set("min-replicas-to-write", 1)
        site.wait(STANDSTILL)
        client.config_set("min-replicas-to-write", 0)


def fail_over(site: Site, chance: random.Random) -> None:
    """Kill the master; once another is elected and at work, start the old one again as its replica."""
    trio = site.trio
    assert trio is not None
    with site.redis_lock:
        old = trio.master
        site.ledger.write(REDIS_DIED, extra=words(keeps="replica"))
        with site.telling_of_absence():
            old.stop(kill=True)
            eventually_sync(lambda: trio.has_new_master(old), _ELECTED_WITHIN)
        site.tell_of_resumption()
        old.start()
        eventually_sync(trio.is_whole, _ELECTED_WITHIN)


NEMESES = (
    Nemesis(name="redis-freeze", strike=freeze, times=2, lasts=STANDSTILL + 3),
    Nemesis(name="redis-restart", strike=restart, times=3, lasts=6.0),
    Nemesis(name="redis-outage", strike=stay_away, times=1, lasts=OUTAGE),
    Nemesis(name="redis-kill", strike=kill, times=4, lasts=2.0, needs=APPENDONLY),
    Nemesis(name="oom", strike=fill, times=3, lasts=4.0),
    Nemesis(name="noreplicas", strike=want_replicas, times=2, lasts=STANDSTILL + 3),
    Nemesis(name="failover", strike=fail_over, times=2, lasts=15.0, needs=SENTINELS),
)
