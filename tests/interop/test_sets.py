"""The sets, written by one side and read and steered by the other (wire-format §18, A5, B12, B13 and B16)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import DeadSet, Entry, Filter, RetrySet, ScheduledSet
from tests.interop.ruby import Run
from tests.interop.test_schedule import AWKWARD

SCORE = 1795217202.330885
# As Ruby retries jobs; those of one number fail at one moment.
FAILED_IN_RUBY = """
    given["numbers"].each do |number|
      job = {"class" => "Noted", "args" => [number, "é", 1.0e-5, {"a" => nil}], "jid" => number.to_s.rjust(24, "0"),
             "queue" => "default", "retry" => true, "created_at" => 1795217165.25, "retry_count" => 1,
             "failed_at" => 1795217165.5, "retried_at" => 1795217166.5, "error_class" => "Boom", "error_message" => "é"}
      Sidekiq.redis { |redis| redis.zadd("retry", given["score"].to_s, Sidekiq.dump_json(job)) }
    end
"""
# What its pages make of an entry; 6.4.1 has no method for it.
ID = 'id = ->(entry) { "#{entry.score}-#{entry.jid}" };'
ENTRY = "entry = Sidekiq::RetrySet.new.fetch(given['score'], given['jid']).first;"


def jid(number: int) -> str:
    return f"{number:024}"


def failed_here(number: int) -> dict[str, Any]:
    return {
        "class": "Noted",
        "args": [number, "é", 1e-5, {"a": None}],
        "jid": jid(number),
        "queue": "default",
        "retry": True,
        "created_at": 1795217165.25,
        "retry_count": 1,
        "failed_at": 1795217165.5,
        "retried_at": 1795217166.5,
        "error_class": "Boom",
        "error_message": "é",
    }


async def fail_here(app: Sidelong, *numbers: int) -> None:
    for number in numbers:
        await RetrySet(app).schedule(SCORE, failed_here(number))


def jids(raws: list[bytes]) -> list[str]:
    return sorted(json.loads(raw)["jid"] for raw in raws)


async def test_both_sides_write_the_same_entry(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    async with app:
        await fail_here(app, 1)
        here = redis_client.zrange("retry", 0, -1, withscores=True)
        redis_client.delete("retry")
        await run(FAILED_IN_RUBY, numbers=[1], score=SCORE)

        assert redis_client.zrange("retry", 0, -1, withscores=True) == here


# Ruby on what Python wrote.


async def test_ruby_finds_what_is_written_here(run: Run, app: Sidelong) -> None:
    async with app:
        await fail_here(app, 1, 2, 3)
        entries = {entry.jid: entry async for entry in RetrySet(app)}
    found = await run(
        ID
        + """
        set = Sidekiq::RetrySet.new
        {
          "size" => set.size,
          "ids" => set.map(&id),
          "found" => id[set.find_job(given["jid"])],
          "fetched" => set.fetch(given["score"], given["jid"]).map(&:jid),
          "equals" => set.fetch(given["score"]).map(&:jid).sort,
          "range" => set.fetch(given["score"]..given["score"] + 1).map(&:jid).sort,
          "scanned" => set.scan("é").map(&:jid).sort,
          "none" => set.scan("ü").map(&:jid),
          "key" => set.first.score,
        }
        """,
        jid=jid(2),
        score=SCORE,
    )

    everything = [jid(number) for number in (1, 2, 3)]
    assert found == {
        "size": 3,
        "ids": [entry.id for entry in entries.values()],
        "found": entries[jid(2)].id,
        "fetched": [jid(2)],
        "equals": everything,
        "range": everything,
        "scanned": everything,
        "none": [],
        "key": SCORE,
    }


@pytest.mark.parametrize(
    ("script", "left", "queue", "dead"),
    [
        ("entry.delete", [1, 3], [], []),
        ("entry.retry", [1, 3], [2], []),
        ("entry.add_to_queue", [1, 3], [2], []),
        ("entry.kill", [1, 3], [], [2]),
        ("entry.reschedule(given['score'] + 400)", [1, 2, 3], [], []),
        ("Sidekiq::RetrySet.new.delete_by_jid(given['score'], given['jid'])", [1, 3], [], []),
        ("Sidekiq::RetrySet.new.retry_all", [], [1, 2, 3], []),
        ("Sidekiq::RetrySet.new.kill_all", [], [], [1, 2, 3]),
        ("Sidekiq::RetrySet.new.clear", [], [], []),
    ],
)
async def test_ruby_steers_what_is_written_here_and_keeps_equal_scores_apart(
    run: Run, app: Sidelong, redis_client: redis.Redis, script: str, left: list[int], queue: list[int], dead: list[int]
) -> None:
    async with app:
        await fail_here(app, 1, 2, 3)
    await run(f"{ENTRY} {script}", jid=jid(2), score=SCORE)

    assert jids(redis_client.zrange("retry", 0, -1)) == [*map(jid, left)]
    assert jids(redis_client.lrange("queue:default", 0, -1)) == [*map(jid, queue)]
    assert jids(redis_client.zrange("dead", 0, -1)) == [*map(jid, dead)]


# Python on what Ruby wrote.


async def test_what_ruby_wrote_is_found_here(run: Run, app: Sidelong) -> None:
    await run(FAILED_IN_RUBY, numbers=[1, 2, 3], score=SCORE)
    ids = await run(f"{ID} Sidekiq::RetrySet.new.map(&id)")
    async with app:
        retries = RetrySet(app)
        entries = [entry async for entry in retries]
        found = await retries.find_job(jid(2))

        assert [entry.id for entry in entries] == ids
        assert found is not None
        assert found.id == f"{SCORE}-{jid(2)}"
        assert (await retries.get(ids[1])).value == entries[1].value
        assert [entry.jid for entry in await retries.fetch(SCORE, jid(3))] == [jid(3)]
        assert len(await retries.fetch(SCORE)) == 3
        assert len([entry async for entry in retries.scan("é")]) == 3
        assert [entry async for entry in retries.scan("ü")] == []
        assert [(entry.error_class, entry.error_message, entry.retry_count) for entry in entries] == [
            ("Boom", "é", 1)
        ] * 3


@pytest.mark.parametrize(
    ("act", "left", "queue", "dead"),
    [
        (lambda entry: entry.delete(), [1, 3], [], []),
        (lambda entry: entry.retry(), [1, 3], [2], []),
        (lambda entry: entry.add_to_queue(), [1, 3], [2], []),
        (lambda entry: entry.kill(), [1, 3], [], [2]),
        (lambda entry: entry.edit({"tags": ["mended"]}), [1, 3], [2], []),
        (lambda entry: entry.reschedule(SCORE + 400), [1, 2, 3], [], []),
    ],
)
async def test_what_ruby_wrote_is_steered_here_and_equal_scores_are_kept_apart(
    run: Run,
    app: Sidelong,
    redis_client: redis.Redis,
    act: Callable[[Entry], Awaitable[bool]],
    left: list[int],
    queue: list[int],
    dead: list[int],
) -> None:
    await run(FAILED_IN_RUBY, numbers=[1, 2, 3], score=SCORE)
    async with app:
        (entry,) = await RetrySet(app).fetch(SCORE, jid(2))
        assert await act(entry)

    read = "[Sidekiq::RetrySet, Sidekiq::Queue, Sidekiq::DeadSet].map { |kind| kind.new.map(&:jid).sort }"
    assert await run(read) == [[*map(jid, places)] for places in (left, queue, dead)]
    assert len(redis_client.zrange("retry", 0, -1)) == len(left)


async def test_a_retry_here_leaves_the_payload_that_a_retry_in_ruby_leaves(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    await run(FAILED_IN_RUBY, numbers=[1, 2], score=SCORE)
    async with app:
        (entry,) = await RetrySet(app).fetch(SCORE, jid(1))
        await entry.retry()
    await run(f"{ENTRY} entry.retry", jid=jid(2), score=SCORE)

    ruby, here = [json.loads(raw) for raw in redis_client.lrange("queue:default", 0, -1)]
    for item, number in ((ruby, 2), (here, 1)):
        assert type(item.pop("enqueued_at")) is float
        assert item == {**failed_here(number), "retry_count": 0}
    assert redis_client.smembers("queues") == {b"default"}


@pytest.mark.parametrize("verb", ["retry_all", "kill_all", "delete_all"])
async def test_all_that_ruby_wrote_is_steered_here(
    run: Run, app: Sidelong, redis_client: redis.Redis, verb: str
) -> None:
    await run(FAILED_IN_RUBY, numbers=list(range(130)), score=SCORE)
    async with app:
        outcome = await getattr(RetrySet(app), verb)(where=Filter(text="é", job_class="Noted"))

    sizes = await run("[Sidekiq::RetrySet.new.size, Sidekiq::Queue.new.size, Sidekiq::DeadSet.new.size]")
    assert outcome.done == 130
    assert sizes == {"retry_all": [0, 130, 0], "kill_all": [0, 0, 130], "delete_all": [0, 0, 0]}[verb]


async def test_a_kill_here_is_read_by_ruby_byte_for_byte(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    await run(FAILED_IN_RUBY, numbers=[1], score=SCORE)
    redis_client.zadd("retry", {b"no json \xff": SCORE})
    before = set(redis_client.zrange("retry", 0, -1))
    async with app:
        for entry in await RetrySet(app).fetch(SCORE):
            await entry.kill()

    assert set(redis_client.zrange("dead", 0, -1)) == before
    assert await run("Sidekiq::DeadSet.new.find_job(given['jid']).score > 1.7e9", jid=jid(1))


# Rescheduling.


@pytest.mark.parametrize("value", [*AWKWARD, AWKWARD], ids=repr)
async def test_what_ruby_scheduled_has_one_entry_after_each_side_has_rescheduled_it(
    value: Any, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    await run(
        'Sidekiq::Client.push("class" => "Noted", "args" => [given["value"]], "at" => given["at"])',
        value=value,
        at=4e9 + 0.1,
    )
    ((raw, _),) = redis_client.zrange("schedule", 0, -1, withscores=True)
    async with app:
        (entry,) = [entry async for entry in ScheduledSet(app)]
        assert await entry.reschedule(4e9 + 0.7)
        assert redis_client.zrange("schedule", 0, -1, withscores=True) == [(raw, 4e9 + 0.7)]

        await run("Sidekiq::ScheduledSet.new.first.reschedule(given['at'])", at=4e9 + 400.5)
        ((member, score),) = redis_client.zrange("schedule", 0, -1, withscores=True)
        assert member == raw
        # Ruby adds a difference, and the sum of floats may be off by their last bit.
        assert score == pytest.approx(4e9 + 400.5, abs=1e-5)
        (entry,) = [entry async for entry in ScheduledSet(app)]
        assert await entry.reschedule(4e9 + 1)

    assert await run("Sidekiq::ScheduledSet.new.map { |entry| [entry.score, entry.value] }") == [
        [4e9 + 1, raw.decode()]
    ]


async def test_ruby_finds_by_its_id_what_was_rescheduled_here(run: Run, app: Sidelong) -> None:
    scores = [1795217202.330885, 1795217202.0, 1e9 + 1 / 3, 2**31 + 0.1, 12.5, 123456789.123456789]
    await run(FAILED_IN_RUBY, numbers=[1], score=SCORE)
    async with app:
        (entry,) = [entry async for entry in RetrySet(app)]
        for score in scores:
            assert await entry.reschedule(score)
            status = await run('browse("/retries/" + given["id"]).status', id=entry.id)
            assert status == 200
            assert await run(f"{ID} id[Sidekiq::RetrySet.new.first]") == entry.id


@pytest.mark.parametrize("score", [1e15, 1e16, 123456789012345680.0, 1e-4, 0.1 + 0.2, 1e300, 5e-324, 0.0, -0.5])
async def test_an_id_is_spelt_as_ruby_spells_it(
    run: Run, app: Sidelong, redis_client: redis.Redis, score: float
) -> None:
    redis_client.zadd("retry", {json.dumps(failed_here(1)): score})
    async with app:
        (entry,) = [entry async for entry in RetrySet(app)]

    assert await run(f"{ID} id[Sidekiq::RetrySet.new.first]") == entry.id


# The dead set.


async def test_three_kills_leave_two_entries_on_both_sides(
    run: Run, redis_server: Any, redis_client: redis.Redis
) -> None:
    now = redis_client.time()[0]
    redis_client.zadd("dead", {b"old": now - 2000})
    async with Sidelong(redis_server.url, dead_max_jobs=3, dead_timeout=1000.0) as app:
        for number in range(3):
            await DeadSet(app).kill(failed_here(number))
    here = redis_client.zrange("dead", 0, -1)
    redis_client.delete("dead")
    redis_client.zadd("dead", {b"old": now - 2000})
    await run(
        """
        was = Sidekiq.options.slice(:dead_max_jobs, :dead_timeout_in_seconds)
        begin
          Sidekiq.options.merge!(dead_max_jobs: 3, dead_timeout_in_seconds: 1000)
          given["jobs"].each { |job| Sidekiq::DeadSet.new.kill(job, notify_failure: false) }
        ensure
          Sidekiq.options.merge!(was)
        end
        """,
        jobs=[json.dumps(failed_here(number), separators=(",", ":"), ensure_ascii=False) for number in range(3)],
    )

    assert jids(here) == jids(redis_client.zrange("dead", 0, -1)) == [jid(1), jid(2)]


async def test_what_each_side_has_killed_comes_back_by_the_other(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    await run("given['jobs'].each { |job| Sidekiq::DeadSet.new.kill(job) }", jobs=[json.dumps(failed_here(1))])
    async with app:
        await DeadSet(app).kill(failed_here(2))
        assert await (await DeadSet(app).find_job(jid(1))).retry()
    await run("Sidekiq::DeadSet.new.find_job(given['jid']).retry", jid=jid(2))

    items = [json.loads(raw) for raw in redis_client.lrange("queue:default", 0, -1)]
    assert [(item["jid"], item["retry_count"]) for item in items] == [(jid(2), 0), (jid(1), 0)]
    assert redis_client.zcard("dead") == 0
