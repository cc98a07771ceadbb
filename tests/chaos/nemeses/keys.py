"""Something happens to single keys: a string stands where jobs are to be kept for later, or leases are gone."""

import random

from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site

_SETS = ("retry", "dead")
_KEPT = "chaos:kept-"
_SWAP = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return redis.call('SET', KEYS[1], 'wrong')
"""
_RESTORE = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) end
return 1
"""


def wrong_sets(site: Site, chance: random.Random) -> None:
    """Put strings in the places of the retry and the dead set for a while, whether there are any or not."""
    with site.redis_lock, site.client() as client:
        for key in _SETS:
            client.eval(_SWAP, 2, key, _KEPT + key)
        site.wait(chance.uniform(0.5, 1.5))
        for key in _SETS:
            client.eval(_RESTORE, 2, key, _KEPT + key)


def lose_leases(site: Site, chance: random.Random) -> None:
    """Delete every lease; the next beats write them again."""
    with site.redis_lock, site.client() as client:
        if leases := list(client.scan_iter("sidelong:lease:*", count=1000)):
            client.delete(*leases)


NEMESES = (
    Nemesis(name="wrong-set", strike=wrong_sets, times=5, lasts=1.5),
    Nemesis(name="lost-leases", strike=lose_leases, times=10, lasts=0.1),
)
