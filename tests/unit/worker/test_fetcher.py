from collections import defaultdict

import pytest

from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.errors import Refused
from sidelong.worker.fetcher import Fetcher
from sidelong.worker.outage import Outage


class Link:
    """Counts as a link does; nothing is sent."""

    def __init__(self):
        self.sent = self.finished = self.cuts = 0


class Queues:
    """The private lists of one capsule."""

    def __init__(self, *names):
        self.names = names
        self.lists = defaultdict(list)
        self.refused = set()

    async def sizes(self, link):
        return [Refused("WRONGTYPE") if place in self.refused else len(self.lists[place]) for place in self._places()]

    async def entries(self, link, place):
        return list(self.lists[place])

    def _places(self):
        return range(len(self.names))


class Bench:
    def __init__(self, *names):
        self.queues = Queues(*names)
        self.turns = Link()
        self.parks = [Link() for _ in names]
        self.memory = []
        self.fetcher = Fetcher(
            config=Config(redis_url="memory://"),
            queues=self.queues,
            turns=self.turns,
            parks=self.parks,
            control=Link(),
            outage=Outage("memory", lambda: 0.0),
            arrived=lambda arrival: None,
            poked=lambda: None,
        )

    def run(self, raw, place=0):
        self.memory.append(Delivery(raw, place, self.queues.names[place]))

    async def audit(self):
        return await self.fetcher.audit(lambda: self.memory)


async def test_what_is_in_memory_is_no_orphan():
    bench = Bench("default")
    bench.queues.lists[0] = [b"a", b"b"]
    bench.run(b"a")
    bench.run(b"b")

    assert [await bench.audit() for _ in range(3)] == [[], [], []]


async def test_an_orphan_is_found_at_the_second_look():
    bench = Bench("default", "low")
    bench.queues.lists[1] = [b"lost", b"held"]
    bench.run(b"held", 1)

    assert await bench.audit() == []
    assert await bench.audit() == [(1, b"lost")]


async def test_a_reply_that_may_still_come_makes_no_orphan():
    bench = Bench("default")
    bench.queues.lists[0] = [b"lost"]
    bench.parks[0].sent = 1

    looks = [await bench.audit() for _ in range(3)]
    bench.parks[0].finished = 1

    assert looks == [[], [], []]
    assert await bench.audit() == [(0, b"lost")]


async def test_commands_sent_after_the_first_look_do_not_matter():
    bench = Bench("default")
    bench.queues.lists[0] = [b"lost"]
    await bench.audit()

    bench.turns.sent = 1

    assert await bench.audit() == [(0, b"lost")]


async def test_equal_payloads_are_compared_by_count():
    bench = Bench("default")
    bench.queues.lists[0] = [b"twin", b"twin", b"twin"]
    bench.run(b"twin")

    await bench.audit()

    assert await bench.audit() == [(0, b"twin"), (0, b"twin")]


async def test_a_payload_that_arrived_between_two_looks_is_no_orphan():
    bench = Bench("default")
    bench.queues.lists[0] = [b"late"]
    await bench.audit()

    bench.run(b"late")

    assert await bench.audit() == []


async def test_a_list_that_cannot_be_read_hides_no_other():
    bench = Bench("default", "low")
    bench.queues.refused = {0}
    bench.queues.lists[1] = [b"lost"]

    await bench.audit()

    assert await bench.audit() == [(1, b"lost")]


@pytest.mark.parametrize(("block_time", "queues", "seconds"), [(2, 1, 2), (2, 4, 8), (2, 50, 12), (15, 50, 15)])
def test_waits_longer_the_more_queues_there_are(block_time, queues, seconds):
    assert Fetcher.park_seconds(block_time, queues) == seconds
