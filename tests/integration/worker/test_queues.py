"""How queues share slots: order, surplus, capsules, twins, several workers, other programs."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from sidelong import Capsule, Sidelong, current_context
from tests.integration.worker.site import Site, payload
from tests.support.eventually import eventually
from tests.support.monitor import Monitor

QUEUES = ["a", "b", "c", "d"]


class Shop:
    """An application with a job that notes when it runs, and how many run at once."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.app: Sidelong = site.app(**settings)
        self.order: list[str] = []
        self.running = 0
        self.most = 0

        @self.app.job(name="Note")
        async def note(word: str, seconds: float = 0.0) -> None:
            self.running += 1
            self.most = max(self.most, self.running)
            self.order.append(word)
            await asyncio.sleep(seconds)
            self.running -= 1


def fill(site: Site, queue: str, count: int) -> None:
    for number in range(count):
        site.push("Note", queue, queue=queue, jid=f"{queue}-{number:022}")


async def test_strict_order_empties_the_first_queue_before_the_next(site: Site) -> None:
    shop = Shop(site)
    for queue in ("c", "a", "b"):
        fill(site, queue, 20)

    async with shop.app, shop.app.worker(concurrency=1, queues=["a", "b", "c"]):
        await site.drained()

    # Each parked wait may have brought one job before the first turn.
    assert shop.order[3:] == sorted(shop.order[3:])
    assert Counter(shop.order) == {"a": 20, "b": 20, "c": 20}


async def test_a_queue_gives_its_oldest_job_first(site: Site) -> None:
    shop = Shop(site)
    for number in range(30):
        site.push("Note", f"{number}", jid=f"{number:024}")

    async with shop.app, shop.app.worker(concurrency=1):
        await site.drained()

    assert shop.order == [f"{number}" for number in range(30)]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([("a", 3), ("b", 2), ("c", 1)], {"a": 3 / 6, "b": 2 / 6, "c": 1 / 6}),
        ([("a", 1), ("b", 1), ("c", 1)], {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
    ],
    ids=["weighted", "random"],
)
async def test_weights_share_the_slots(
    site: Site, monkeypatch: pytest.MonkeyPatch, weights: list[tuple[str, int]], shares: dict[str, float]
) -> None:
    monkeypatch.setattr("sidelong.worker.parts.Random", lambda: Random(7))
    shop = Shop(site)
    for queue in shares:
        fill(site, queue, 600)

    async with shop.app, shop.app.worker(concurrency=5, queues=weights):
        await eventually(lambda: len(shop.order) >= 600)
        first = Counter(shop.order[:600])

    # The standard deviation of 600 draws is at most 12.
    for queue, share in shares.items():
        assert abs(first[queue] - 600 * share) < 60


async def test_slots_that_a_queue_does_not_need_go_to_the_others_at_once(real_site: Site) -> None:
    shop = Shop(real_site)
    fill(real_site, "rare", 300)

    with Monitor(real_site.url) as monitor:
        async with shop.app, shop.app.worker(concurrency=10, queues=[("often", 1000), ("rare", 1)]):
            await real_site.drained()

    assert len(shop.order) == 300
    # Else each job would have to be waited for by itself.
    assert monitor.names["BLMOVE"] < 100


async def test_one_slot_and_four_queues_never_run_two(site: Site) -> None:
    shop = Shop(site)

    async with shop.app, shop.app.worker(concurrency=1, queues=QUEUES):
        for round_ in range(10):
            # All four waits are parked now, and each brings a job at the same moment.
            for queue in reversed(QUEUES):
                site.push("Note", queue, 0.002, queue=queue, jid=f"{round_}-{queue}")
            await site.drained()
    order = shop.order

    assert shop.most == 1
    assert Counter(order) == dict.fromkeys(QUEUES, 10)
    assert site.counter("stat:processed") == 40


async def test_surplus_goes_back_lowest_priority_first(site: Site) -> None:
    shop = Shop(site)
    gate = asyncio.Event()
    started: list[str] = []

    @shop.app.job(name="Held")
    async def held(word: str) -> None:
        started.append(word)
        await gate.wait()

    async with shop.app, shop.app.worker(concurrency=1, queues=QUEUES) as worker:
        pushed = {queue: payload("Held", queue, queue=queue, jid=queue * 24) for queue in QUEUES}
        pipeline = site.client.pipeline(transaction=True)
        for queue, raw in pushed.items():
            pipeline.lpush(f"queue:{queue}", raw)
        pipeline.execute()
        await eventually(lambda: started and len(site.inflight()) == 1)
        await asyncio.sleep(0)
        running = [delivery.queue for delivery in worker.running]
        left = {queue: site.queue(queue) for queue in QUEUES}
        gate.set()
        await site.drained()

    assert running == started[:1] == ["a"]
    # Byte for byte, where they were.
    assert left == {"a": [], **{queue: [pushed[queue]] for queue in "bcd"}}
    assert started == QUEUES


