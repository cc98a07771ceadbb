"""What a worker tells about itself in Redis, and the signals it takes from there."""

import asyncio
import json
import os
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from sidelong import Capsule
from sidelong.worker.worker import Worker
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


async def test_the_process_record_has_every_field_that_any_version_reads(site: Site) -> None:
    app = site.app(tag="shop", labels=("blue", "eu"), hostname="host-1", beat_interval=0.05)

    @app.job(name="B")
    async def b() -> None: ...

    @app.job(name="A")
    def a() -> None: ...

    capsules = [Capsule(name="single", concurrency=1, queues=(("one", 0),))]
    async with app, app.worker(concurrency=4, queues=["default,2", "low,1"], capsules=capsules) as worker:
        identity = str(worker.identity)
        record = {key.decode(): value.decode() for key, value in site.client.hgetall(identity).items()}
        lives = site.client.ttl(identity)
        members = site.client.smembers("processes")

    info = json.loads(record["info"])
    assert members == {identity.encode()}
    assert 0 < lives <= 60
    assert identity.startswith(f"host-1:{os.getpid()}:")
    assert set(record) >= {"info", "busy", "beat", "quiet", "rss", "rtt_us", "concurrency"}
    assert set(record) >= {"processed", "failed", "lag_ms", "classes"}
    assert abs(site.seconds_until(float(record["beat"]))) < 60
    assert (record["busy"], record["quiet"], record["concurrency"]) == ("0", "false", "5")
    assert (record["processed"], record["failed"]) == ("0", "0")
    assert int(record["rss"]) > 1000
    assert int(record["rtt_us"]) >= 0
    assert int(record["lag_ms"]) >= 0
    assert json.loads(record["classes"]) == ["A", "B"]
    started_at = info.pop("started_at")
    assert type(started_at) is float
    assert abs(site.seconds_until(started_at)) < 60
    assert type(info.pop("version")) is str
    assert info == {
        "hostname": "host-1",
        "pid": os.getpid(),
        "tag": "shop",
        "concurrency": 5,
        "queues": ["default", "low", "one"],
        "weights": [{"default": 2, "low": 1}, {"one": 0}],
        "labels": ["blue", "eu"],
        "identity": identity,
        "embedded": True,
        "capsules": {
            "default": {"concurrency": 4, "mode": "weighted", "weights": {"default": 2, "low": 1}},
            "single": {"concurrency": 1, "mode": "strict", "weights": {"one": 0}},
        },
    }


