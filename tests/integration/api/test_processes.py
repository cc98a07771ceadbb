import json
import time
from typing import Any

import pytest

from sidelong import Sidelong
from sidelong.api import ProcessSet, WorkSet
from sidelong.errors import NotSteerableError, Refused
from tests.integration.worker.site import Site
from tests.support import jobs
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer

OURS = "web.1:4711:0123456789ab"
RUBY = "ruby.1:4712:0123456789ac"
DEAD = "dead.1:4713:0123456789ad"
NOW = 1795217165.5


def register(site: Site, identity: str = OURS, *, info: dict[str, Any] | None = None, **fields: Any) -> None:
    told = {
        "hostname": identity.split(":")[0], "pid": int(identity.split(":")[1]), "tag": "shop", "labels": ["blue"],
        "queues": ["default", "low"], "started_at": NOW, "identity": identity, "concurrency": 5, **(info or {}),
    }  # fmt: skip
    record = {"busy": 2, "beat": repr(NOW + 5), "quiet": "false", "rss": 4000, "rtt_us": 120, **fields}
    site.client.sadd("processes", identity)
    site.client.hset(identity, mapping={"info": json.dumps(told), **record})
    site.client.expire(identity, 60)


def works(site: Site, key: str, **entries: Any) -> None:
    site.client.hset(key, mapping={tid: json.dumps(entry) for tid, entry in entries.items()})
    site.client.expire(key, 60)


def work(jid: str, run_at: float = NOW, queue: str = "default", **fields: Any) -> dict[str, Any]:
    return {
        "queue": queue,
        "run_at": int(run_at),
        "payload": json.dumps({"class": "Job", "args": [], "jid": jid}),
        **fields,
    }


async def test_reads_every_field_of_a_process(site: Site, app: Sidelong):
    weights = [{"default": 2, "low": 1}, {"single": 0}]
    capsules = {"default": {"concurrency": 5, "mode": "weighted", "weights": {"default": 2, "low": 1}}}
    register(
        site,
        info={"weights": weights, "capsules": capsules, "version": "8.1.7", "embedded": False},
        concurrency=7,
        classes='["Job"]',
        lag_ms=3,
        processed=41,
        failed=1,
    )
    site.client.set("dear-leader", OURS)

    (process,) = [process async for process in ProcessSet(app)]

    assert (process.identity, process.hostname, process.pid, process.tag, process.labels) == (
        OURS, "web.1", 4711, "shop", ["blue"],
    )  # fmt: skip
    assert (process.queues, process.weights) == (["default", "low"], {"default": 2, "low": 1, "single": 0})
    assert process.capsules == capsules
    assert (process.concurrency, process.busy, process.beat, process.started_at) == (7, 2, NOW + 5, NOW)
    assert (process.rss, process.rtt_us, process.version) == (4000, 120, "8.1.7")
    assert (process.is_quiet, process.is_embedded, process.is_leader) == (False, False, True)
    assert (process.job_classes, process.lag_ms, process.fault) == (["Job"], 3, None)
    assert (process.processed, process.failed) == (41, 1)
    assert process.info["version"] == "8.1.7"


async def test_concurrency_is_found_in_either_place_and_queues_in_capsules(site: Site, app: Sidelong):
    capsules = {"a": {"weights": {"x": 0, "y": 0}}, "b": {"weights": {"y": 1}}}
    register(site, RUBY, quiet="true", info={"queues": None, "capsules": capsules})

    process = await ProcessSet(app).get(RUBY)

    assert (process.concurrency, process.is_quiet, process.job_classes, process.lag_ms) == (5, True, None, None)
    assert (process.processed, process.failed) == (None, None)
    assert (process.queues, process.weights) == (["x", "y"], {"x": 0, "y": 1})


async def test_counts_over_all_processes_and_prunes_the_dead_at_most_once_a_minute(site: Site, app: Sidelong):
    register(site, OURS)
    register(site, RUBY)
    site.client.sadd("processes", DEAD)
    processes = ProcessSet(app)

    assert await processes.size() == 3
    assert await processes.total_concurrency() == 10
    assert await processes.size() == 2
    assert await processes.total_rss() == 8000
    assert await processes.leader() is None
    assert await processes.get(DEAD) is None
    assert 0 < site.client.ttl("process_cleanup") <= 60

    site.client.sadd("processes", DEAD)
    assert [process.identity async for process in processes] == [RUBY, OURS]
    assert await processes.size() == 3


async def test_many_processes_are_read_and_pruned_in_bounded_steps(site: Site, app: Sidelong):
    for number in range(250):
        register(site, f"web.1:{number}:0123456789ab")
    site.client.sadd("processes", *[f"dead.1:{number}:0123456789ab" for number in range(250)])

    assert await ProcessSet(app).total_concurrency() == 250 * 5
    assert await ProcessSet(app).size() == 250


@pytest.mark.allow_any_keys
async def test_anything_may_stand_in_the_list(site: Site, app: Sidelong):
    site.push("Job")
    register(site, OURS)
    site.client.sadd("processes", b"", b"\xff\xfe", "*", "queue:default", "schedule", "a b\n", "nothing")
    site.client.hset("broken", mapping={"info": "{", "busy": "x" * 50, "beat": b"\xff", "rss": "-1", "classes": "5"})
    site.client.hset("odd", mapping={"info": "[1]"})
    site.client.sadd("processes", "broken", "odd")
    odd = {"hostname": 5, "pid": "x", "labels": {"a": 1}, "queues": "x", "weights": [5, {"a": "x"}], "capsules": [1]}
    register(site, RUBY, info={**odd, "started_at": "x", "concurrency": 10**400, "tag": None, "version": None})

    found = {process.identity: process async for process in ProcessSet(app)}

    assert found.keys() == {OURS, RUBY, "broken", "odd"}
    assert found["broken"].fault
    assert found["odd"].fault
    broken, process = found["broken"], found[RUBY]
    assert (broken.busy, broken.beat, broken.rss, broken.hostname, broken.queues) == (0, None, 0, "", [])
    assert broken.job_classes is None
    assert (process.hostname, process.pid, process.labels, process.queues, process.weights) == ("", 0, [], [], {"a": 0})
    assert (process.capsules, process.started_at, process.concurrency) == ({}, None, 0)
    assert await WorkSet(app).size() == 4
    assert site.client.smembers("processes") == {name.encode() for name in found}


