"""Jobs that are called off: waiting, arriving, running, ending, and handed back."""

import asyncio
import json
import threading
import time
from collections import Counter
from typing import Any

import pytest

from sidelong import CancelOutcome, CancelResult, Capsule, Context, Kill, Sidelong, current_context
from sidelong.errors import Refused
from sidelong.store.job_search import JobSearch
from sidelong.store.queues import CapsuleQueues
from tests.integration.worker.site import Lines, Site, payload
from tests.support.eventually import eventually
from tests.support.monitor import Monitor

# Three times the second that is promised.
SOON = 3.0


class Shop:
    """An application with jobs that note what happens to them."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.app: Sidelong = site.app(**settings)
        self.seen: list[str] = []
        self.contexts: list[Context] = []
        self.gate = asyncio.Event()
        self.thread_gate = threading.Event()
        self.deaths: list[str] = []

        @self.app.death_handler
        def died(item: dict[str, Any], error: BaseException) -> None:
            self.deaths.append(item["jid"])

        @self.app.job(name="Hold", aliases=["Swallow", "Raise", "Decide"])
        async def hold(how: str = "") -> None:
            self.seen.append("start")
            self.contexts.append(current_context())
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
                self.seen.append("cleaned up")
                if how == "swallow":
                    return
                if how == "raise":
                    raise ValueError("while cleaning up") from None
                if how == "kill":
                    raise Kill from None
                raise
            self.seen.append("end")

        @self.app.job(name="Thread")
        def in_thread(fails: bool = False) -> None:
            self.seen.append("start")
            self.contexts.append(current_context())
            self.thread_gate.wait(20)
            self.seen.append("end")
            if fails:
                raise ValueError("in a thread")

        @self.app.job(name="Fail")
        async def fail() -> None:
            self.seen.append("start")
            raise ValueError

    async def started(self, count: int = 1) -> None:
        await eventually(lambda: self.seen.count("start") == count)


def jid_of(raw: bytes) -> str:
    return str(json.loads(raw)["jid"])


def assert_gone(site: Site, *, processed: int = 1) -> None:
    assert site.is_drained()
    assert not site.client.zcard("retry")
    assert not site.client.zcard("dead")
    assert (site.counter("stat:processed"), site.counter("stat:failed")) == (processed, 0)


# Waiting.


async def test_a_job_that_waits_in_a_queue_is_removed_and_its_twins_stay(site: Site) -> None:
    others = [site.push("Hold", jid=f"{number:024}") for number in range(1200)]
    raw = site.push("Hold", jid="c" * 24)
    # The jid stands in it as well.
    decoy = site.push("Hold", "c" * 24, jid="d" * 24)
    async with site.app() as app:
        assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.REMOVED, "queue:default")
        assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.NOT_FOUND)

    assert raw not in site.queue()
    assert site.queue() == [decoy, *others[::-1]]


@pytest.mark.parametrize("name", ["schedule", "retry"])
async def test_a_job_that_waits_for_its_time_is_removed(site: Site, name: str) -> None:
    for number in range(1000):
        site.client.zadd(name, {payload("Hold", jid=f"{number:024}"): 5e9 + number})
    site.client.zadd(name, {payload("Hold", jid="c" * 24): 5e9, payload("Hold", "c" * 24, jid="d" * 24): 6e9})
    async with site.app() as app:
        assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.REMOVED, name)

    assert site.client.zcard(name) == 1001


async def test_a_dead_job_does_not_wait(site: Site) -> None:
    site.client.zadd("dead", {payload("Hold", jid="c" * 24): 5e9})
    async with site.app() as app:
        assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.NOT_FOUND)

    assert site.client.zcard("dead") == 1


@pytest.mark.parametrize("jid", ["", "*", "é", "a*b", '"', "\\", "nobody", pytest.param("\ud800", id="surrogate")])
async def test_any_text_may_be_asked_for(site: Site, jid: str) -> None:
    site.push_raw(b"\xff\x00 no job")
    site.push_raw(b'{"jid": ["*", "\\u00e9"], "class": "*"}')
    site.client.set("queue:wrong", "type")
    site.client.sadd("queues", "wrong", b"\xff")
    site.client.set("retry", "type")
    async with site.app() as app:
        assert (await app.cancel(jid)).outcome == CancelOutcome.NOT_FOUND

    site.client.delete("queue:wrong", "retry")
    assert len(site.queue()) == 2


async def test_odd_jids_are_found(site: Site) -> None:
    jids = ["é-ü", 'say "hi"', "a/b", "*"]
    for jid in jids:
        site.push_raw(json.dumps({"class": "Hold", "args": [], "jid": jid}).encode())
        site.push_raw(json.dumps({"class": "Hold", "args": [], "jid": jid + "!"}, ensure_ascii=False).encode())
    async with site.app() as app:
        for jid in jids:
            assert (await app.cancel(jid)).outcome == CancelOutcome.REMOVED
            assert (await app.cancel(jid + "!")).outcome == CancelOutcome.REMOVED

    assert site.queue() == []


@pytest.mark.allow_any_keys
@pytest.mark.parametrize("key", ["sidelong:owners", "sidelong:owner-queues:host:1:aaaaaaaaaaaa"])
async def test_a_waiting_job_is_removed_whatever_has_the_wrong_type(site: Site, key: str) -> None:
    raw = site.push("Hold")
    if key.endswith("aaaa"):
        site.client.sadd("sidelong:owners", "host:1:aaaaaaaaaaaa")
    site.client.set(key, "x")
    async with site.app() as app:
        assert await app.cancel(jid_of(raw)) == CancelResult(CancelOutcome.REMOVED, "queue:default")

    site.client.delete(key, "sidelong:owners")
    assert site.queue() == []


@pytest.mark.allow_any_keys
@pytest.mark.parametrize("key", ["queues", "sidelong:owners"])
async def test_what_nobody_can_look_for_is_not_said_to_be_gone(site: Site, key: str) -> None:
    site.client.set(key, "x")
    async with site.app() as app:
        with pytest.raises(Refused, match="WRONGTYPE"):
            await app.cancel("c" * 24)
    site.client.delete(key)


async def test_what_stands_nowhere_is_looked_for_twice_while_nothing_moves(real_site: Site) -> None:
    real_site.push("Hold")
    async with real_site.app() as app:
        with Monitor(real_site.url) as monitor:
            assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.NOT_FOUND)
            assert await app.cancel("") == CancelResult(CancelOutcome.NOT_FOUND)

    # Both sets, twice.
    assert monitor.names["ZSCAN"] == 4


async def test_what_stands_nowhere_is_looked_for_again_while_jobs_are_settled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    async def remove(search: JobSearch) -> str | None:
        nonlocal looked
        looked += 1
        site.client.incr("stat:processed")
        if looked == 6:
            site.push("Hold", jid="c" * 24)
        return await looking(search)

    looking = JobSearch.remove
    monkeypatch.setattr(JobSearch, "remove", remove)
    monkeypatch.setattr("sidelong.client.cancelling._LOOKS_FOR", 60.0)
    async with site.app() as app:
        assert await app.cancel("c" * 24) == CancelResult(CancelOutcome.REMOVED, "queue:default")


# Running.


@pytest.mark.parametrize("how", ["", "swallow", "raise", "kill"])
async def test_a_coroutine_is_cancelled_and_not_tried_again_whatever_it_then_does(
    site: Site, log: Lines, how: str
) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker(concurrency=1) as worker:
        jid = jid_of(site.push("Hold", how))
        await shop.started()
        asked_at = time.monotonic()
        result = await shop.app.cancel(jid)
        assert time.monotonic() - asked_at < SOON
        assert result == CancelResult(CancelOutcome.CANCELLED, worker.identity or "")
        await site.drained()

    assert shop.seen == ["start", "cleaned up"]
    assert shop.contexts[0].cancelled
    assert shop.deaths == []
    assert_gone(site)
    last = "done" if how == "swallow" else "cancelled"
    assert len([line for line in log.lines if line.startswith(f"{last} ")]) == 1
    assert any("while cleaning up" in line for line in log.lines) == (how == "raise")


async def test_no_free_slot_is_needed_and_the_others_go_on(site: Site) -> None:
    shop = Shop(site)
    capsules = [Capsule(name="beside", concurrency=2, queues=["b"])]
    async with shop.app, shop.app.worker(queues=["a"], concurrency=3, capsules=capsules):
        for queue in ("a", "a", "a", "a", "b", "b"):
            site.push("Hold", queue=queue, jid=f"{queue}{len(site.inflight())}{len(site.queue(queue))}".ljust(24, "0"))
            await asyncio.sleep(0.02)
        await shop.started(5)
        victim = jid_of(site.inflight()[0])
        assert (await shop.app.cancel(victim)).outcome == CancelOutcome.CANCELLED
        shop.gate.set()
        await site.drained()

    assert Counter(shop.seen) == {"start": 6, "cleaned up": 1, "end": 5}
    assert_gone(site, processed=6)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_job_in_a_thread_is_told_and_not_tried_again(site: Site, fails: bool) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker() as worker:
        jid = jid_of(site.push("Thread", fails))
        await shop.started()
        assert not shop.contexts[0].cancelled
        assert await shop.app.cancel(jid) == CancelResult(CancelOutcome.TOLD, worker.identity or "")
        assert shop.contexts[0].cancelled
        shop.thread_gate.set()
        await site.drained()

    assert shop.seen == ["start", "end"]
    assert_gone(site)


@pytest.mark.allow_any_keys
async def test_a_running_job_is_cancelled_although_nobody_can_read_who_owns_lists(site: Site) -> None:
    # Its next beat would make the set anew.
    shop = Shop(site, beat_interval=5.0, lease_ttl=15.0)
    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Hold"))
        await shop.started()
        site.client.set("sidelong:owners", "x")
        assert (await shop.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        site.client.delete("sidelong:owners")
        await site.drained()

    assert shop.seen == ["start", "cleaned up"]


async def test_asking_twice_does_not_break_off_the_clean_up(site: Site) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Hold"))
        await shop.started()
        await asyncio.gather(*(shop.app.cancel(jid) for _ in range(5)))
        await site.drained()

    assert shop.seen == ["start", "cleaned up"]


async def test_two_workers_are_asked_and_the_right_one_answers(site: Site) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker(queues=["a"]) as first, shop.app.worker(queues=["b"]) as second:
        jids = [jid_of(site.push("Hold", queue=queue, jid=queue * 24)) for queue in "ab"]
        await shop.started(2)
        results = [await shop.app.cancel(jid) for jid in jids]

        assert [result.where for result in results] == [first.identity, second.identity]
        await site.drained()


async def test_middleware_of_the_server_sees_the_cancellation(site: Site) -> None:
    shop = Shop(site)
    seen: list[type[BaseException]] = []

    @shop.app.server_middleware
    async def note(job: Any, call_next: Any) -> Any:
        try:
            return await call_next(job)
        except BaseException as error:
            seen.append(type(error))
            raise

    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Hold"))
        await shop.started()
        await shop.app.cancel(jid)
        await site.drained()

    assert seen == [asyncio.CancelledError]


async def test_a_job_that_calls_itself_off_is_cancelled(site: Site) -> None:
    app = site.app()
    seen: list[str] = []

    @app.job(name="Self")
    async def call_itself_off() -> None:
        try:
            await app.cancel(current_context().jid)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async with app, app.worker():
        site.push("Self")
        await eventually(lambda: seen == ["cancelled"], SOON)
        await site.drained()

    assert_gone(site)


# On the way.


async def test_what_was_taken_and_not_started_is_called_off(
    site: Site, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker() as worker:
        life = worker._life
        assert life is not None
        # It waits for a beat before it starts anything.
        monkeypatch.setattr(life._dispatchers[0], "_is_trusted", lambda: False)
        monkeypatch.setattr(life._dispatchers[0], "_start_doubtful", lambda: None)
        jid = jid_of(site.push("Hold"))
        await eventually(lambda: site.inflight() and not site.queue())
        assert (await shop.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        await site.drained()

    assert shop.seen == []
    assert_gone(site)
    (line,) = [line for line in log.lines if line.startswith("cancelled ")]
    assert f"jid={jid}" in line
    assert "elapsed" not in line


def hold_up_settling(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Let no batch reach Redis before the second event; the first is set when one is to be sent."""
    settling, go_on = asyncio.Event(), asyncio.Event()
    turn = CapsuleQueues.turn

    async def slowly(self: CapsuleQueues, batch: Any) -> Any:
        if batch.deliveries:
            settling.set()
            await go_on.wait()
        return await turn(self, batch)

    monkeypatch.setattr(CapsuleQueues, "turn", slowly)
    return settling, go_on


