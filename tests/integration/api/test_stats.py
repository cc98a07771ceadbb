import time
from datetime import UTC, date, datetime, timedelta

import pytest

from sidelong import Sidelong
from sidelong.api import History, QueueSummary, Stats
from sidelong.errors import Refused, StoreError, Unavailable
from tests.integration.worker.site import Site
from tests.support.redis_server import RedisServer

IDENTITY = "web.1:4711:0123456789ab"


def fill(site: Site) -> None:
    site.client.set("stat:processed", 7)
    site.client.set("stat:failed", 2)
    site.client.zadd("schedule", {"a": 1})
    site.client.zadd("retry", {"a": 1, "b": 2})
    site.client.zadd("dead", {"a": 1, "b": 2, "c": 3})
    site.client.sadd("processes", IDENTITY, "gone:1:0123456789ab")
    site.client.hset(IDENTITY, "busy", 3)
    site.client.expire(IDENTITY, 60)
    site.push("Job", enqueued_at=time.time() - 100)
    for _ in range(3):
        site.push("Job", queue="long")


async def test_fetches_all_figures(site: Site, app: Sidelong):
    fill(site)

    figures = await Stats(app).fetch()

    assert (figures.processed, figures.failed) == (7, 2)
    assert (figures.scheduled_size, figures.retry_size, figures.dead_size, figures.processes_size) == (1, 2, 3, 2)
    assert 99 < figures.default_queue_latency < 160
    assert (figures.enqueued, figures.workers_size, figures.errors) == (4, 3, ())
    assert list(figures.queues.items()) == [("long", 3), ("default", 1)]


async def test_an_empty_redis_has_figures_as_well(app: Sidelong):
    figures = await Stats(app).fetch()

    assert (figures.processed, figures.default_queue_latency, figures.enqueued, figures.queues) == (0, 0.0, 0, {})


async def test_the_fast_figures_take_one_round_trip_of_seven_commands(site: Site, app: Sidelong):
    fill(site)
    link = app.store.admin
    await link.call("PING")
    before = link.sent

    figures = await Stats(app).fetch(slow=False)

    assert link.sent - before == 7
    assert (figures.processed, figures.enqueued, figures.workers_size, figures.queues) == (7, None, None, None)


@pytest.mark.allow_any_keys
async def test_a_key_of_another_type_is_told_and_spoils_nothing_else(site: Site, app: Sidelong):
    fill(site)
    for key in ("retry", "queue:long", IDENTITY):
        site.client.delete(key)
        site.client.set(key, "x")

    figures = await Stats(app).fetch()
    summaries = await Stats(app).queue_summaries()

    assert (figures.processed, figures.retry_size, figures.dead_size, figures.workers_size) == (7, 0, 3, 0)
    assert figures.queues == {"default": 1, "long": 0}
    assert [error.split(" (key ")[1] for error in figures.errors] == ["retry)", "queue:long)"]
    assert [(summary.name, summary.error is None) for summary in summaries] == [("default", True), ("long", False)]


@pytest.mark.allow_any_keys
async def test_unreadable_pauses_pause_nothing_and_unreadable_queues_are_not_none(site: Site, app: Sidelong):
    fill(site)
    site.client.set("paused", "x")

    summaries = await Stats(app).queue_summaries()

    assert [(queue.name, queue.is_paused, queue.error) for queue in summaries] == [
        ("long", False, None),
        ("default", False, None),
    ]
    assert {str(queue.pause_error).partition(" (")[2] for queue in summaries} == {"key paused)"}
    site.client.delete("queues")
    site.client.set("queues", "x")
    with pytest.raises(Refused, match="queues"):
        await Stats(app).queue_summaries()


async def test_counters_that_are_no_numbers_count_as_0(site: Site, app: Sidelong):
    site.client.set("stat:processed", "x")
    site.client.set("stat:failed", b"\xff")

    assert (await Stats(app).fetch()).processed == 0


async def test_summarizes_queues(site: Site, app: Sidelong):
    fill(site)
    site.client.sadd("paused", "long")

    long, default = await Stats(app).queue_summaries()

    assert (long.name, long.size, long.is_paused, default.is_paused) == ("long", 3, True, False)
    assert default == QueueSummary("default", 1, default.latency, False)
    assert 99 < default.latency < 160


async def test_many_queues_are_asked_in_bounded_round_trips(site: Site, app: Sidelong):
    site.client.sadd("queues", *[f"q{number}" for number in range(2500)])

    figures = await Stats(app).fetch()

    assert len(figures.queues) == 2500


async def test_resets_the_counters_and_keeps_the_days(site: Site, app: Sidelong):
    fill(site)

    await Stats(app).reset("failed")
    assert [(await Stats(app).fetch()).processed, (await Stats(app).fetch()).failed] == [7, 0]
    await Stats(app).reset()
    assert (await Stats(app).fetch()).processed == 0
    with pytest.raises(ValueError, match="no counter 'dead'"):
        await Stats(app).reset("processed", "dead")


async def test_history_counts_back_from_today_in_utc(site: Site, app: Sidelong):
    today = datetime.now(UTC).date()
    site.client.set(f"stat:processed:{today}", 5, ex=100)
    site.client.set(f"stat:processed:{today - timedelta(days=2)}", 3, ex=100)
    site.client.set(f"stat:failed:{today}", "x", ex=100)

    processed = await History(app, days=3).processed()

    assert list(processed.values()) in ([5, 0, 3], [0, 5, 0])  # midnight may have passed
    assert len(await History(app).failed()) == 30
    assert sum((await History(app, days=1825).processed()).values()) == 8


async def test_history_may_end_on_any_day(site: Site, app: Sidelong):
    site.client.set("stat:failed:2026-03-01", 4, ex=100)

    failed = await History(app, days=2, start=date(2026, 3, 1)).failed()

    assert failed == {date(2026, 3, 1): 4, date(2026, 2, 28): 0}


@pytest.mark.parametrize("days", [0, -1, 1826, True, 1.5, "30", None])
def test_history_has_limits(days):
    with pytest.raises(ValueError, match="days must be a whole number from 1 to 1825"):
        History(Sidelong("memory://"), days=days)


def test_history_does_not_begin_before_time():
    with pytest.raises(ValueError, match="there are no 30 days up to 0001-01-05"):
        History(Sidelong("memory://"), start=date(1, 1, 5))


async def test_redis_gone_is_one_error(own_redis: RedisServer):
    async with Sidelong(own_redis.url, connect_timeout=0.5) as app:
        await Stats(app).fetch()
        own_redis.stop()

        with pytest.raises(StoreError):
            await Stats(app).fetch()
        with pytest.raises(Unavailable):
            await Stats(app).fetch(slow=False)


async def test_a_user_who_may_read_nothing_gets_an_error_not_zeros(own_redis: RedisServer):
    with own_redis.client() as client:
        client.execute_command("ACL", "SETUSER", "nobody", "reset", "on", ">x", "+select", "+client")
    async with Sidelong(own_redis.url.replace("redis://", "redis://nobody:x@")) as app:
        with pytest.raises(Refused, match="NOPERM"):
            await Stats(app).fetch()
