"""What one side pushes, the other runs (wire-format §18, A1 to A7).

That Python reads and deletes what Ruby has queued is in `test_api`.
"""

import asyncio
import json
from typing import Any

import pytest
import redis

from sidelong import Sidelong, current_context
from tests.interop.ruby import Run, StartRuby, ran_in_ruby
from tests.support import seeding
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

ARGUMENTS = [
    1,
    -5,
    2**70,
    1.5,
    1e-05,
    1e16,
    1.2e17,
    0.1,
    None,
    True,
    "é 日本 \u2028 </script> \x7f",
    {"a": [{"b": {}}], "": []},
]


async def test_what_ruby_pushes_runs_here_with_equal_arguments(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    ran: list[Any] = []

    @app.job(name="Noted")
    async def noted(*args: Any) -> None:
        ran.append(list(args))

    async with app, app.worker():
        await run(
            """
            args = JSON.parse(given["text"])
            Sidekiq::Client.push("class" => "Noted", "args" => args)
            Sidekiq::Client.push("class" => "Noted", "args" => args, "at" => Time.now.to_f + 0.2)
            """,
            text=json.dumps(ARGUMENTS),
        )
        await eventually(lambda: len(ran) == 2)
        await eventually(lambda: redis_client.get("stat:processed") == b"2")
        processed, sizes = await run("[Sidekiq::Stats.new.processed, Sidekiq::Stats.new.queues.values]")

    assert ran == [ARGUMENTS, ARGUMENTS]
    assert processed == 2
    assert sum(sizes) == 0


async def test_what_is_pushed_here_runs_in_ruby_and_keeps_its_bytes(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    async with app:
        ref = await app.enqueue("Noted", *ARGUMENTS)
    is_same = await run("""
        raw = Sidekiq.redis { |redis| redis.lindex("queue:default", 0) }
        JSON.generate(JSON.parse(raw)) == raw
    """)
    with ruby_worker():
        await eventually(lambda: redis_client.llen("ran") == 1, 30)

    (job,) = ran_in_ruby(redis_client)
    assert is_same
    assert (job["jid"], job["args"]) == (str(ref), ARGUMENTS)


async def test_bulk_pushes_keep_their_order_both_ways(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    ran: list[int] = []

    @app.job(name="Noted", queue="here")
    async def noted(number: int) -> None:
        ran.append(number)

    async with app:
        await run("""
            Sidekiq::Client.push_bulk("class" => "Noted", "queue" => "here", "args" => 1000.times.map { |n| [n] })
        """)
        async with app.worker(concurrency=1):
            await eventually(lambda: len(ran) == 1000)
        await noted.with_options(queue="there").enqueue_many([(number,) for number in range(1000)])
        with ruby_worker(queues=["there"], concurrency=1):
            await eventually(lambda: redis_client.llen("ran") == 1000, 30)

    assert ran == list(range(1000))
    assert [job["args"] for job in ran_in_ruby(redis_client)] == [[number] for number in range(1000)]


async def test_ruby_finds_a_new_queue_and_its_latency(run: Run, app: Sidelong) -> None:
    async with app:
        await app.enqueue("Noted", queue="brand-new")
    names, latency = await run("[Sidekiq::Queue.all.map(&:name), Sidekiq::Queue.new('brand-new').latency]")

    assert names == ["brand-new"]
    # Whole seconds or milliseconds would give an age of years, or a negative one.
    assert 0 <= latency < 5


async def test_ruby_deletes_jobs_and_clears_a_queue(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    async with app:
        keep = str(await app.enqueue("Noted", "keep", *ARGUMENTS))
        gone = str(await app.enqueue("Noted", "gone", *ARGUMENTS))
    left = await run("Sidekiq::Queue.new.find_job(given['jid']).delete; Sidekiq::Queue.new.map(&:jid)", jid=gone)
    await run("Sidekiq::Queue.new.clear")

    assert left == [keep]
    assert redis_client.keys() == []


async def test_both_sides_take_from_queues_in_the_same_strict_order(
    ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    backlog = {"b": 3, "a": 3, "c": 2}
    ran: list[str] = []

    @app.job(name="Noted")
    async def noted(place: str) -> None:
        ran.append(place)

    def fill() -> None:
        for queue, count in backlog.items():
            seeding.push(
                redis_client, *[seeding.payload("Noted", f"{queue}{number}", queue=queue) for number in range(count)]
            )

    fill()
    async with app, app.worker(concurrency=1, queues=["a", "b", "c"]):
        await eventually(lambda: len(ran) == 8)
    fill()
    with ruby_worker(queues=["a", "b", "c"], concurrency=1):
        await eventually(lambda: redis_client.llen("ran") == 8, 30)

    assert ran == ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1"]
    assert [job["args"][0] for job in ran_in_ruby(redis_client)] == ran


async def test_weights_mean_the_same_shares_on_both_sides(
    ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    sample = 400
    weighted = ["high,3", "low,1"]
    ran: list[str] = []

    @app.job(name="Noted")
    async def noted(queue: str) -> None:
        ran.append(queue)

    def fill() -> None:
        for queue in ("high", "low"):
            seeding.push(redis_client, *[seeding.payload("Noted", queue, queue=queue) for _ in range(sample)])

    fill()
    async with app, app.worker(concurrency=1, queues=weighted):
        await eventually(lambda: len(ran) >= 2 * sample)
    fill()
    with ruby_worker(queues=weighted, concurrency=1):
        await eventually(lambda: redis_client.llen("ran") >= 2 * sample, 30)

    here = ran[:sample].count("high") / sample
    there = [job["args"][0] for job in ran_in_ruby(redis_client)][:sample].count("high") / sample
    # Five standard deviations of 400 draws.
    assert here == pytest.approx(0.75, abs=0.11)
    assert there == pytest.approx(0.75, abs=0.11)


async def test_unknown_keys_of_a_ruby_payload_survive_a_failure_here_in_order(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    failed = asyncio.Event()

    @app.job(name="Noted", retry_in=lambda *_: 5000)
    async def noted(*args: Any) -> None:
        failed.set()
        raise ValueError("once")

    unknown = {"team": {"b": 1.0e-05, "a": [None, "é"]}, "locale": "de", "cattr": {"user": 2**70}, "z": False}
    async with app:
        await run('Sidekiq::Client.push({"class" => "Noted", "args" => [1]}.merge(given["unknown"]))', unknown=unknown)
        (pushed,) = redis_client.lrange("queue:default", 0, -1)
        async with app.worker():
            await eventually(failed.is_set)
            await eventually(lambda: redis_client.zcard("retry") == 1)
    (failed_once,) = redis_client.zrange("retry", 0, -1)
    redis_client.zadd("retry", {failed_once: 1.0})
    with ruby_worker():
        await eventually(lambda: redis_client.llen("ran") == 1, 30)

    before = json.loads(pushed)
    (after,) = ran_in_ruby(redis_client)
    assert {key: after[key] for key in unknown} == unknown
    assert list(after)[: len(before)] == list(before)
    assert list(after)[len(before) :] == ["error_message", "error_class", "failed_at", "retry_count"]


async def test_unknown_keys_of_a_ruby_payload_are_there_in_order_when_it_is_run_again_here(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    ran: list[dict[str, Any]] = []

    @app.job(name="Noted", retry_in=lambda *_: 5000)
    async def noted(*args: Any) -> None:
        ran.append(dict(current_context().item))
        if len(ran) == 1:
            raise ValueError("once")

    unknown = {"team": {"b": 1.0e-05, "a": [None, "é"]}, "locale": "de", "cattr": {"user": 2**70}, "z": False}
    async with app, app.worker():
        await run('Sidekiq::Client.push({"class" => "Noted", "args" => [1]}.merge(given["unknown"]))', unknown=unknown)
        await eventually(lambda: redis_client.zcard("retry") == 1)
        (failed_once,) = redis_client.zrange("retry", 0, -1)
        redis_client.zadd("retry", {failed_once: 1.0})
        await eventually(lambda: len(ran) == 2, 10)

    first, second = ran
    assert [{key: item[key] for key in unknown} for item in ran] == [unknown, unknown]
    assert list(second) == [*first, "error_message", "error_class", "failed_at", "retry_count"]
