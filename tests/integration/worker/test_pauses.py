"""Paused queues: nothing is fetched from them, and what a wait has brought goes back as it was."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sidelong import Capsule, Sidelong
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually
from tests.support.monitor import Monitor

# Three times the two seconds that are promised.
SOON = 6.0


class Shop:
    """An application with a job that notes when it runs."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.app: Sidelong = site.app(**settings)
        self.order: list[str] = []

        @self.app.job(name="Note")
        async def note(word: str, seconds: float = 0.0) -> None:
            self.order.append(word)
            await asyncio.sleep(seconds)

    async def ran(self, *words: str, within: float = SOON) -> None:
        await eventually(lambda: self.order == list(words), within)


def fill(site: Site, queue: str, count: int) -> list[bytes]:
    return [site.push("Note", f"{queue}{number}", queue=queue, jid=f"{queue}-{number:022}") for number in range(count)]


async def told(log: Lines, text: str) -> None:
    await eventually(lambda: any(text in line for line in log.lines), SOON)


async def test_what_is_paused_before_the_worker_starts_is_never_fetched(site: Site) -> None:
    site.client.sadd("paused", "a")
    kept = fill(site, "a", 3)
    fill(site, "b", 3)
    shop = Shop(site)

    async with shop.app, shop.app.worker(queues=["a", "b"]):
        await shop.ran("b0", "b1", "b2")

    assert site.queue("a") == kept[::-1]


async def test_a_parked_worker_heeds_a_pause_that_others_made_and_its_end(site: Site, log: Lines) -> None:
    shop = Shop(site)

    async with shop.app, shop.app.worker(queues=["a", "b"]):
        site.client.sadd("paused", "a")
        await told(log, "queue a is paused")
        kept = site.push("Note", "a", queue="a")
        site.push("Note", "b", queue="b")
        await shop.ran("b")
        # A wait that was on its way home may have brought it.
        await eventually(lambda: site.queue("a") == [kept])

        site.client.srem("paused", "a")
        await shop.ran("b", "a")


