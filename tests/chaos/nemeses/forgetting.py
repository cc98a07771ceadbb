"""A load balancer forgets the connections of an idle worker, and then there is work."""

import random

from sidelong.core.config import Config
from tests.chaos.mix import QUEUES, Course, Planned
from tests.chaos.needs import PROXIES
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site
from tests.support.eventually import eventually_sync

_ANSWER_TIMEOUT = Config().answer_timeout
_POLLS_AGAIN_WITHIN = 2.0
_PORTION = 4


def forget(site: Site, chance: random.Random) -> None:
    """Strand the connections of a worker while all wait for jobs, and push some to each queue behind its back."""
    slot = site.fleet.any(chance, linked=True)
    assert slot.link is not None
    with site.using(slot.link), site.client() as client:
        # A wait for each queue of each worker: nobody is busy.
        everyone = len(QUEUES) * len(site.fleet.slots)
        eventually_sync(lambda: client.info("clients")["blocked_clients"] >= everyone, 30)
        slot.strand(0.0)
        for queue in QUEUES * _PORTION:
            site.push(Planned("quick", (), Course(), queue))
        # A worker that stops meanwhile cannot leave in order.
        given_up_after = site.setting.overrides.get("answer_timeout", _ANSWER_TIMEOUT)
        assert isinstance(given_up_after, float)
        site.wait(given_up_after + _POLLS_AGAIN_WITHIN)


NEMESES = (Nemesis(name="forget", strike=forget, times=3, lasts=3.0, needs=PROXIES),)
