"""Each side looks at what the other has written, and steers it (wire-format §18, A4, A5, C17 to C20, D23, G31 to G33).

Workers of ours that Ruby sees and steers are in `test_processes`.
"""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import Filter, History, ProcessSet, Queue, Stats, WorkSet
from sidelong.errors import NotSteerableError
from tests.interop.ruby import Run, StartRuby
from tests.support import seeding
from tests.support.eventually import eventually
from tests.support.ledger import Ledger

pytestmark = pytest.mark.allow_any_keys

# Sidekiq's own: a process of Ruby beats every 0.2 s here.
SIGNAL_WITHIN = 15.0
PAUSE_KNOWN_WITHIN = 6.0


async def test_python_reads_and_deletes_what_ruby_has_queued(run: Run, app: Sidelong) -> None:
    jids = await run(
        """
        noted = {"class" => "Noted", "queue" => "b", "tags" => ["x"]}
        3.times.map { |n| Sidekiq::Client.push(noted.merge("args" => [n, "é"])) } +
          [Sidekiq::Client.push("class" => "Failing", "args" => [], "queue" => "a")]
        """
    )
    async with app:
        queue = Queue(app, "b")
        names = [each.name for each in await Queue.all(app)]
        listed = [job async for job in queue]
        by_text = [job.jid async for job in queue.jobs(where=Filter(text="É"))]
        latency = await queue.latency()
        deleted = await queue.delete_job(jids[0])
        again = await queue.delete_job(jids[0])
        ruby_latency = await run("Sidekiq::Queue.new('b').latency")
        deleted_by_record = await listed[1].delete()
        left = await run("Sidekiq::Queue.new('b').map(&:jid)")
        cleared = await queue.clear()
        seen = await run("[Sidekiq::Queue.all.map(&:name), Sidekiq::Queue.new('b').size]")

    assert names == ["a", "b"]
    assert [job.jid for job in listed] == by_text == jids[:3]
    assert [(job.job_class, job.args, job.tags, job.queue, job.fault) for job in listed] == [
        ("Noted", [number, "é"], ["x"], "b", None) for number in range(3)
    ]
    assert all(0 <= job.latency < 60 and job.created_at for job in listed)
    assert latency == pytest.approx(ruby_latency, abs=5)
    assert deleted is not None
    assert again is None
    assert deleted_by_record
    assert left == [jids[2]]
    assert cleared == 1
    assert seen == [["a"], 0]


async def test_ruby_reads_and_deletes_what_python_has_queued(run: Run, app: Sidelong) -> None:
    async with app:
        jids = [str(await app.enqueue("Noted", number, "é", queue="b", tags=["x"])) for number in range(3)]
        seen = await run(
            """
            Sidekiq::Queue.new("b").map { |job| [job.jid, job.klass, job.args, job.tags, job.latency.between?(0, 60)] }
            """
        )
        await run("Sidekiq::Queue.new('b').find_job(given['jid']).delete && nil", jid=jids[1])
        left = [job.jid async for job in Queue(app, "b")]
        await run("Sidekiq::Queue.new('b').clear && nil")
        names = [queue.name for queue in await Queue.all(app)]

    assert seen == [[jid, "Noted", [number, "é"], ["x"], True] for number, jid in reversed([*enumerate(jids)])]
    assert left == [jids[0], jids[2]]
    assert names == []


