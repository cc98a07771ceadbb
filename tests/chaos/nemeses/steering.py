"""What an operator does to jobs and queues: calls jobs off, and pauses queues."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

import redis

from sidelong import Sidelong
from sidelong.api import Queue
from sidelong.errors import StoreError
from tests.chaos.events import CALLED_OFF, CALLING_OFF, HELD, PAUSED, UNPAUSING, words
from tests.chaos.mix import QUEUES
from tests.chaos.nemesis import Nemesis
from tests.chaos.observers import jid_of
from tests.chaos.site import Site
from tests.support import seeding

_FROM_EACH_PLACE = 2
_KNOWN_WITHIN = 2.0
"""Seconds after which no worker may fetch from a paused queue."""
_TRY_AGAIN_AFTER = 0.2


def cancel(site: Site, chance: random.Random) -> None:
    """Call off some jobs that run, wait, or are for later."""
    app = Sidelong(site.url)
    with closing(app.sync):
        for jid in _chosen(site, chance):
            site.ledger.write(CALLING_OFF, jid)
            try:
                result = app.sync.cancel(jid)
            except StoreError:
                site.ledger.write(CALLED_OFF, jid, words(how="unknown"))
            else:
                site.ledger.write(CALLED_OFF, jid, words(how=result.outcome, where=result.where or "-"))


def _chosen(site: Site, chance: random.Random) -> list[str]:
    """Return the jids of a few jobs from each kind of place."""
    found: list[str] = []
    with suppress(redis.RedisError), site.client() as client:
        for raws in _places(client):
            jids = [jid for raw in raws if (jid := jid_of(raw))]
            found += chance.sample(jids, min(_FROM_EACH_PLACE, len(jids)))
    chance.shuffle(found)
    return list(dict.fromkeys(found))


def _places(client: redis.Redis) -> Iterator[Sequence[bytes]]:
    # What a fault has put into the place of a list or set is passed over.
    yield [raw for raws in seeding.in_flight(client).values() for raw in raws]
    for name in QUEUES:
        with suppress(redis.ResponseError):
            yield client.lrange(f"queue:{name}", 0, -1)
    for name in ("schedule", "retry"):
        with suppress(redis.ResponseError):
            yield client.zrange(name, 0, -1)


def pause(site: Site, chance: random.Random) -> None:
    """Pause a queue for a while, by the API or as other programs do."""
    name, through_api = chance.choice(QUEUES), chance.random() < 0.5
    app = Sidelong(site.url)
    with closing(app.sync):
        try:
            if through_api:
                app.sync.run(Queue(app, name).pause)
            else:
                with site.client() as client:
                    client.sadd("paused", name)
            paused_at = time.monotonic()
            site.ledger.write(PAUSED, extra=words(queue=name))
            site.wait(_KNOWN_WITHIN)
            with site.client() as client:
                if time.monotonic() - paused_at >= _KNOWN_WITHIN:
                    for jid in filter(None, map(jid_of, client.lrange(f"queue:{name}", 0, -1))):
                        site.ledger.write(HELD, jid, words(queue=name))
            site.wait(chance.uniform(0.5, 2.0))
        except (StoreError, redis.RedisError):
            # Another fault was faster; that the pause ends is seen to all the same.
            pass
        finally:
            site.ledger.write(UNPAUSING, extra=words(queue=name))
            _end_pause(site, app, name)


def _end_pause(site: Site, app: Sidelong, name: str) -> None:
    while True:
        try:
            app.sync.run(Queue(app, name).unpause)
        except StoreError:
            site.wait(_TRY_AGAIN_AFTER)
        else:
            return


NEMESES = (
    Nemesis(name="cancel", strike=cancel, times=10, lasts=1.0),
    Nemesis(name="pause", strike=pause, times=3, lasts=4.0),
)