@pytest.mark.allow_any_keys
async def test_a_list_of_another_type_is_an_error_that_names_it(site: Site, app: Sidelong):
    site.client.set("processes", "x")

    for reading in (
        ProcessSet(app).size(),
        ProcessSet(app).total_rss(),
        WorkSet(app).size(),
        WorkSet(app).find_work("x"),
    ):
        with pytest.raises(Refused, match=r"WRONGTYPE.*key processes"):
            await reading


async def test_signals_wait_for_a_process(site: Site, app: Sidelong):
    register(site, RUBY)
    process = await ProcessSet(app).get(RUBY)

    await process.quiet()
    await process.dump_stacks()
    await process.stop()

    signals = f"{RUBY}-signals"
    assert site.client.lrange(signals, 0, -1)[::-1] == [b"TSTP", b"TTIN", b"TERM"]
    assert 0 < site.client.ttl(signals) <= 60


async def test_an_embedded_process_refuses_signals(site: Site, app: Sidelong):
    register(site, info={"embedded": True})
    process = await ProcessSet(app).get(OURS)

    for steering in (process.quiet(), process.stop(), process.dump_stacks()):
        with pytest.raises(NotSteerableError, match=OURS):
            await steering
    assert site.client.exists(f"{OURS}-signals") == 0


async def test_merges_what_both_names_of_the_work_hash_hold(site: Site, app: Sidelong):
    register(site, OURS)
    register(site, RUBY)
    works(site, f"{OURS}:work", a=work("1", NOW + 2), b=work("2", NOW + 1))
    works(site, f"{OURS}:workers", a=work("1", NOW + 2), b=work("2", NOW + 1))
    works(site, f"{RUBY}:workers", a=work("3", NOW, queue="low"))
    entries = WorkSet(app)

    found = [entry async for entry in entries]

    assert [(entry.identity, entry.tid, entry.record.jid) for entry in found] == [
        (RUBY, "a", "3"), (OURS, "b", "2"), (OURS, "a", "1"),
    ]  # fmt: skip
    assert (found[0].queue, found[0].run_at, found[0].record.queue, found[0].record.job_class) == (
        "low", int(NOW), "low", "Job",
    )  # fmt: skip
    assert await entries.size() == 4
    assert (await entries.find_work("2")).tid == "b"
    assert await entries.find_work("9") is None
    assert await entries.find_work("") is None


async def test_a_work_entry_may_be_anything(site: Site, app: Sidelong):
    register(site)
    works(site, f"{OURS}:work", a={**work("1"), "payload": {"class": "Job", "args": [], "jid": "1"}}, b=[1], c={}, d=5)
    odd = {"e": b"\xff", "f": json.dumps({"queue": 5, "payload": "{", "run_at": "x"}), b"\xfe": b"{"}
    site.client.hset(f"{OURS}:work", mapping=odd)

    found = {entry.tid: entry async for entry in WorkSet(app)}

    assert found.keys() == {"a", "b", "c", "d", "e", "f", "\udcfe"}
    assert (found["a"].record.jid, found["a"].record.fault, found["a"].run_at) == ("1", None, int(NOW))
    assert all(entry.record.fault and entry.run_at is None for tid, entry in found.items() if tid != "a")


async def test_tells_what_a_worker_of_ours_is_and_runs(site: Site, ledger: Any, tmp_path: Any):
    gate = tmp_path / "gate"
    async with jobs.build_app(site.url, ledger, beat_interval=0.1) as app:
        started = time.time()
        async with app.worker(concurrency=3, queues=["default"], tag="shop"):
            jid = str(await app.enqueue("hold", str(gate)))
            running = await eventually(lambda: WorkSet(app).find_work(jid))
            (process,) = [process async for process in ProcessSet(app)]
            gate.touch()

    assert (running.identity, running.queue, running.record.args) == (process.identity, "default", [str(gate)])
    assert int(started) <= running.run_at
    assert (process.tag, process.concurrency, process.busy, process.is_embedded) == ("shop", 3, 1, True)
    assert "hold" in process.job_classes
    assert process.rss > 10_000


async def test_lists_for_a_user_who_may_only_read(own_redis: RedisServer):
    with own_redis.client() as client:
        site = Site(own_redis.url, client)
        register(site)
        site.client.sadd("processes", DEAD)
        client.execute_command("ACL", "SETUSER", "looker", "reset", "on", ">x", "~*", "+@read", "+select", "+client")
    async with Sidelong(own_redis.url.replace("redis://", "redis://looker:x@")) as app:
        assert [process.identity async for process in ProcessSet(app)] == [OURS]


async def test_tells_what_one_process_runs_the_longest_first(site: Site, app: Sidelong):
    register(site)
    register(site, RUBY)
    works(site, f"{OURS}:work", a=work("1"), b=work("2", NOW - 60))
    works(site, f"{RUBY}:work", a=work("3"))

    found = await WorkSet(app).of_process(OURS)

    assert [(each.identity, each.record.jid) for each in found] == [(OURS, "2"), (OURS, "1")]
    assert await WorkSet(app).of_process("nobody:1:x") == []
