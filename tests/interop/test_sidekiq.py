"""A Ruby process and a Python process share one Redis (wire-format §18)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from sidelong import Sidelong, current_context
from tests.interop.ruby import Ruby
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

Run = Callable[[str], Awaitable[Any]]

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

    text = json.dumps(ARGUMENTS)
    async with app, app.worker():
        await run(f"""
            args = JSON.parse({json.dumps(text)})
            Sidekiq::Client.push("class" => "Noted", "args" => args)
            Sidekiq::Client.push("class" => "Noted", "args" => args, "at" => Time.now.to_f + 0.2)
        """)
        await eventually(lambda: len(ran) == 2)
        await eventually(lambda: redis_client.get("stat:processed") == b"2")
        processed = await run("puts Sidekiq::Stats.new.processed")

    assert ran == [ARGUMENTS, ARGUMENTS]
    assert processed == 2


async def test_what_is_pushed_here_runs_in_ruby_and_keeps_its_bytes(
    ruby: Ruby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    async with app:
        jid = str(await app.enqueue("Noted", *ARGUMENTS))
        (raw,) = redis_client.lrange("queue:default", 0, -1)
        found = await run("""
            queue = Sidekiq::Queue.new
            raw = Sidekiq.redis { |redis| redis.lindex("queue:default", 0) }
            puts JSON.generate([Sidekiq::Queue.all.map(&:name), queue.latency, JSON.generate(JSON.parse(raw)) == raw])
        """)
        await app.client.push({"class": "Noted", "args": ["later"], "at": redis_client.time()[0] - 1})
        await app.client.push_bulk({"class": "Noted", "args": [[number] for number in range(20)]})

        with ruby.worker():
            await eventually(lambda: redis_client.llen("noted") == 22, 30)

    ran = [json.loads(each) for each in redis_client.lrange("noted", 0, -1)]
    names, latency, is_same = found
    assert names == ["default"]
    assert 0 <= latency < 30
    assert is_same, raw
    assert [jid, ARGUMENTS] in ran
    assert sorted(args[0] for _, args in ran if type(args[0]) is int and len(args) == 1) == list(range(20))


async def test_ruby_reads_and_runs_on_what_failed_here(
    ruby: Ruby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    @app.job(name="Noted", backtrace=5)
    async def noted(*args: Any) -> None:
        raise ValueError("from Python é")

    async with app:
        async with app.worker():
            ref = await noted.enqueue(7)
            await eventually(lambda: redis_client.zcard("retry") == 1)
        item = await run("""
            set = Sidekiq::RetrySet.new
            entry = set.first
            puts JSON.generate(entry.item.merge(
              "wait" => entry.at - Time.now, "lines" => entry.error_backtrace,
              "found" => set.find_job(entry.jid).jid, "scanned" => set.scan("é").map(&:jid)))
        """)
        await run("Sidekiq::RetrySet.new.retry_all")
        with ruby.worker():
            await eventually(lambda: redis_client.llen("noted") == 1, 30)

    assert ref is not None
    assert [item[key] for key in ("error_class", "error_message", "retry_count")] == ["ValueError", "from Python é", 0]
    assert 5 < item["wait"] < 25
    assert item["lines"][0].endswith(":in noted")
    assert item["found"] == ref.jid
    assert item["scanned"] == [ref.jid]
    assert json.loads(redis_client.lindex("noted", 0)) == [ref.jid, [7]]


async def test_what_failed_in_ruby_goes_on_here(ruby: Ruby, run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    seen: list[tuple[int, Any]] = []

    @app.job(name="Failing", retry_in=lambda *_: 5000)
    async def failing(*args: Any) -> None:
        seen.append((current_context().attempt, list(args)))
        raise ValueError("from Python")

    async with app:
        await app.enqueue("Failing", 1)
        with ruby.worker():
            await eventually(lambda: redis_client.zcard("retry") == 1, 30)
        ((before, _),) = redis_client.zrange("retry", 0, -1, withscores=True)
        redis_client.zadd("retry", {before: 1.0})
        async with app.worker():
            await eventually(lambda: seen)
            await eventually(lambda: redis_client.zcount("retry", 100, "+inf") == 1)
    (after,) = redis_client.zrange("retry", 0, -1)

    first, second = json.loads(before), json.loads(after)
    assert first["error_class"] == "ArgumentError"
    assert seen == [(2, [1])]
    assert second["failed_at"] == first["failed_at"]
    assert (second["retry_count"], second["error_class"]) == (1, "ValueError")
    assert list(second)[: len(first)] == list(first)


async def test_ruby_edits_what_stands_here(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    async with app:
        due = float(redis_client.time()[0] + 1000)
        await app.client.push({"class": "Noted", "args": ARGUMENTS, "at": due + 0.25})
        keep = str(await app.enqueue("Noted", "keep"))
        gone = await app.enqueue("Noted", "gone")
        found = await run(f"""
            Sidekiq::ScheduledSet.new.first.reschedule({due} + 400)
            Sidekiq::Queue.new.find_job("{gone}").delete
            puts JSON.generate([Sidekiq::ScheduledSet.new.map {{ |entry| entry.score }}, Sidekiq::Queue.new.map(&:jid)])
        """)
        await run("Sidekiq::Queue.new.clear; Sidekiq::ScheduledSet.new.clear")

    # A payload that Ruby writes with other bytes would now be there twice.
    assert found == [[due + 400], [keep]]
    assert redis_client.keys() == []


async def test_ruby_retries_what_is_dead_here(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    attempts: list[int] = []

    @app.job(name="Noted", retry=0)
    async def noted() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("dies")

    async with app, app.worker():
        await noted.enqueue()
        await eventually(lambda: redis_client.zcard("dead") == 1)
        await run("Sidekiq::DeadSet.new.each(&:retry)")
        await eventually(lambda: redis_client.get("stat:processed") == b"2")

    assert len(attempts) == 2
    assert redis_client.zcard("dead") == 0


async def test_ruby_sees_the_process_and_its_work_and_prunes_neither(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    gate = asyncio.Event()
    ran: list[str] = []

    @app.job(name="Held")
    async def held() -> None:
        await gate.wait()
        ran.append("held")

    worker = app.worker(concurrency=3, queues=["default", "low"])
    async with app:
        running = asyncio.create_task(worker.run())
        ref = await held.enqueue()
        await eventually(lambda: worker.identity and redis_client.hget(worker.identity, "busy") == b"1")
        found = await run("""
            process = Sidekiq::ProcessSet.new.first
            fields = %w[concurrency queues busy hostname].map { |name| process[name] }
            work = Sidekiq::Workers.new.map do |identity, tid, entry|
              [identity, entry["queue"], entry["payload"]["jid"], entry["run_at"]]
            end
            puts JSON.generate([process.identity, *fields, process.tag, process.labels, process.stopping?, work])
        """)
        for _ in range(3):
            await run("Sidekiq::ProcessSet.new")
        pruned = not redis_client.sismember("processes", str(worker.identity))
        await run("Sidekiq::ProcessSet.new.first.quiet!")
        await eventually(lambda: redis_client.hget(str(worker.identity), "quiet") == b"true")
        stopping = await run("puts Sidekiq::ProcessSet.new.first.stopping?")
        await run("Sidekiq::ProcessSet.new.first.stop!")
        gate.set()
        await asyncio.wait_for(running, 10)
        left = await run("puts Sidekiq::ProcessSet.new.size")

    identity, concurrency, queues, busy, hostname, tag, labels, is_stopping, work = found
    assert ref is not None
    assert identity == worker.identity
    assert (concurrency, queues, busy, is_stopping) == (3, ["default", "low"], 1, False)
    assert (hostname, tag, labels) == (identity.split(":")[0], "", [])
    assert [entry[:3] for entry in work] == [[identity, "default", ref.jid]]
    assert type(work[0][3]) is int
    assert not pruned
    assert stopping is True
    assert ran == ["held"]
    assert left == 0
