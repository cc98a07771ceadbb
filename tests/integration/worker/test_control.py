"""Messages to a worker: heeded at once, harmless when they are lost, repeated or wrong."""

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from sidelong import CancelOutcome, CancelResult, Sidelong
from sidelong.api import ProcessSet, Queue
from sidelong.worker.worker import Worker
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.timings import TEST_TIMINGS

# Far below what the worker needs by itself with the settings of these tests.
AT_ONCE = 10.0
SLOW = {"poll_interval": 1000.0, "beat_interval": 20.0, "lease_ttl": 60.0, "process_ttl": 60.0}


def message(**fields: str) -> str:
    return json.dumps(fields)


async def test_a_pause_is_heeded_at_once_and_so_is_its_end(
    site: Site, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidelong.worker.pauses._KNOWN_FOR", 1000.0)
    app = site.app(**SLOW)
    ran = asyncio.Event()

    @app.job(name="Note")
    async def note() -> None:
        ran.set()

    async with app, app.worker():
        await Queue(app).pause()
        await eventually(lambda: any("queue default is paused" in line for line in log.lines), AT_ONCE)
        site.push("Note")
        await Queue(app).unpause()
        await asyncio.wait_for(ran.wait(), AT_ONCE)


@pytest.mark.parametrize(("verb", "says"), [("dump_stacks", "stacks, as asked for"), ("quiet", "")])
async def test_signals_are_fetched_at_once(real_site: Site, log: Lines, verb: str, says: str) -> None:
    app = real_site.app(**SLOW)
    async with app:
        worker = app.worker()
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        process = await ProcessSet(app).get(worker.identity or "")
        assert process is not None
        await getattr(process, verb)()
        if says:
            await eventually(lambda: any(says in line for line in log.lines), AT_ONCE)
        else:
            await eventually(lambda: not worker.is_ready, AT_ONCE)
        await process.stop()
        await asyncio.wait_for(running, AT_ONCE)


async def test_two_signals_are_fetched_one_after_the_other_at_once(real_site: Site) -> None:
    app = real_site.app(**SLOW)
    async with app:
        worker = app.worker()
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        real_site.client.lpush(f"{worker.identity}-signals", "TTIN")
        real_site.client.lpush(f"{worker.identity}-signals", "TERM")
        real_site.client.rpush(f"sidelong:control:{worker.identity}", message(do="beat"))
        await asyncio.wait_for(running, AT_ONCE)


async def test_messages_that_make_no_sense_are_told_and_passed_over(site: Site, log: Lines) -> None:
    app = site.app()
    nonsense = [b"\xff", b"", b"[]", b"null", b'{"do": 1}', b'{"do": "cancel"}', b'{"do": "cancel", "jid": 1}']
    async with app, app.worker() as worker:
        key = f"sidelong:control:{worker.identity}"
        for raw in nonsense:
            site.client.rpush(key, raw)
        await eventually(lambda: not site.client.exists(key), AT_ONCE)
        assert (await app.cancel("a" * 24)).outcome == CancelOutcome.NOT_FOUND

    assert any("not understood" in line for line in log.lines)


async def test_a_list_of_the_wrong_type_is_replaced(site: Site) -> None:
    app = site.app()
    going = asyncio.Event()

    @app.job(name="Hold")
    async def hold() -> None:
        await going.wait()

    async with app, app.worker() as worker:
        raw = site.push("Hold")
        await eventually(lambda: worker.running)
        site.client.set(f"sidelong:control:{worker.identity}", "wrong", ex=60)
        assert (await app.cancel(json.loads(raw)["jid"])).outcome == CancelOutcome.CANCELLED
        await site.drained()


async def test_a_stopped_worker_leaves_no_list(site: Site) -> None:
    app = site.app()
    async with app, app.worker() as worker:
        identity = worker.identity
    assert await app.store.control.tell({"do": "beat"}, [identity or ""]) == []
    await app.close()

    assert not site.client.keys("sidelong:control:*")


async def test_a_process_of_ruby_is_told_nothing(site: Site) -> None:
    async with site.app() as app:
        assert await app.store.control.tell({"do": "beat"}, ["ruby:1:0123456789ab"]) == []

    assert site.state() == {}


class Held:
    """A worker behind a proxy that runs one job, and an application beside it that steers."""

    def __init__(self, site: Site, proxy: Proxy) -> None:
        self._site = site
        self.number = site.client.get_connection_kwargs()["db"]
        self.steering = site.app()
        self.app = Sidelong(proxy.url(self.number), **TEST_TIMINGS)

        @self.app.job(name="Hold")
        async def hold() -> None:
            await asyncio.sleep(60)

    async def cancelled(self, worker: Worker, disturb: Callable[[], object]) -> CancelResult:
        """Start a job, disturb the connections, and call the job off."""
        raw = self._site.push("Hold")
        await eventually(lambda: worker.running)
        disturb()
        asked_at = time.monotonic()
        result = await self.steering.cancel(json.loads(raw)["jid"])
        assert time.monotonic() - asked_at < 2 * AT_ONCE
        await self._site.drained()
        return result


@pytest.mark.parametrize("lost", [b"BLPOP", b"sidelong:answers:"], ids=["message", "answer"])
async def test_what_is_lost_is_sent_again(real_site: Site, proxy: Proxy, lost: bytes) -> None:
    held = Held(real_site, proxy)

    def disturb() -> None:
        proxy.drop_reply_to(lost)
        # The wait under way was forwarded before: it ends, and the next one meets the fault.
        real_site.client.rpush(f"sidelong:control:{worker.identity}", message(do="beat"))

    async with held.steering, held.app, held.app.worker() as worker:
        result = await held.cancelled(worker, disturb)

    assert result.outcome == CancelOutcome.CANCELLED
    assert proxy.replies_dropped == 1


async def test_a_cut_connection_is_opened_again(real_site: Site, proxy: Proxy) -> None:
    held = Held(real_site, proxy)
    async with held.steering, held.app, held.app.worker() as worker:
        result = await held.cancelled(worker, proxy.close_all)

    assert result.outcome == CancelOutcome.CANCELLED