async def test_the_host_name_is_that_of_the_machine(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DYNO", raising=False)
    app = site.app()

    async with app, app.worker() as worker:
        identity = str(worker.identity)

    assert identity.split(":")[0] == socket.gethostname()


async def test_the_record_follows_what_runs(site: Site) -> None:
    app = site.app(beat_interval=0.05)
    gate = asyncio.Event()
    thread_gate = threading.Event()

    @app.job(name="OnLoop")
    async def on_loop() -> None:
        await gate.wait()

    @app.job(name="InThread")
    def in_thread() -> None:
        thread_gate.wait(30)

    @app.job(name="Bad", retry=False)
    async def bad() -> None:
        raise ValueError("no")

    raws = {site.push("OnLoop", jid="1" * 24).decode(), site.push("InThread", jid="2" * 24).decode()}
    site.push("Bad", jid="3" * 24, retry=False)
    async with app, app.worker() as worker:
        identity = str(worker.identity)

        def field(name: str) -> int:
            return int(site.client.hget(identity, name) or 0)

        await eventually(lambda: field("busy") == 2)
        await eventually(lambda: field("processed") == 1 and field("failed") == 1)
        work = site.client.hgetall(f"{identity}:work")
        workers = site.client.hgetall(f"{identity}:workers")
        lives = [site.client.ttl(f"{identity}:{name}") for name in ("work", "workers")]
        gate.set()
        thread_gate.set()
        await site.drained()
        await eventually(lambda: field("busy") == 0 and field("processed") == 3)
        after = site.client.exists(f"{identity}:work", f"{identity}:workers")

    entries = [json.loads(value) for value in work.values()]
    assert work == workers
    assert len(work) == 2
    assert {entry["payload"] for entry in entries} == raws
    assert {entry["queue"] for entry in entries} == {"default"}
    assert all(type(entry["run_at"]) is int and abs(site.seconds_until(entry["run_at"])) < 60 for entry in entries)
    assert all(set(entry) == {"queue", "payload", "run_at"} for entry in entries)
    assert all(0 < left <= 60 for left in lives)
    assert not after


async def test_a_worker_that_stops_leaves_no_trace_of_itself(site: Site) -> None:
    app = site.app(beat_interval=0.05)

    async with app, app.worker() as worker:
        identity = str(worker.identity)
        during = [name for name in site.state() if identity in name]

    assert during
    assert site.state() == {}


async def test_the_record_says_whether_a_worker_stands_alone(site: Site) -> None:
    app = site.app()
    worker = app.worker()

    async with app:
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        info = json.loads(site.client.hget(str(worker.identity), "info") or b"{}")
        await worker.stop()
        await running

    assert info["embedded"] is False


async def test_counters_are_exact_and_live_five_years(site: Site) -> None:
    app = site.app()

    @app.job(name="Good")
    async def good() -> None: ...

    @app.job(name="Bad")
    async def bad() -> None:
        raise ValueError("no")

    for number in range(25):
        site.push("Bad" if number < 10 else "Good", jid=f"{number:024}")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    async with app, app.worker():
        await site.drained()
        await eventually(lambda: site.counter("stat:processed") == 25)

    assert site.counter("stat:failed") == 10
    # The day may have changed meanwhile.
    if datetime.now(UTC).strftime("%Y-%m-%d") == today:
        assert site.counter(f"stat:processed:{today}") == 25
        assert site.counter(f"stat:failed:{today}") == 10
        for name in ("processed", "failed"):
            assert 157_679_000 < site.client.ttl(f"stat:{name}:{today}") <= 157_680_000
    assert site.client.ttl("stat:processed") == site.client.ttl("stat:failed") == -1


async def test_a_daily_counter_that_would_stay_for_ever_is_given_its_end(site: Site) -> None:
    app = site.app()
    now = datetime.now(UTC)
    today, yesterday = (f"stat:processed:{day:%Y-%m-%d}" for day in (now, now - timedelta(days=1)))
    site.client.set(today, 5)
    site.client.set(yesterday, 7)
    failed = today.replace("processed", "failed")
    site.client.set(failed, 3, ex=1000)

    @app.job(name="Good")
    async def good() -> None: ...

    site.push("Good")
    async with app, app.worker():
        await eventually(lambda: site.client.ttl(today) > 0 and site.client.ttl(yesterday) > 0)
        site.client.persist(today)
        await eventually(lambda: site.client.ttl(today) > 0)
        await eventually(lambda: site.counter("stat:processed") == 1)

    assert 157_679_000 < site.client.ttl(today) <= 157_680_000
    assert (site.counter(yesterday), site.counter(failed)) == (7, 3)
    assert site.client.ttl(failed) <= 1000


# Remote signals.


async def signalled(site: Site, worker: Worker, signal: str) -> None:
    name = f"{worker.identity}-signals"
    site.client.lpush(name, signal)
    site.client.expire(name, 60)
    await eventually(lambda: not site.client.exists(name))


async def test_remote_tstp_makes_a_worker_quiet(site: Site) -> None:
    app = site.app(beat_interval=0.05)
    worker = app.worker()

    async with app:
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        await signalled(site, worker, "TSTP")
        await eventually(lambda: site.client.hget(str(worker.identity), "quiet") == b"true")
        is_running = not running.done()
        await worker.stop()
        await running

    assert is_running


async def test_remote_term_stops_a_worker(site: Site) -> None:
    app = site.app(beat_interval=0.05)
    worker = app.worker()

    async with app:
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        await signalled(site, worker, "TERM")
        await asyncio.wait_for(running, 20)

    assert not site.client.exists("processes")


async def test_remote_ttin_logs_the_stacks(site: Site, log: Lines) -> None:
    app = site.app(beat_interval=0.05)
    gate = asyncio.Event()

    @app.job(name="Held")
    async def held() -> None:
        await gate.wait()

    worker = app.worker()
    site.push("Held", jid="1" * 24)
    async with app:
        running = asyncio.create_task(worker.run())
        await eventually(lambda: len(worker.running) == 1)
        await signalled(site, worker, "TTIN")
        await eventually(lambda: log.containing("stacks, as asked for by a remote signal"))
        gate.set()
        await worker.stop()
        await running

    assert f"runs Held jid={'1' * 24}" in log.containing("stacks, as asked for")[0]


@pytest.mark.parametrize("signal", ["TERM", "TSTP", "TTIN"])
async def test_a_worker_inside_another_program_ignores_remote_signals(site: Site, log: Lines, signal: str) -> None:
    app = site.app(beat_interval=0.05)

    async with app, app.worker() as worker:
        await signalled(site, worker, signal)
        await eventually(lambda: log.containing(f"remote signal {signal} is ignored"))
        # A beat that takes longer than these intervals is an outage.
        await eventually(lambda: worker.is_ready)


@pytest.mark.parametrize("signal", ["KILL", "x" * 5000, "TERM\n\x1b[31m"])
async def test_an_unknown_remote_signal_is_logged_and_dropped(site: Site, log: Lines, signal: str) -> None:
    app = site.app(beat_interval=0.05)
    worker = app.worker()

    async with app:
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.is_ready)
        await signalled(site, worker, signal)
        await eventually(lambda: log.containing("is not known"))
        await eventually(lambda: worker.is_ready)
        await worker.stop()
        await running

    (line,) = log.containing("is not known")
    assert len(line) < 2000
    assert line.isprintable()