async def test_what_goes_back_is_the_next_to_be_fetched(site: Site) -> None:
    shop = Shop(site)

    async with shop.app, shop.app.worker(concurrency=1, queues=QUEUES):
        pipeline = site.client.pipeline(transaction=True)
        for queue in QUEUES:
            for number in range(3):
                raw = payload("Note", f"{queue}{number}", queue=queue, jid=f"{queue}{number}")
                pipeline.lpush(f"queue:{queue}", raw)
        pipeline.execute()
        await site.drained()

    assert shop.most == 1
    for queue in QUEUES:
        assert [word for word in shop.order if word[0] == queue] == [f"{queue}{number}" for number in range(3)]


async def test_capsules_have_slots_of_their_own(site: Site) -> None:
    shop = Shop(site)
    gate = asyncio.Event()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    @shop.app.job(name="Held")
    async def held(queue: str) -> None:
        running[queue] += 1
        most[queue] = max(most[queue], running[queue])
        await gate.wait()
        running[queue] -= 1

    capsules = [
        Capsule(name="serial", concurrency=1, queues=(("serial", 0),)),
        Capsule(name="mail", concurrency=3, queues=(("mail", 0),)),
    ]
    for queue in ("default", "serial", "mail"):
        for number in range(10):
            site.push("Held", queue, queue=queue, jid=f"{queue}{number}")
    async with shop.app, shop.app.worker(concurrency=2, queues=["default"], capsules=capsules) as worker:
        await eventually(lambda: running.total() == 6)
        await eventually(lambda: len(site.inflight()) == 6)
        at_once = Counter(delivery.queue for delivery in worker.running)
        gate.set()
        await site.drained()

    assert at_once == {"default": 2, "serial": 1, "mail": 3}
    assert most == {"default": 2, "serial": 1, "mail": 3}
    assert site.counter("stat:processed") == 30


@pytest.mark.parametrize("concurrency", [1, 7, 50])
async def test_byte_identical_payloads_are_as_many_jobs(site: Site, concurrency: int) -> None:
    shop = Shop(site)
    for _ in range(20):
        site.push("Note", "twin", 0.001)

    async with shop.app, shop.app.worker(concurrency=concurrency):
        await site.drained()

    assert shop.order == ["twin"] * 20
    assert site.counter("stat:processed") == 20


async def test_one_twin_may_fail_while_the_other_is_done(site: Site) -> None:
    shop = Shop(site)
    runs: list[int] = []

    @shop.app.job(name="Odd")
    async def odd() -> None:
        runs.append(len(runs))
        if len(runs) % 2:
            raise ValueError("odd")

    for _ in range(10):
        site.push("Odd")
    async with shop.app, shop.app.worker(concurrency=10):
        await eventually(lambda: site.counter("stat:processed") == 10)
        await site.drained()

    assert len(runs) == 10
    assert site.counter("stat:failed") == 5
    # The time of the failure keeps them apart there.
    assert [item["jid"] for item, _ in site.members("retry")] == ["a" * 24] * 5


async def test_payloads_without_a_jid_get_one_before_they_run(site: Site) -> None:
    shop = Shop(site)
    gate = asyncio.Event()
    jids: list[str] = []

    @shop.app.job(name="Held")
    async def held() -> None:
        jids.append(current_context().jid)
        await gate.wait()

    raw = b'{"class":"Held","args":[],"extra":{"z":1.0e-05}}'
    for _ in range(5):
        site.push_raw(raw)
    async with shop.app, shop.app.worker(concurrency=5):
        await eventually(lambda: len(jids) == 5)
        stored = site.inflight()
        gate.set()
        await site.drained()

    assert len(set(jids)) == 5
    assert sorted(json.loads(each)["jid"] for each in stored) == sorted(jids)
    assert {each[: len(raw) - 1] for each in stored} == {raw[:-1]}
    assert site.counter("stat:processed") == 5