async def test_both_sides_tell_the_same_figures(
    run: Run, app: Sidelong, ruby_worker: StartRuby, redis_client: redis.Redis
) -> None:
    for _ in range(5):
        seeding.push(redis_client, seeding.payload("Noted"))
    seeding.push(redis_client, seeding.payload("Failing"))
    until = datetime.now(UTC).date() + timedelta(days=1)
    with ruby_worker():
        await eventually(lambda: redis_client.get("stat:failed") == b"1", 30)
        await eventually(lambda: redis_client.get("stat:processed") == b"6", 30)
    seeding.push(redis_client, *[seeding.payload("Noted", queue=name) for name in ("a", "b", "b", "default")])
    redis_client.zadd("schedule", {seeding.payload("Noted"): 1e10})
    async with app:
        figures = await Stats(app).fetch()
        processed = await History(app, days=3, start=until).processed()
        failed = await History(app, days=3, start=until).failed()
        theirs = await run(
            """
            stats = Sidekiq::Stats.new
            history = Sidekiq::Stats::History.new(3, Date.parse(given["day"]))
            [stats.processed, stats.failed, stats.scheduled_size, stats.retry_size, stats.dead_size,
             stats.processes_size, stats.enqueued, stats.workers_size, stats.queues, history.processed, history.failed,
             stats.default_queue_latency]
            """,
            day=until.isoformat(),
        )
        await Stats(app).reset()
        reset = await run("[Sidekiq::Stats.new.processed, Sidekiq::Stats.new.failed]")
        await run("Sidekiq::Stats.new.reset && nil")

    assert [
        figures.processed, figures.failed, figures.scheduled_size, figures.retry_size, figures.dead_size,
        figures.processes_size, figures.enqueued, figures.workers_size, figures.queues,
        {str(day): count for day, count in processed.items()}, {str(day): count for day, count in failed.items()},
    ] == theirs[:-1]  # fmt: skip
    assert figures.default_queue_latency == pytest.approx(theirs[-1], abs=5)
    # Midnight may pass meanwhile.
    assert (figures.processed, figures.failed, sum(processed.values())) == (6, 1, 6)
    assert reset == [0, 0]


