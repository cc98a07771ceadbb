"""Worker processes of both kinds beside each other: seen, controlled, killed, stopped, cut off (wire-format
§18, C17 to C22).

That Python reads Ruby's processes and work, and quiets and stops them, is in `test_api`.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.interop.ruby import Bridge, Ruby, RubyWorker, registered
from tests.support import seeding
from tests.support.eventually import eventually_sync
from tests.support.ledger import START, Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import Database, RedisServer

pytestmark = pytest.mark.allow_any_keys

TARGET = "tests.interop.worker_app:app"
# What wire-format §18 allows a remote signal.
SIGNAL_WITHIN = 15.0


@pytest.fixture
def start_python(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts `sidelong run` with the fields of `WorkerOptions`, and waits until it is registered."""
    processes: list[WorkerProcess] = []

    def start(**options: Any) -> WorkerProcess:
        chosen = {"redis": redis_server.url, "ledger": ledger, "target": TARGET, "queues": ["default"], **options}
        process = WorkerProcess(WorkerOptions(**chosen)).wait_ready()
        processes.append(process)
        eventually_sync(lambda: registered(redis_client, process.pid), 30)
        return process

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that the jobs `Held` wait for."""
    return tmp_path / "gate"


def hold(client: redis.Redis, gate: Path) -> tuple[str, bytes]:
    """Push a job that runs until the gate is there; returns its jid and its bytes."""
    raw = seeding.payload("Held", str(gate))
    (jid,) = seeding.push(client, raw)
    return jid, raw


PROCESSES = """
    Sidekiq::ProcessSet.new.map do |process|
      names = %w[identity hostname pid tag labels concurrency queues busy beat rss rtt_us quiet started_at]
      names.to_h { |name| [name, process[name]] }
    end
"""
WORK = """
    Sidekiq::WorkSet.new.map do |identity, tid, work|
      {"identity" => identity, "queue" => work["queue"], "run_at" => work["run_at"], "payload" => work["payload"]}
    end