async def test_several_workers_in_one_loop_share_the_work(site: Site) -> None:
    shops = [Shop(site) for _ in range(3)]
    for number in range(300):
        site.push("Note", f"{number}", 0.001, jid=f"{number:024}")

    async with (
        shops[0].app,
        shops[1].app,
        shops[2].app,
        shops[0].app.worker(concurrency=5) as first,
        shops[1].app.worker(concurrency=5) as second,
        shops[2].app.worker(concurrency=5) as third,
    ):
        identities = {first.identity, second.identity, third.identity}
        known = {identity.decode() for identity in site.client.smembers("processes")}
        await site.drained()

    assert known == identities
    assert len(identities) == 3
    assert sorted(word for shop in shops for word in shop.order) == sorted(f"{number}" for number in range(300))
    assert all(shop.most <= 5 for shop in shops)
    assert all(shop.order for shop in shops)
    assert site.counter("stat:processed") == 300


async def test_two_workers_of_one_app_may_run_side_by_side(site: Site) -> None:
    shop = Shop(site)
    for number in range(100):
        site.push("Note", f"{number}", 0.001, jid=f"{number:024}")

    async with shop.app, shop.app.worker(concurrency=3), shop.app.worker(concurrency=4):
        await site.drained()

    assert sorted(shop.order) == sorted(f"{number}" for number in range(100))
    assert 3 < shop.most <= 7


async def test_a_worker_that_leaves_hurts_no_other(site: Site) -> None:
    shop = Shop(site)

    async with shop.app, shop.app.worker(concurrency=2) as staying:
        async with shop.app.worker(concurrency=2) as leaving:
            gone = leaving.identity
        fill(site, "default", 10)
        await site.drained()
        processes = site.client.smembers("processes")
        owners = site.client.smembers("sidelong:owners")

    assert processes == owners == {str(staying.identity).encode()}
    assert len(shop.order) == 10
    assert not [name for name in site.state() if str(gone) in name]


# What other programs do to the keys that are shared with them.


def prune_processes(site: Site, identity: str) -> None:
    # Ruby's ProcessSet.new, when the hash has no `info` at this moment.
    site.client.srem("processes", identity)


def clear_hash(site: Site, identity: str) -> None:
    site.client.delete(identity)
    site.client.srem("processes", identity)


def forget_queues(site: Site, identity: str) -> None:
    site.client.delete("queues")


@pytest.mark.parametrize("prune", [prune_processes, clear_hash, forget_queues])
async def test_pruning_by_others_stops_nothing(site: Site, prune: Callable[[Site, str], None]) -> None:
    shop = Shop(site, beat_interval=0.1, lease_ttl=1.0, recovery_interval=0.1, recovery_grace=0.3)

    async with shop.app, shop.app.worker(concurrency=2) as worker, shop.app.worker(concurrency=2) as other:
        identity = str(worker.identity)
        fill(site, "default", 5)
        prune(site, identity)
        await site.drained()
        await eventually(lambda: site.client.sismember("processes", identity))
        await eventually(lambda: site.client.hget(identity, "info") is not None)
        fill(site, "default", 5)
        await site.drained()
        assert (worker.identity, worker.is_ready, other.is_ready) == (identity, True, True)

    assert len(shop.order) == 10
    assert site.counter("stat:processed") == 10


async def test_a_queue_that_is_cleared_is_served_again(site: Site) -> None:
    shop = Shop(site)
    gate = asyncio.Event()

    @shop.app.job(name="Held")
    async def held() -> None:
        shop.order.append("held")
        await gate.wait()

    async with shop.app, shop.app.worker(concurrency=1) as worker:
        site.push("Held", jid="1" * 24)
        await eventually(lambda: len(worker.running) == 1)
        fill(site, "default", 5)
        # Queue#clear (wire-format §6).
        site.client.pipeline().unlink("queue:default").srem("queues", "default").execute()
        gate.set()
        await eventually(lambda: site.counter("stat:processed") == 1)
        site.push("Note", "after", jid="2" * 24)
        await eventually(lambda: shop.order == ["held", "after"])
        await site.drained()

    assert site.counter("stat:processed") == 2


async def test_a_job_record_deleted_by_others_is_not_run(site: Site) -> None:
    shop = Shop(site)
    gate = asyncio.Event()

    @shop.app.job(name="Held")
    async def held() -> None:
        await gate.wait()

    async with shop.app, shop.app.worker(concurrency=1) as worker:
        site.push("Held", jid="1" * 24)
        await eventually(lambda: len(worker.running) == 1)
        unwanted = site.push("Note", "unwanted", jid="2" * 24)
        site.push("Note", "wanted", jid="3" * 24)
        site.client.lrem("queue:default", 1, unwanted)
        gate.set()
        await site.drained()

    assert shop.order == ["wanted"]