async def test_python_sees_a_ruby_worker_and_what_it_runs(
    run: Run, app: Sidelong, ruby_worker: StartRuby, redis_client: redis.Redis, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    raw = seeding.payload("Held", str(gate))
    (jid,) = seeding.push(redis_client, raw)
    with ruby_worker(concurrency=3, queues=["default", "low"]) as worker:
        async with app:
            work = await eventually(lambda: WorkSet(app).find_work(jid), 30)
            (process,) = [process async for process in ProcessSet(app)]
            size = await WorkSet(app).size()
            total = await ProcessSet(app).total_concurrency()
            gate.touch()
            await eventually(lambda: is_idle(app), 30)
            identity = worker.identity()

    now = redis_client.time()[0]
    assert (process.identity, process.hostname, process.pid) == (identity, socket.gethostname(), worker.pid)
    assert (process.concurrency, process.queues, process.busy, process.is_quiet) == (3, ["default", "low"], 1, False)
    assert (process.labels, process.version, process.job_classes, process.fault) == ([], "", None, None)
    assert process.started_at is not None
    assert process.beat is not None
    assert now - 120 < process.started_at <= process.beat <= now + 60
    assert 10_000 < process.rss < 1_000_000
    assert process.rtt_us > 0
    assert (work.identity, work.queue, work.record.value) == (identity, "default", raw)
    assert (work.record.jid, work.record.args) == (jid, [str(gate)])
    assert now - 120 < work.run_at <= now + 60
    assert (size, total) == (1, 3)


async def is_idle(app: Sidelong) -> bool:
    return await WorkSet(app).size() == 0


async def test_python_quiets_stops_and_dumps_a_ruby_worker(
    app: Sidelong, ruby_worker: StartRuby, redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (jid,) = seeding.push(redis_client, seeding.payload("Held", str(gate)))
    with ruby_worker(timeout=20) as worker:
        await eventually(lambda: jid in ledger.history().runs, 30)
        async with app:
            (process,) = [process async for process in ProcessSet(app)]
            await process.dump_stacks()
            await eventually(lambda: "jobs.rb" in worker.log(), SIGNAL_WITHIN)
            await process.quiet()
            await eventually(lambda: is_quiet(app, process.identity), SIGNAL_WITHIN)
            (late,) = seeding.push(redis_client, seeding.payload("Held", str(gate)))
            await process.stop()
            gate.touch()
            await eventually(lambda: not redis_client.sismember("processes", process.identity), SIGNAL_WITHIN)
            left = [job.jid async for job in Queue(app)]

    assert jid in ledger.history().ends
    assert left == [late]


async def is_quiet(app: Sidelong, identity: str) -> bool:
    process = await ProcessSet(app).get(identity)
    return process is not None and process.is_quiet


async def test_python_prunes_a_ruby_worker_that_was_killed(
    run: Run, app: Sidelong, ruby_worker: StartRuby, redis_client: redis.Redis
) -> None:
    with ruby_worker() as worker:
        identity = worker.identity()
        assert identity is not None
        worker.kill()
    async with app:
        # As if its minute were over.
        redis_client.delete(identity)
        listed = [process.identity async for process in ProcessSet(app)]
        size = await ProcessSet(app).size()

    assert (listed, size) == ([], 0)
    assert await run("Sidekiq::ProcessSet.new(false).size") == 0


async def test_ruby_refuses_the_embedded_worker_as_python_does(run: Run, app: Sidelong) -> None:
    async with app, app.worker():
        (process,) = [process async for process in ProcessSet(app)]
        with pytest.raises(NotSteerableError):
            await process.stop()
        is_embedded = await run("Sidekiq::ProcessSet.new.first['embedded']")

    assert is_embedded is True


async def test_python_shows_the_backtraces_that_ruby_wrote(
    run: Run, app: Sidelong, ruby_worker: StartRuby, redis_client: redis.Redis
) -> None:
    seeding.push(redis_client, seeding.payload("Failing", backtrace=True))
    with ruby_worker():
        await eventually(lambda: redis_client.zcard("retry") == 1, 30)
    (raw,) = redis_client.zrange("retry", 0, -1)
    encoded = json.loads(raw)["error_backtrace"]
    theirs = await run("Sidekiq::RetrySet.new.first.error_backtrace")
    one_line = {"error_backtrace": encoded.replace("\n", ""), "jid": "one line"}
    redis_client.lpush("queue:default", raw, seeding.payload("Failing", **one_line))
    redis_client.lpush("queue:default", seeding.payload("Failing", error_backtrace=theirs))
    async with app:
        shown = [job.error_backtrace async for job in Queue(app)]
        first = await Queue(app).first()

    assert shown == [theirs] * 3
    assert "jobs.rb" in theirs[0]
    assert "\n" in encoded
    assert first is not None
    assert (first.error_class, first.error_message, first.retry_count) == ("ArgumentError", "from Ruby", 0)


async def test_python_shows_one_instant_alike_however_it_was_written(app: Sidelong, redis_client: redis.Redis) -> None:
    now = int(redis_client.time()[0]) - 100
    for at in (float(now), now * 1000):
        seeding.push(redis_client, seeding.payload("Noted", queue="b", created_at=at, enqueued_at=at))
    async with app:
        jobs = [job async for job in Queue(app, "b")]

    assert [(job.created_at, job.enqueued_at) for job in jobs] == [(now, now)] * 2
    assert all(99 < job.latency < 200 for job in jobs)


DEFECTS: dict[str, dict[str, Any]] = {
    "failed_at missing": {"retry_count": 0},
    "retried_at missing": {"retry_count": 3, "failed_at": 1795217165.5},
    "retry_count a string": {"retry_count": "1"},
    "created_at a string": {"created_at": "yesterday"},
    "tags not an array": {"tags": "x"},
    "cattr a string": {"cattr": "x"},
    "error_backtrace undecodable": {"error_backtrace": "***"},
    "jid missing": {"jid": None},
    "everything missing": {"class": None, "args": None, "queue": None, "created_at": None},
}


def defective() -> dict[str, bytes]:
    """Return the payloads of wire-format §14 that break pages of Ruby, by what is wrong with them."""
    raws = {text: text.encode() for text in ("no JSON", '["an array"]')}
    for name, fields in DEFECTS.items():
        item = {"class": "Noted", "args": [name], "jid": name, "queue": "default", "created_at": 1795217165.5, **fields}
        raws[name] = json.dumps({key: value for key, value in item.items() if value is not None}).encode()
    return raws


async def test_python_lists_every_defect_that_breaks_pages_of_ruby(app: Sidelong, redis_client: redis.Redis) -> None:
    raws = list(defective().values())
    redis_client.sadd("queues", "default")
    redis_client.lpush("queue:default", *raws)
    async with app:
        listed = [job async for job in Queue(app)]
        backwards = [job.value async for job in Queue(app).jobs(oldest_first=False)]
        summaries = await Stats(app).queue_summaries()

    assert [job.value for job in listed] == raws == backwards[::-1]
    assert [job.fault is not None for job in listed] == [True] * 2 + [False] * 8 + [True]
    assert [job.tags for job in listed] == [[]] * 11
    assert [job.retry_count for job in listed[2:5]] == [0, 3, None]
    assert (summaries[0].size, summaries[0].error) == (11, None)


# What becomes of those that do not run when a worker of ours takes them: what is no job is buried as it is, and a job
# without a class fails as one of a class that nobody knows.
ENDS = {"everything missing": "retry", "no JSON": "dead", '["an array"]': "dead"}


@pytest.mark.parametrize("place", ["queue", "retry", "schedule"])
async def test_python_runs_or_buries_every_defect_that_breaks_pages_of_ruby(
    place: str, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    ran: list[str] = []

    @app.job(name="Noted")
    async def noted(name: str) -> None:
        ran.append(name)

    raws = defective()
    redis_client.sadd("queues", "default")
    if place == "queue":
        redis_client.lpush("queue:default", *raws.values())
    else:
        redis_client.zadd(place, dict.fromkeys(raws.values(), 1.0))
    running = sorted(raws.keys() - ENDS.keys())
    async with app, app.worker():
        await eventually(lambda: redis_client.zcard("dead") == 2, 15)
        await eventually(lambda: redis_client.get("stat:processed") == b"%d" % (len(running) + 1), 15)
        await eventually(lambda: redis_client.zcount("retry", 100, "+inf") == 1)
        # It goes on with what is sane.
        await app.enqueue("Noted", "sane")
        await eventually(lambda: ran[-1] == "sane")
    # Ruby cannot list an array.
    dead = [raw.decode() for raw in redis_client.zrange("dead", 0, -1)]
    retried = await run("Sidekiq::RetrySet.new.map { |entry| [entry.jid, entry.item['retry_count']] }")

    assert sorted(ran[:-1]) == running
    assert set(dead) == {name for name, end in ENDS.items() if end == "dead"}
    assert retried == [["everything missing", 0]]
    assert (redis_client.llen("queue:default"), redis_client.zcard("schedule")) == (0, 0)


async def test_a_queue_that_ruby_pauses_is_left_alone_until_it_ends_the_pause(
    run: Run, app: Sidelong, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sidelong")
    ran: list[str] = []

    @app.job(name="Noted")
    async def noted(queue: str) -> None:
        ran.append(queue)

    async with app, app.worker(queues=["a", "b"]):
        await run('Sidekiq.redis { |redis| redis.sadd("paused", "a") } && nil')
        await eventually(lambda: "queue a is paused" in caplog.text, PAUSE_KNOWN_WITHIN)
        for queue in ("a", "b"):
            seeding.push(redis_client, seeding.payload("Noted", queue, queue=queue))
        await eventually(lambda: ran == ["b"])
        is_paused = await Queue(app, "a").is_paused()
        # A wait that was on its way home may have brought it.
        await eventually(lambda: redis_client.llen("queue:a") == 1)
        await run('Sidekiq.redis { |redis| redis.srem("paused", "a") } && nil')
        await eventually(lambda: ran == ["b", "a"], PAUSE_KNOWN_WITHIN + 1)

    assert is_paused


async def test_both_sides_mark_the_leader(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    async with app, app.worker() as worker:
        assert worker.identity is not None
        await eventually(lambda: redis_client.exists(worker.identity))
        before = await run("browse('/busy').body")
        redis_client.set("dear-leader", worker.identity)
        after = await run("browse('/busy').body")
        (process,) = [process async for process in ProcessSet(app)]

    assert process.is_leader
    assert "leader" not in before
    assert "leader" in after
