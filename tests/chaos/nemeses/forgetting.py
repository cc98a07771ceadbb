"""A load balancer forgets the connections of an idle worker, and then there is work."""

import json
import random

from sidelong.core.config import Config
from tests.chaos.events import PUSH, PUSHED, words
from tests.chaos.mix import QUEUES, Course
from tests.chaos.nemesis import PROXIES, Nemesis
from tests.chaos.site import Site
from tests.support import seeding
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
            _push(site, queue)
        # A worker that stops meanwhile cannot leave in order.
        given_up_after = site.setting.overrides.get("answer_timeout", _ANSWER_TIMEOUT)
        assert isinstance(given_up_after, float)
        site.wait(given_up_after + _POLLS_AGAIN_WITHIN)


def _push(site: Site, queue: str) -> None:
    raw = seeding.payload("quick", queue=queue)
    jid, course = json.loads(raw)["jid"], Course()
    site.ledger.write(PUSH, jid, words(job="quick", acks=course.acks, fails=course.fails, ends=course.ends))
    with site.client() as client:
        seeding.push(client, raw)
    site.ledger.write(PUSHED, jid)


NEMESES = (Nemesis(name="forget", strike=forget, times=3, lasts=3.0, needs=PROXIES),)