async def test_what_a_parked_wait_brings_from_a_paused_queue_goes_back_to_its_head(
    site: Site, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        """The wait is not brought home: it goes on until something comes."""

    monkeypatch.setattr("sidelong.store.link.RedisLink.unblock", deaf)
    monkeypatch.setattr("sidelong.store.embedded.EmbeddedLink.unblock", deaf)
    # Longer than the test: the stop would wait for it.
    shop = Shop(site, block_time=1.0)

    async with shop.app, shop.app.worker(queues=["a"]):
        site.client.sadd("paused", "a")
        await told(log, "queue a is paused")
        kept = fill(site, "a", 5)
        await eventually(lambda: site.queue("a") == kept[::-1] and not site.inflight(), SOON)

        site.client.srem("paused", "a")
        await eventually(lambda: sorted(shop.order) == ["a0", "a1", "a2", "a3", "a4"], SOON)


@pytest.fixture
def pause_during_take(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Tells the dispatcher of a pause while the answer to a take of at least so many payloads is on its way."""
    from sidelong.worker.dispatcher import Dispatcher
    from sidelong.worker.fetcher import Fetcher

    dispatchers: list[Dispatcher] = []
    connect, turn = Dispatcher.connect, Fetcher.turn
    least = [10**9]

    def note(self: Dispatcher, fetcher: Fetcher) -> None:
        dispatchers.append(self)
        connect(self, fetcher)

    async def pausing(self: Fetcher, *args: Any) -> Any:
        answer = await turn(self, *args)
        if sum(len(payloads) for _, payloads in answer.taken) >= least[0]:
            least[0] = 10**9
            dispatchers[0].pause(["a"])
        return answer

    monkeypatch.setattr(Dispatcher, "connect", note)
    monkeypatch.setattr(Fetcher, "turn", pausing)
    return lambda count: least.__setitem__(0, count)


async def test_what_was_taken_as_the_pause_became_known_goes_back_in_order(
    site: Site, pause_during_take: Callable[[int], None]
) -> None:
    kept = fill(site, "a", 120)
    site.client.sadd("paused", "a")
    shop = Shop(site, poll_interval=1000.0)
    pause_during_take(99)

    async with shop.app:
        worker = shop.app.worker(queues=["a"], concurrency=100)
        site.client.delete("paused")
        async with worker:
            site.client.sadd("paused", "a")
            await eventually(lambda: len(site.queue("a")) + len(shop.order) == 120 and not site.inflight(), SOON)

    # A wait may have brought one or two before the first turn.
    assert len(shop.order) < 3
    assert site.queue("a") == kept[::-1][: 120 - len(shop.order)]


async def test_shares_of_paused_queues_go_to_the_others(site: Site) -> None:
    site.client.sadd("paused", "b")
    fill(site, "a", 20)
    fill(site, "b", 20)
    fill(site, "c", 20)
    shop = Shop(site)

    async with shop.app, shop.app.worker(queues=[("a", 1), ("b", 1000), ("c", 1)], concurrency=3):
        await eventually(lambda: len(shop.order) == 40, SOON)

    assert len(site.queue("b")) == 20


async def test_all_queues_may_be_paused(site: Site) -> None:
    site.client.sadd("paused", "a", "b")
    fill(site, "a", 2)
    fill(site, "b", 2)
    shop = Shop(site)

    async with (
        shop.app,
        shop.app.worker(queues=["a"], capsules=[Capsule(name="beside", concurrency=2, queues=["b"])]) as worker,
    ):
        await eventually(lambda: site.client.zcard("schedule") == 0)
        await eventually(lambda: worker.is_ready)
        site.client.delete("paused")
        await eventually(lambda: sorted(shop.order) == ["a0", "a1", "b0", "b1"], SOON)


async def test_running_jobs_of_a_paused_queue_end_and_their_retries_wait_in_it(site: Site, log: Lines) -> None:
    app = site.app()
    going = asyncio.Event()

    @app.job(name="Fail")
    async def fail() -> None:
        await going.wait()
        raise ValueError

    async with app, app.worker(queues=["a"]) as worker:
        site.push("Fail", queue="a")
        await eventually(lambda: worker.running)
        site.client.sadd("paused", "a")
        await told(log, "queue a is paused")
        going.set()
        await site.has("retry")
        site.make_due()
        await eventually(lambda: len(site.queue("a")) == 1)

        assert not worker.running
    assert len(site.queue("a")) == 1


async def test_a_key_of_the_wrong_type_pauses_nothing_and_is_told_once(site: Site, log: Lines) -> None:
    site.client.set("paused", "a")
    shop = Shop(site)

    async with shop.app, shop.app.worker(queues=["a"]):
        fill(site, "a", 1)
        await shop.ran("a0")
        await asyncio.sleep(0.3)  # polls meanwhile
        site.client.delete("paused")
        site.client.sadd("paused", "a")
        await told(log, "queue a is paused")

    assert len([line for line in log.lines if "can tell which queues are paused" in line]) == 1


@pytest.mark.parametrize("name", ["a:b", "a.b-c"])
async def test_names_are_taken_as_they_are(site: Site, name: str, log: Lines) -> None:
    shop = Shop(site)

    async with shop.app, shop.app.worker(queues=["a", name]):
        site.client.sadd("paused", name)
        await told(log, "is paused")
        site.push("Note", "a", queue="a")
        await shop.ran("a")

    assert len([line for line in log.lines if "is paused" in line]) == 1


async def test_pauses_are_known_in_time_although_the_poller_polls_seldom(site: Site) -> None:
    shop = Shop(site, poll_interval=1000.0)

    async with shop.app, shop.app.worker(queues=["a"]):
        site.client.sadd("paused", "a")
        kept = None
        for number in range(1000):
            kept = site.push("Note", f"{number}", queue="a")
            await asyncio.sleep(0.02)
            if kept in site.queue("a"):
                break
        assert kept in site.queue("a")
        assert len(shop.order) * 0.02 < SOON


async def test_the_poller_reads_the_set_and_nobody_else_does(real_site: Site) -> None:
    app = real_site.app(poll_interval=1.0)

    with Monitor(real_site.url) as monitor:
        async with app, app.worker():
            await eventually(lambda: monitor.names["SMISMEMBER"] >= 1)
            await eventually(lambda: monitor.names["EVALSHA"] >= 10, 30)

    # At the start, and within the script.
    assert monitor.names["SMISMEMBER"] == 1
