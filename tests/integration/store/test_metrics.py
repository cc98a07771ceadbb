"""What is written of executions, and read back: our own figures and those of Sidekiq 7 and 8."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from sidelong.core.config import Config
from sidelong.core.job_figures import JobFigures
from sidelong.errors import ReplyLost
from sidelong.store.metric_names import MINUTE, TEN_MINUTES, start_of
from sidelong.store.metrics_reader import MetricsReader
from sidelong.store.metrics_writer import MetricsWriter
from sidelong.store.scripts import Scripts
from tests.integration.store.conftest import LinkMaker
from tests.support.clocks import ManualClock
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer

IDENTITY = "host:1:0123456789ab"
NOW = datetime(2026, 11, 20, 8, 3, 59, tzinfo=UTC)
MINUTE_AT = start_of(NOW, MINUTE)
OURS = "sidelong:jobs:2026-11-20T08:03"


@pytest.fixture
async def link(redis_server: Database, new_link: LinkMaker):
    return new_link(redis_server.url)


def writer(link, **settings) -> MetricsWriter:
    return MetricsWriter(link, Scripts(), Config(**settings), ManualClock(NOW.timestamp()), identity=IDENTITY)


def figures(executed: int = 3, failed: int = 1, milliseconds: int = 90, **more: int) -> JobFigures:
    made = JobFigures(executed=executed, failed=failed, milliseconds=milliseconds, **more)
    made.histogram[2] = executed - failed
    return made


async def write(writer: MetricsWriter, jobs=None, queues=None) -> list[str]:
    errors = []
    for batch in writer.batches(jobs or {}, queues or {}):
        errors += await writer.write(batch)
    return errors


async def test_writes_what_each_version_of_sidekiq_reads(link, redis_client: redis.Redis):
    jobs, queues = {"OkJob": figures(retried=1, waits=3, waited_ms=60)}, {"default": figures()}

    assert await write(writer(link), jobs, queues) == []
    assert await write(writer(link), {}, {}) == []

    sidekiq = {b"OkJob|p": b"3", b"OkJob|f": b"1", b"OkJob|ms": b"90"}
    assert redis_client.hgetall("j|20261120|8:3") == sidekiq
    assert redis_client.hgetall("j|261120|8:03") == sidekiq
    assert redis_client.hgetall("j|261120|8:0") == sidekiq
    buckets = [word for bucket in range(26) for word in ("GET", "u16", f"#{bucket}")]
    for key in ("OkJob-20-08:3", "h|OkJob-20-8:3"):
        assert redis_client.execute_command("BITFIELD_RO", key, *buckets) == [0, 0, 2, *[0] * 23]
    own = {**sidekiq, b"OkJob|r": b"1", b"OkJob|n": b"3", b"OkJob|w": b"60"}
    assert redis_client.hgetall(OURS) == redis_client.hgetall(OURS[:-1]) == own
    assert redis_client.hget("sidelong:drained:2026-11-20T08:03", "default|p") == b"3"
    assert redis_client.get("sidelong:durations:OkJob:2026-11-20T08:0") == bytes([0] * 11 + [2])
    lives = {key: redis_client.ttl(key) for key in ("j|20261120|8:3", "j|261120|8:0", "h|OkJob-20-8:3")}
    assert lives == pytest.approx({"j|20261120|8:3": 28_800, "j|261120|8:0": 259_200, "h|OkJob-20-8:3": 28_800}, abs=5)


@pytest.mark.parametrize("version", ["7", "8"])
async def test_one_family_of_names_can_be_left_out(link, redis_client: redis.Redis, version: str):
    await write(writer(link, **{f"sidekiq{version}_metrics": False}), {"OkJob": figures()})

    left_out = {"7": {b"j|20261120|8:3", b"OkJob-20-08:3"}, "8": {b"j|261120|8:03", b"j|261120|8:0", b"h|OkJob-20-8:3"}}
    kept = set(redis_client.keys())
    assert not kept & left_out.pop(version)
    assert left_out.popitem()[1] <= kept


async def test_a_batch_whose_reply_was_lost_is_added_once(
    proxy: Proxy, redis_server: Database, new_link: LinkMaker, redis_client: redis.Redis
):
    through = writer(new_link(proxy.url(redis_server.number)))
    await write(through, {"Before": figures()})
    (batch,) = through.batches({"OkJob": figures()}, {})
    proxy.drop_reply_to(b"OkJob")

    with pytest.raises(ReplyLost):
        await through.write(batch)
    after_the_first = redis_client.hgetall(OURS)
    await through.write(batch)

    assert proxy.replies_dropped == 1
    assert after_the_first[b"OkJob|p"] == b"3"
    assert redis_client.hgetall(OURS) == after_the_first


async def test_a_key_of_the_wrong_type_spoils_none_of_the_others(link, redis_client: redis.Redis):
    redis_client.set(OURS, "x")
    redis_client.lpush("OkJob-20-08:3", "x")
    redis_client.hset("j|261120|8:03", "OkJob|p", "many")
    redis_client.lpush(f"sidelong:flushed:{IDENTITY}", "x")

    errors = await write(writer(link), {"OkJob": figures()}, {"default": figures()})

    assert len(errors) == 3
    assert sum(error.startswith("WRONGTYPE") for error in errors) == 2
    named = {key for key in (OURS, "OkJob-20-08:3", "j|261120|8:03") for error in errors if f"(key {key})" in error}
    assert len(named) == 3
    assert redis_client.hgetall("j|261120|8:03") == {b"OkJob|p": b"many", b"OkJob|f": b"1", b"OkJob|ms": b"90"}
    assert redis_client.hget("j|20261120|8:3", "OkJob|p") == b"3"
    assert redis_client.ttl(OURS) == -1
    assert redis_client.get(f"sidelong:flushed:{IDENTITY}") == b"1"
    redis_client.delete(OURS, "OkJob-20-08:3")


async def test_figures_are_kept_where_memory_is_full(own_redis: RedisServer, new_link: LinkMaker):
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)

        assert await write(writer(new_link(own_redis.url)), {"OkJob": figures()}) == []

        assert client.hget(OURS, "OkJob|p") == b"3"


NAMES = ["A|B", "A::B", "é 日本", "x" * 1_000_000, "\udcff\udc80", "\ud800", "a\r\nb"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:12])
async def test_a_class_may_have_any_name(link, redis_client: redis.Redis, name: str):
    assert await write(writer(link), {name: figures()}, {name: figures()}) == []

    (seen,) = await MetricsReader(link, MINUTE).job(name, [MINUTE_AT])
    (jobs,) = await MetricsReader(link, MINUTE).jobs([MINUTE_AT])
    assert (seen.executed, seen.failed, seen.milliseconds, seen.histogram[2]) == (3, 1, 90, 2)
    assert [each.executed for each in jobs.values()] == [3]
    assert all(len(key) < 600 for key in redis_client.scan_iter())
    if "|" in name:
        assert redis_client.keys("j|*") == redis_client.keys("h|*") == []


async def test_many_classes_go_out_in_bounded_steps_and_add_up(link):
    jobs = {f"Job{number}": figures() for number in range(2000)}
    written = writer(link)

    batches = written.batches(jobs, {})
    for batch in batches:
        assert await written.write(batch) == []

    assert max(sum(len(each.pairs) for each in batch.additions) for batch in batches) <= 4000
    (seen,) = await MetricsReader(link, MINUTE).jobs([MINUTE_AT])
    assert {figures.executed for figures in seen.values()} == {3}
    assert len(seen) == 2000


@pytest.mark.parametrize("step", [MINUTE, TEN_MINUTES], ids=["minutes", "ten minutes"])
@pytest.mark.parametrize("families", [(), ("7",), ("8",), ("7", "8")], ids=str)
async def test_what_ruby_counts_is_added_and_what_we_wrote_twice_is_not(
    link, redis_client: redis.Redis, families: tuple[str, ...], step: timedelta
):
    settings = {f"sidekiq{version}_metrics": version in families for version in "78"}
    await write(writer(link, **settings), {"Shared": figures()})
    for key in ("j|261120|8:03", "j|261120|8:0"):
        redis_client.hincrby(key, "Shared|p", 10)
        redis_client.hincrby(key, "Ruby::Only|p", 7)
        redis_client.expire(key, 3600)
    redis_client.execute_command("BITFIELD", "h|Shared-20-8:3", "INCRBY", "u16", "#2", 10)
    redis_client.expire("h|Shared-20-8:3", 3600)

    reader = MetricsReader(link, step)
    (jobs,) = await reader.jobs([start_of(NOW, step)])
    (shared,) = await reader.job("Shared", [start_of(NOW, step)])

    # Where we left this family out, its keys tell of Ruby alone, and less than our own: the larger of both stands.
    expected = 13 if "8" in families else 10
    assert jobs["Shared"].executed == shared.executed == expected
    assert jobs["Ruby::Only"].executed == 7
    assert shared.histogram[2] == (2 if step == TEN_MINUTES else 12 if "8" in families else 10)


async def test_figures_that_are_none_count_as_nothing(link, redis_client: redis.Redis):
    redis_client.hset(
        "j|20261120|8:3", mapping={"A|p": "x", "B|p": "-5", "C|p": "9" * 40, "D|p": "4", "p": "1", b"\xff|p": 2}
    )
    redis_client.hset("j|20261120|8:3", mapping={"E|ff": "1", "F": "1"})
    redis_client.expire("j|20261120|8:3", 3600)
    redis_client.set(OURS, "x")
    redis_client.set("h|D-20-8:3", b"\x00\x01" * 2000, ex=60)
    redis_client.set("D-20-08:3", b"\x00\x01\x00", ex=60)
    reader = MetricsReader(link, MINUTE)

    (jobs,) = await reader.jobs([MINUTE_AT])
    (job,) = await reader.job("D", [MINUTE_AT])

    assert {name: each.executed for name, each in jobs.items()} == {"D": 4, "\udcff": 2}
    assert (job.executed, job.histogram) == (4, [2, *[1] * 25])
    assert len(reader.errors) == 1
    redis_client.delete(OURS)


async def test_a_counter_of_a_histogram_stays_at_its_highest(link, redis_client: redis.Redis):
    many = JobFigures(executed=100_000)
    many.histogram[0] = 100_000

    await write(writer(link), {"OkJob": many})

    assert redis_client.get("OkJob-20-08:3") == b"\xff\xff"
    (seen,) = await MetricsReader(link, MINUTE).job("OkJob", [MINUTE_AT])
    assert seen.histogram[0] == 100_000
