import asyncio
import json

from sidelong.web.live import Live
from tests.support.eventually import eventually


async def test_many_browsers_cost_what_one_costs(app, real_site):
    async with real_site.app() as watched:
        live = Live(watched, 0.2)
        await live.glance()
        before = commands(real_site)

        async def watch():
            return [glance async for glance in live.watch(1.0)]

        seen = await asyncio.gather(*(watch() for _ in range(50)))
        spent = commands(real_site) - before

    rounds = len({glance.at for glances in seen for glance in glances})
    assert rounds >= 3
    # Nine commands tell the figures where there are no queues and no processes.
    assert spent <= 9 * (rounds + 1)
    assert all(len(glances) <= rounds for glances in seen)


def commands(site):
    """Return how many commands others than this test have sent."""
    stats = site.client.info("commandstats")
    ours = ("cmdstat_info", "cmdstat_client", "cmdstat_flushall", "cmdstat_select", "cmdstat_hello")
    return sum(found["calls"] for name, found in stats.items() if not name.startswith(ours))


async def test_a_look_at_all_queues_and_processes_is_one_round_trip(real_site):
    client = real_site.client
    for number in range(30):
        real_site.push("A", queue=f"q{number}")
        identity = f"box:{number}:0123456789ab"
        client.sadd("processes", identity)
        client.hset(identity, "busy", 1)
        client.expire(identity, 60)
    async with real_site.app() as app:
        live = Live(app, 0.001)
        await live.glance()
        link, trips = app.store.admin, []
        link.call, link.pipeline = counted(link.call, trips), counted(link.pipeline, trips)

        async def look():
            await asyncio.sleep(0.002)
            before = len(trips)
            return await live.glance(), len(trips) - before

        known, one = await look()
        real_site.push("A", queue="new")
        new, two = await look()
        client.delete("queue:new")
        client.srem("queues", "new", "q0")
        gone, last = await look()

    # What is new is asked about once more, and from then on with all the others.
    assert (one, two, last) == (1, 2, 1)
    assert [glance.figures.enqueued for glance in (known, new, gone)] == [30, 31, 29]
    assert {glance.figures.workers_size for glance in (known, new, gone)} == {30}


def counted(original, calls):
    def count(*words):
        calls.append(words)
        return original(*words)

    return count


async def test_figures_are_streamed_as_they_change(pages, site, monkeypatch):
    site.client.set("stat:processed", 5)
    watch = Live.watch

    # The transport of these tests hands an answer over when it is complete: the stream ends with what it is to show.
    async def until_it_has_changed(live, seconds):
        async for glance in watch(live, seconds):
            yield glance
            if glance.figures.processed == 25:
                return
            site.client.set("stat:processed", 25)

    monkeypatch.setattr(Live, "watch", until_it_has_changed)
    answer = await pages.get("/figures/stream")

    events = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["processed"] for event in (events[0], events[-1])] == [5, 25]
    assert events[-1]["processed_per_second"] is not None


async def test_a_stream_ends_after_a_while(pages, monkeypatch):
    monkeypatch.setattr("sidelong.web.events._STREAM_FOR", 0.2)

    answer = await pages.get("/figures/stream")

    assert "data:" in answer.text


async def test_figures_can_be_asked_for_one_by_one(pages, site):
    site.client.set("stat:failed", 3)

    figures = (await pages.get("/figures")).json()

    assert (figures["failed"], figures["enqueued"], figures["busy"]) == (3, 0, 0)


async def test_figures_are_new_after_an_action(open_pages, site):
    pages = open_pages(interval=3600)
    site.push("A")
    before = (await pages.get("/figures")).json()["enqueued"]

    await pages.confirm("/queues/default/state", {"action": "clear"})

    assert (before, (await pages.get("/figures")).json()["enqueued"]) == (1, 0)


async def test_a_look_that_began_before_an_action_is_not_taken_for_new(real_site):
    gate, trips = asyncio.Event(), []
    async with real_site.app() as app:
        live = Live(app, 3600)
        link = app.store.admin
        original = link.pipeline

        async def held(*words):
            answer = await original(*words)
            trips.append(words)
            if len(trips) == 1:
                await gate.wait()
            return answer

        link.pipeline = held
        waiting = asyncio.create_task(live.glance())
        await eventually(lambda: trips)
        real_site.client.set("stat:processed", 7)
        live.forget()
        async with asyncio.timeout(5):
            after = await live.glance()
        gate.set()
        before = await waiting
        later = await live.glance()

    assert [glance.figures.processed for glance in (before, after, later)] == [0, 7, 7]