"""


def test_ruby_sees_a_worker_its_work_and_takes_neither_for_dead(
    start_python: Callable[..., WorkerProcess], ruby: Ruby, redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    now = redis_client.time()[0]
    overrides = {"tag": "shop", "labels": ["blue"]}
    worker = start_python(concurrency=3, queues=["default", "low"], overrides=overrides)
    jid, _ = hold(redis_client, gate)
    eventually_sync(lambda: ruby.run(PROCESSES)[0]["busy"] == 1)
    (process,) = ruby.run(PROCESSES)
    (work,) = ruby.run(WORK)
    total = ruby.run("[Sidekiq::Stats.new.processes_size, Sidekiq::Stats.new.workers_size, Sidekiq::WorkSet.new.size]")
    gate.touch()
    eventually_sync(lambda: jid in ledger.history().ends)
    eventually_sync(lambda: ruby.run(PROCESSES)[0]["busy"] == 0)
    idle = ruby.run(WORK)

    assert (process["hostname"], process["pid"]) == (socket.gethostname(), worker.pid)
    assert process["identity"].startswith(f"{socket.gethostname()}:{worker.pid}:")
    assert (process["tag"], process["labels"]) == ("shop", ["blue"])
    assert (process["concurrency"], process["queues"], process["quiet"]) == (3, ["default", "low"], "false")
    assert now - 1 <= process["started_at"] <= process["beat"] <= now + 60
    # Kilobytes.
    assert 10_000 < process["rss"] < 1_000_000
    assert process["rtt_us"] > 0
    assert (work["identity"], work["queue"]) == (process["identity"], "default")
    assert (work["payload"]["jid"], work["payload"]["args"]) == (jid, [str(gate)])
    assert type(work["run_at"]) is int
    assert now <= work["run_at"] <= now + 60
    assert total == [1, 1, 1]
    assert idle == []


def test_ruby_quiets_stops_and_dumps_a_worker(
    start_python: Callable[..., WorkerProcess], ruby: Ruby, redis_client: redis.Redis, ledger: Ledger, gate: Path
) -> None:
    worker = start_python()
    jid, _ = hold(redis_client, gate)
    eventually_sync(lambda: jid in ledger.history().runs)

    ruby.run("Sidekiq::ProcessSet.new.first.dump_threads && nil")
    eventually_sync(lambda: "in hold" in worker.log(), SIGNAL_WITHIN)
    ruby.run("Sidekiq::ProcessSet.new.first.quiet! && nil")
    eventually_sync(lambda: ruby.run("Sidekiq::ProcessSet.new.first.stopping?"), SIGNAL_WITHIN)
    late, _ = hold(redis_client, gate)
    ruby.run("Sidekiq::ProcessSet.new.first.stop! && nil")
    gate.touch()
    status = worker.wait(SIGNAL_WITHIN)

    assert status == 0
    assert ledger.history().ends == {jid: [worker.pid]}
    assert late not in ledger.history().runs
    assert ruby.run("[Sidekiq::ProcessSet.new(false).size, Sidekiq::WorkSet.new.to_a]") == [0, []]


def test_a_killed_worker_vanishes_and_ruby_prunes_it(
    start_python: Callable[..., WorkerProcess], ruby: Ruby, redis_client: redis.Redis
) -> None:
    worker = start_python(overrides={"process_ttl": 10.0})
    identity = ruby.run("Sidekiq::ProcessSet.new.first.identity")
    worker.kill()
    lives = redis_client.pttl(identity)
    # However slow this machine is, it is still there; and it need not be waited for.
    redis_client.persist(identity)
    listed = ruby.run("Sidekiq::ProcessSet.new.map(&:identity)")
    redis_client.pexpire(identity, 1)
    eventually_sync(lambda: not redis_client.exists(identity))
    left = ruby.run("[Sidekiq::ProcessSet.new.size, Sidekiq::WorkSet.new.to_a]")

    assert 0 < lives <= 10_000
    assert listed == [identity]
    assert left == [0, []]
    assert redis_client.smembers("processes") == set()


def test_a_job_cut_off_by_a_stop_is_next_and_unchanged_for_the_other_side(
    start_python: Callable[..., WorkerProcess],
    ruby_worker: Callable[..., RubyWorker],
    redis_client: redis.Redis,
    ledger: Ledger,
    gate: Path,
) -> None:
    worker = start_python(concurrency=1, timeout=0.2)
    jid, raw = hold(redis_client, gate)
    eventually_sync(lambda: jid in ledger.history().runs)
    waiting = seeding.push(redis_client, *[seeding.payload("Logged") for _ in range(3)])

    status = worker.stop()
    handed_back = redis_client.lindex("queue:default", -1)
    with ruby_worker(concurrency=1) as ruby:
        eventually_sync(lambda: len(ledger.history().runs[jid]) == 2, 30)
        ruby.stop()
    given_back_by_ruby = redis_client.lindex("queue:default", -1)
    gate.touch()
    start_python(concurrency=1)
    eventually_sync(lambda: len(ledger.history().ends) == 4)

    assert status == 0
    assert handed_back == given_back_by_ruby == raw
    assert ledger.history().order(START) == [jid, jid, jid, *waiting]


def test_both_sides_go_on_after_redis_was_restarted_under_load(
    start_redis: Callable[..., RedisServer], ruby_bridge: Bridge, ledger: Ledger
) -> None:
    # Written at once, so that it is the interruption that is looked at and not what Redis may lose.
    server = start_redis(appendonly="always")
    here, there = 1_500, 500
    ruby_threads = 2
    options = WorkerOptions(redis=server.url, ledger=ledger, target=TARGET, queues=["default"], timeout=5)

    with (
        WorkerProcess(options) as worker,
        RubyWorker(server.url, ledger, queues=["ruby"], concurrency=ruby_threads) as ruby_worker,
    ):
        with server.client() as client:
            ruby_jids = seeding.push(client, *[seeding.payload("Quick", queue="ruby") for _ in range(there)])
            jids = seeding.push(client, *[seeding.payload("Quick") for _ in range(here)])
        eventually_sync(lambda: {worker.pid, ruby_worker.pid} <= {event.pid for event in ledger.history().named(START)})
        server.stop()
        before = ledger.history()
        server.start()
        with server.client() as client:
            eventually_sync(lambda: not client.exists("queue:default", "queue:ruby"), 30)
        assert ruby_worker.stop() == 0
        assert worker.stop() == 0
    after = ledger.history()
    with server.client() as client:
        processed, failed = int(client.get("stat:processed")), int(client.get("stat:failed") or 0)

    assert 0 < sum(worker.pid in pids for pids in before.runs.values()) < here
    assert 0 < sum(ruby_worker.pid in pids for pids in before.runs.values()) < there
    assert after.lost(jids) == set()
    assert after.unexplained() == set()
    # Ruby takes a job from Redis before it runs it: what is on its way to a thread is lost with the connection.
    assert len(after.lost(ruby_jids)) <= ruby_threads
    # And it counts once more what a heartbeat has told whose answer was lost: see `❤` in its launcher.rb.
    starts = after.named(START)
    assert 0 <= processed - len(starts) <= sum(event.pid == ruby_worker.pid for event in starts)
    assert failed == 0