async def test_a_job_that_cannot_be_settled_for_long_is_told_to_be_with_its_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidelong.client.cancelling._PATIENCE", 0.2)
    shop = Shop(site)
    settling, go_on = hold_up_settling(monkeypatch)
    async with shop.app, shop.app.worker() as worker:
        jid = jid_of(site.push("Fail"))
        await settling.wait()
        assert await shop.app.cancel(jid) == CancelResult(CancelOutcome.UNANSWERED, worker.identity or "")
        go_on.set()
        await site.has("retry")


async def test_a_failure_that_is_being_settled_is_looked_for_until_it_has_arrived(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(site)
    settling, go_on = hold_up_settling(monkeypatch)
    passes: list[JobSearch] = []
    remove = JobSearch.remove

    async def counted(self: JobSearch) -> str | None:
        passes.append(self)
        return await remove(self)

    monkeypatch.setattr(JobSearch, "remove", counted)
    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Fail"))
        await settling.wait()
        cancelling = asyncio.create_task(shop.app.cancel(jid))
        await asyncio.sleep(0.2)
        assert not cancelling.done()
        assert passes == []
        go_on.set()
        assert await cancelling == CancelResult(CancelOutcome.REMOVED, "retry")
        await site.drained()

    assert shop.seen == ["start"]
    assert not site.client.zcard("retry")


async def test_a_failure_whose_settling_is_refused_is_called_off(site: Site, log: Lines) -> None:
    site.client.set("retry", "wrong type")
    shop = Shop(site)
    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Fail"))
        await shop.started()
        await eventually(lambda: len(site.inflight()) == 1)
        assert (await shop.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        await site.drained()

    site.client.delete("retry")
    assert_gone(site)
    assert len([line for line in log.lines if line.startswith("cancelled ")]) == 1


async def test_what_fails_is_called_off_while_its_failure_is_told(site: Site) -> None:
    shop = Shop(site)
    telling = asyncio.Event()

    @shop.app.error_handler
    async def tell(error: BaseException, context: dict[str, Any]) -> None:
        telling.set()
        await asyncio.sleep(60)

    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Fail"))
        await telling.wait()
        assert (await shop.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        await site.drained()

    assert_gone(site)


async def test_what_a_stop_cancels_is_called_off_instead_of_handed_back(site: Site) -> None:
    app = site.app(timeout=0.0, cancel_grace=5.0)
    cleaning, go_on = asyncio.Event(), asyncio.Event()

    @app.job(name="Slow")
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaning.set()
            await go_on.wait()

    async with app:
        worker = app.worker()
        async with worker:
            raw = site.push("Slow")
            await eventually(lambda: worker.running)
            stop = asyncio.create_task(worker.stop())
            await cleaning.wait()
            assert (await app.cancel(jid_of(raw))).outcome == CancelOutcome.CANCELLED
            go_on.set()
            await stop

    assert_gone(site)


async def test_a_stop_does_not_bring_back_a_job_that_was_told_and_does_not_end(site: Site, log: Lines) -> None:
    shop = Shop(site, timeout=0.0, cancel_grace=0.05)
    async with shop.app:
        async with shop.app.worker():
            jid = jid_of(site.push("Thread"))
            await shop.started()
            assert (await shop.app.cancel(jid)).outcome == CancelOutcome.TOLD
        shop.thread_gate.set()

    assert_gone(site)
    assert len([line for line in log.lines if line.startswith("cancelled ")]) == 1


async def test_a_stop_does_not_bring_back_a_job_whose_clean_up_outlasts_the_grace(site: Site) -> None:
    clean = CleanUp(site, timeout=0.0, cancel_grace=0.05)
    async with clean.app, clean.app.worker():
        jid = jid_of(site.push("Slow"))
        await clean.running.wait()
        assert (await clean.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        await clean.begun.wait()

    assert_gone(site)


class CleanUp:
    """An application with a job whose clean-up waits for the test."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.app: Sidelong = site.app(**settings)
        self.running, self.begun, self.go_on, self.done = (asyncio.Event() for _ in range(4))

        @self.app.job(name="Slow")
        async def slow() -> None:
            try:
                self.running.set()
                await asyncio.sleep(60)
            finally:
                self.begun.set()
                await self.go_on.wait()
                self.done.set()


async def test_a_stop_does_not_break_off_the_clean_up_of_a_cancelled_job(site: Site) -> None:
    clean = CleanUp(site, timeout=0.0, cancel_grace=5.0)
    async with clean.app:
        worker = clean.app.worker()
        async with worker:
            jid = jid_of(site.push("Slow"))
            await clean.running.wait()
            assert (await clean.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
            await clean.begun.wait()
            stop = asyncio.create_task(worker.stop())
            await asyncio.sleep(0.1)
            clean.go_on.set()
            await stop

    assert clean.done.is_set()
    assert_gone(site)


async def test_a_cancellation_does_not_break_off_the_clean_up_after_a_timeout(site: Site) -> None:
    clean = CleanUp(site)
    async with clean.app, clean.app.worker():
        jid = jid_of(site.push("Slow", timeout=0.05))
        await clean.begun.wait()
        assert (await clean.app.cancel(jid)).outcome == CancelOutcome.CANCELLED
        clean.go_on.set()
        await site.drained()

    assert clean.done.is_set()
    assert_gone(site)


async def test_calling_off_an_ended_job_finds_nothing(site: Site) -> None:
    shop = Shop(site)
    async with shop.app, shop.app.worker():
        jid = jid_of(site.push("Hold"))
        shop.gate.set()
        await eventually(lambda: shop.seen == ["start", "end"])
        await site.drained()
        assert await shop.app.cancel(jid) == CancelResult(CancelOutcome.NOT_FOUND)


async def test_a_job_that_moves_all_the_time_is_found_sooner_or_later(site: Site) -> None:
    shop = Shop(site)

    @shop.app.job(name="Restless", retry=1000, retry_in=lambda *_: 0.001)
    async def restless() -> None:
        shop.seen.append("start")
        raise ValueError

    for number in range(5):
        async with shop.app, shop.app.worker():
            jid = jid_of(site.push("Restless", jid=f"{number:024}"))
            await eventually(lambda: len(shop.seen) > 3)
            result = await shop.app.cancel(jid)
            assert result.outcome in (CancelOutcome.REMOVED, CancelOutcome.CANCELLED)
            await eventually(lambda: site.is_drained() and not site.client.zcard("retry"))
            seen = len(shop.seen)
            await asyncio.sleep(0.1)
            assert len(shop.seen) == seen
            shop.seen.clear()
