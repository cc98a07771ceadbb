import json
import time

import pytest

from sidelong import Sidelong
from sidelong.cli.top.snapshot import Look
from tests.integration.cli.conftest import job
from tests.support.eventually import eventually
from tests.unit.cli.top.screens import session

ONE = "web-1:11:0123456789ab"


@pytest.fixture
async def app(redis_server):
    async with Sidelong(redis_server.url) as app:
        yield app


async def test_a_look_finds_all_that_is_shown(app, seed, redis_client):
    now = time.time()
    seed.queue("mailers", job("a"), job("b"))
    seed.process(ONE, queues=["mailers"], lag_ms=7)
    seed.work(ONE, "t1", job("c"), run_at=now - 90)
    seed.set("retry", (now + 60, job("later")), (now + 30, job("sooner")))
    redis_client.set("stat:processed", 41)
    minute = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now))
    redis_client.hset(f"sidelong:drained:{minute}", "mailers|p", 60)
    redis_client.expire(f"sidelong:drained:{minute}", 60)

    snapshot = await Look(app).take()

    assert [(queue.name, queue.size) for queue in snapshot.queues.rows.values()] == [("mailers", 2)]
    assert [process.lag_ms for process in snapshot.processes.rows.values()] == [7]
    assert [work.record.jid for work in snapshot.busy.rows.values()] == ["c"]
    assert [entry.jid for entry in snapshot.retries.rows.values()] == ["sooner", "later"]
    assert snapshot.figures.processed == 41
    assert 29 <= snapshot.rates["mailers"] <= 60.1


async def test_one_key_that_cannot_be_read_spoils_none_of_the_others(app, seed, redis_client):
    seed.queue("mailers", job("a"))
    redis_client.set("retry", "nonsense")

    snapshot = await Look(app).take()

    redis_client.delete("retry")
    assert snapshot.retries.error.startswith("WRONGTYPE")
    assert list(snapshot.queues.rows) == ["mailers"]


def test_one_frame_is_printed(sidelong, seed):
    seed.queue("mailers", job("a"))

    done = sidelong("top", "--once")

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert ["mailers", "1"] in [line.split()[:2] for line in lines]
    assert "q quit" not in done.stdout


def test_without_a_terminal_it_says_so(sidelong):
    done = sidelong("top")

    assert done.exit_code == 2
    assert done.stderr.startswith("sidelong: top needs a terminal")
    assert done.stderr.count("\n") == 1


async def test_a_queue_is_paused_and_served_again(app, seed, redis_client):
    seed.queue("mailers", job("a"))
    async with session(app) as screen:
        await screen.shows("> mailers")
        screen.press("p")
        await screen.shows("mailers is paused")
        assert redis_client.smembers("paused") == {b"mailers"}
        await screen.shows("0  paused")
        screen.press("p")
        await screen.shows("mailers is served again")

    assert not redis_client.exists("paused")


async def test_a_retry_is_enqueued_once_that_is_confirmed(app, seed, redis_client):
    seed.set("retry", (time.time() + 600, job("a", retry_count=2)))
    async with session(app) as screen:
        await screen.shows("RETRIES 1")
        screen.press("backtab")
        screen.press("r")
        await screen.shows("Retry a shop.charge now? [y/N]")
        assert redis_client.zcard("retry") == 1
        screen.press("y")
        await screen.shows("a shop.charge is enqueued")

    assert not redis_client.exists("retry")
    assert json.loads(redis_client.lindex("queue:default", 0))["retry_count"] == 1


async def test_a_process_is_quieted_by_an_answer_that_came_after_the_question(app, seed, redis_client):
    seed.process(ONE)
    async with session(app) as screen:
        await screen.shows("PROCESSES 1")
        screen.press("tab", "t", "y")
        await screen.shows(f"Quiet {ONE}, until it is started again? [y/N]")
        assert not redis_client.exists(f"{ONE}-signals")
        screen.press("y")
        await screen.shows(f"{ONE} is told to fetch no more jobs")

    assert redis_client.lrange(f"{ONE}-signals", 0, -1) == [b"TSTP"]


async def test_an_embedded_process_takes_no_orders_and_that_is_told(app, seed, redis_client):
    seed.process(ONE, embedded=True)
    async with session(app) as screen:
        await screen.shows("PROCESSES 1")
        screen.press("tab", "t")
        await screen.shows("[y/N]")
        screen.press("y")
        await screen.shows(f"quiet {ONE}: {ONE} is embedded")

    assert not redis_client.exists(f"{ONE}-signals")


async def test_a_job_that_no_worker_can_be_told_of_is_not_called_cancelled(app, seed):
    seed.process(ONE)
    seed.work(ONE, "t1", job("c"), run_at=time.time())
    async with session(app) as screen:
        await screen.shows("BUSY 1")
        screen.press("tab", "tab", "c")
        await screen.shows("Cancel c shop.charge? [y/N]")
        screen.press("y")
        await screen.shows(f"c shop.charge runs in {ONE}, which cannot be told to cancel")
        await screen.shows("job: it runs on")


async def test_an_order_that_was_given_before_the_end_is_carried_out(app, seed, redis_client):
    seed.queue("mailers", job("a"))
    async with session(app) as screen:
        await screen.shows("> mailers")
        screen.press("p", "q")
        await eventually(screen.running.done, 30)

    assert redis_client.smembers("paused") == {b"mailers"}


async def test_redis_goes_and_comes_back(own_redis):
    with own_redis.client() as client:
        client.sadd("queues", "mailers")
    async with Sidelong(own_redis.url) as app, session(app) as screen:
        await screen.shows("> mailers")
        own_redis.stop(save=True)
        await screen.shows("trying again, this is ")
        assert "> mailers" in screen.text
        own_redis.start()
        await screen.shows_no("trying again")
