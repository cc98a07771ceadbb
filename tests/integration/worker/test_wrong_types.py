"""Keys that hold something else than they should: no job is lost, and all goes on once they are mended."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidelong import Job, NotEnqueued, Sidelong
from sidelong.store import keys
from sidelong.store.metric_names import MINUTE, stamp
from sidelong.worker.worker import Worker
from tests.integration.worker.site import Lines, Site, payload
from tests.support.eventually import eventually
from tests.support.monitor import Monitor

KEYS = [
    "queues",
    "queue:default",
    "schedule",
    "retry",
    "dead",
    "processes",
    "{identity}",
    "{identity}:work",
    "{identity}:workers",
    "{identity}-signals",
    "stat:processed",
    "stat:failed",
    "stat:processed:{today}",
    "stat:failed:{today}",
    "sidelong:owners",
    "sidelong:lease:{identity}",
    "sidelong:owner-queues:{identity}",
    "sidelong:inflight:{identity}:default",
    "sidelong:inflight:{identity}:other",
    "sidelong:settled:{identity}",
    "sidelong:buried",
    "sidelong:recovery",
]
_ASIDE = "aside"


class Trial:
    """An application whose jobs note what ran, under way on a store whose keys a test spoils and mends."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.site = site
        # Short enough to see several beats, looks and polls while a key is spoilt.
        quick = {"beat_interval": 0.1, "lease_ttl": 1.0, "recovery_interval": 0.1, "recovery_grace": 0.5}
        self.app: Sidelong = site.app(queues=["default", "other"], **{**quick, **settings})
        self.ran: list[str] = []
        self.promised: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.beats = 0

        @self.app.on("beat")
        def count() -> None:
            self.beats += 1

        @self.app.job(name="Good")
        async def good(name: str) -> None:
            self.ran.append(name)

        @self.app.job(name="Held")
        async def held(name: str, gate: str) -> None:
            await self.gates.setdefault(gate, asyncio.Event()).wait()
            self.ran.append(name)

        @self.app.job(name="Bad", retry_in=lambda *_: 5000)
        async def bad(name: str) -> None:
            self.ran.append(name)
            raise ValueError("no")

        self.good, self.held, self.bad = good, held, bad

    async def push(self, job: Job[Any, Any], name: str, *args: Any, delay: float = 0.0, **options: Any) -> bool:
        """Enqueue a job; False if that was refused, and then nothing is promised."""
        try:
            chosen = job.with_options(**options)
            await (chosen.enqueue_in(delay, name, *args) if delay else chosen.enqueue(name, *args))
        except NotEnqueued:
            return False
        self.promised.append(name)
        return True

    async def traffic(self, prefix: str) -> None:
        """Enqueue some jobs of every kind on both queues."""
        for queue in ("default", "other"):
            await self.push(self.good, f"{prefix} {queue} good", queue=queue)
            await self.push(self.bad, f"{prefix} {queue} fails", queue=queue)
            await self.push(self.bad, f"{prefix} {queue} dies", queue=queue, retry=0)
        # What is due for a queue of the wrong type goes to the dead set: that is another test.
        await self.push(self.good, f"{prefix} scheduled", delay=0.05, queue="other")

    async def beats_again(self, count: int) -> None:
        """Wait for some more heartbeats; looks, polls and audits come as often."""
        target = self.beats + count
        await eventually(lambda: self.beats >= target)

    def all_ran(self, *, but: str = "") -> bool:
        return {name for name in self.promised if not but or but not in name} <= set(self.ran)

    def assert_kept(self) -> None:
        """Fail unless every promised job ran once and stands where it belongs."""
        assert sorted(self.ran) == sorted(self.promised)
        fails = sorted(name for name in self.promised if name.endswith("fails"))
        dies = sorted(name for name in self.promised if name.endswith("dies"))
        assert sorted(item["args"][0] for item, _ in self.site.members("retry")) == fails
        assert sorted(item["args"][0] for item, _ in self.site.members("dead")) == dies
        assert self.site.is_drained()


def spoil(site: Site, key: str) -> bytes:
    """Put something of a wrong type in the place of a key, and return what type it had."""
    kind = site.client.type(key)
    if kind != b"none":
        site.client.rename(key, _ASIDE)
    if kind == b"string" or key.startswith(("stat:", "sidelong:lease", "sidelong:recovery")):
        site.client.rpush(key, "a", "list")
    else:
        site.client.set(key, "a string")
    return site.client.type(key)


def mend(site: Site, key: str, wrong: bytes) -> None:
    """Undo `spoil`, unless the worker has done so already."""
    if site.client.type(key) == wrong:
        site.client.delete(key)
        if site.client.exists(_ASIDE):
            site.client.rename(_ASIDE, key)
    site.client.delete(_ASIDE)


def named(key: str, worker: Worker) -> str:
    return key.format(identity=worker.identity, today=datetime.now(UTC).strftime("%Y-%m-%d"))


@pytest.mark.parametrize("key", KEYS)
async def test_each_key_in_turn(site: Site, log: Lines, key: str) -> None:
    trial = Trial(site)

    async with trial.app, trial.app.worker(concurrency=20) as worker:
        name = named(key, worker)
        await trial.push(trial.held, "held before", "mend")
        await trial.push(trial.held, "held before, settled while spoilt", "spoilt")
        await trial.traffic("before")
        await eventually(lambda: trial.all_ran(but="held"))
        await eventually(lambda: len(worker.running) == 2 and len(site.inflight()) == 2)
        wrong = spoil(site, name)
        trial.gates["spoilt"].set()
        await trial.traffic("while")
        await trial.beats_again(3)
        if name != f"sidelong:inflight:{worker.identity}:other":
            await eventually(lambda: "while other good" in trial.ran)
        mend(site, name, wrong)
        trial.gates["mend"].set()
        await trial.traffic("after")
        await eventually(trial.all_ran)
        await site.drained()
        await eventually(
            lambda: (
                len(site.members("dead")) + len(site.members("retry"))
                == sum(name.endswith(("fails", "dies")) for name in trial.promised)
            )
        )
        await eventually(lambda: worker.is_ready)

    trial.assert_kept()
    if not name.startswith("stat:"):
        assert site.counter("stat:processed") == len(trial.promised)
    assert [line[:200] for text in log.lines for line in text.split("\n") if len(line) > 2000] == []


async def test_the_jobs_of_a_dead_worker_survive_a_queue_of_the_wrong_type(site: Site) -> None:
    trial = Trial(site)
    owner = "gone:1:0123456789ab"
    site.client.sadd("sidelong:owners", owner)
    site.client.sadd(f"sidelong:owner-queues:{owner}", "default", "other")
    for queue in ("default", "other"):
        site.push("Good", queue, queue=queue, jid=queue)
        site.client.rename(f"queue:{queue}", f"sidelong:inflight:{owner}:{queue}")
    trial.promised += ["default", "other"]
    wrong = spoil(site, "queue:default")

    async with trial.app, trial.app.worker():
        await eventually(lambda: trial.ran == ["other"])
        await eventually(lambda: site.client.zscore("sidelong:buried", owner))
        mend(site, "queue:default", wrong)
        await eventually(trial.all_ran)
        await site.drained()

    trial.assert_kept()


async def test_a_promotion_into_a_queue_of_the_wrong_type_holds_up_no_other(site: Site) -> None:
    trial = Trial(site)
    site.client.set("queue:default", "a string")
    for number in range(5):
        await trial.push(trial.good, f"default {number}", delay=0.02, queue="default")
        await trial.push(trial.good, f"other {number}", delay=0.02, queue="other")

    async with trial.app, trial.app.worker():
        await eventually(lambda: len(trial.ran) == 5)
        await site.has("dead", 5)
        site.client.delete("queue:default")

    assert sorted(trial.ran) == [f"other {number}" for number in range(5)]
    assert sorted(item["args"][0] for item, _ in site.members("dead")) == [f"default {number}" for number in range(5)]


async def test_a_queue_of_the_wrong_type_slows_no_other(site: Site) -> None:
    trial = Trial(site)
    site.client.set("queue:default", "a string")
    for number in range(300):
        await trial.push(trial.good, f"{number}", queue="other")

    async with trial.app, trial.app.worker(concurrency=10):
        # One by one, with a pause after each refusal, they would take a quarter of a minute.
        await eventually(trial.all_ran, 3.0)
        site.client.delete("queue:default")
        await site.drained()

    trial.assert_kept()


async def test_a_batch_of_all_kinds_survives_sets_of_the_wrong_type(site: Site) -> None:
    trial = Trial(site)
    garbage = {f"garbage {number}".encode() for number in range(20)}
    for raw in garbage:
        site.push_raw(raw)
    for number in range(20):
        for job, word in ((trial.bad, "fails"), (trial.good, "good")):
            await trial.push(job, f"{number} {word}")
        await trial.push(trial.bad, f"{number} dies", retry=0)
    spoilt = {name: spoil(site, name) for name in ("retry", "dead")}

    async with trial.app, trial.app.worker(concurrency=100) as worker:
        await eventually(trial.all_ran)
        await eventually(lambda: site.counter("stat:processed") == 20)
        await trial.beats_again(3)
        kept = len(site.inflight())
        for name, wrong in spoilt.items():
            mend(site, name, wrong)
        await site.drained()
        await eventually(lambda: worker.is_ready)

    assert kept == 60
    assert garbage <= set(site.client.zrange("dead", 0, -1))
    assert site.client.zcard("dead") == 40
    assert site.client.zcard("retry") == 20
    assert len(trial.ran) == 60
    assert site.counter("stat:processed") == 60


async def test_due_jobs_that_can_go_nowhere_make_nothing_spin(real_site: Site, log: Lines) -> None:
    site = real_site
    trial = Trial(site, beat_interval=0.5, lease_ttl=2.0, poll_interval=0.5)
    site.client.zadd("schedule", {payload("Good", f"{n}", jid=f"{n:024}", queue="wrong"): 1.0 for n in range(150)})
    site.client.set("queue:wrong", "a string")
    site.client.set("dead", "a string")

    async with trial.app, trial.app.worker():
        await eventually(lambda: log.containing("cannot be moved"))
        with Monitor(site.url) as monitor:
            before, began = time.process_time(), time.monotonic()
            await asyncio.sleep(1.5)
            # A busy machine may make it longer.
            used, took = time.process_time() - before, time.monotonic() - began
        site.client.delete("dead", "queue:wrong")
        await eventually(lambda: site.client.llen("queue:wrong") == 150)

    assert monitor.names["EVALSHA"] < 27 * took, monitor.names
    assert used < took / 3


async def test_nothing_spins_while_every_key_is_wrong(real_site: Site, log: Lines) -> None:
    site = real_site
    trial = Trial(site, beat_interval=0.5, lease_ttl=2.0, recovery_interval=0.5, poll_interval=1.0)

    async with trial.app, trial.app.worker(concurrency=20) as worker:
        await trial.push(trial.held, "held", "gate")
        await eventually(lambda: "gate" in trial.gates)
        names = [named(key, worker) for key in KEYS]
        kept = {name: site.client.dump(name) for name in names}
        for name in names:
            spoil(site, name)
            site.client.delete(_ASIDE)
        trial.gates["gate"].set()
        await eventually(lambda: trial.ran)
        with Monitor(site.url) as monitor:
            before, began = time.process_time(), time.monotonic()
            await asyncio.sleep(2.0)
            # A busy machine may make it longer.
            used, took = time.process_time() - before, time.monotonic() - began
        lines = len(log.lines)
        for name, value in kept.items():
            site.client.delete(name)
            if value is not None and not name.startswith("sidelong:settled"):
                site.client.restore(name, 60_000 if worker.identity in name and "queues" not in name else 0, value)
        site.client.persist(f"sidelong:inflight:{worker.identity}:default")
        await trial.push(trial.good, "after")
        await eventually(trial.all_ran)
        await site.drained()

    # Two seconds: a few waits, turns, beats, looks, polls and audits.
    assert len(monitor.commands) < 75 * took, monitor.names
    assert used < 0.3 * took
    assert lines < 120


async def test_metrics_of_the_wrong_type_cost_no_job_and_are_named(site: Site, log: Lines) -> None:
    trial = Trial(site)

    async with trial.app, trial.app.worker() as worker:
        # Whatever minute it is when they are written.
        moments = [datetime.now(UTC) + timedelta(minutes=ahead) for ahead in range(2)]
        names = {keys.job_metrics(stamp(moment, MINUTE)) for moment in moments}
        names |= {keys.sidekiq8_minute(moment) for moment in moments} | {keys.flushed(str(worker.identity))}
        names |= {keys.histogram("Good", stamp(moment, MINUTE)) for moment in moments}
        for name in names:
            site.client.delete(name)
            site.client.rpush(name, "a", "list")
        await trial.traffic("while")
        await eventually(trial.all_ran)
        await site.drained()
        # What is written beside them is there.
        await eventually(lambda: any(site.client.hexists(keys.sidekiq7_minute(moment), "Good|p") for moment in moments))
        await eventually(lambda: worker.is_ready)

    told = log.containing("part of the metrics was refused: WRONGTYPE")
    named = {name for name in names for line in told if f"(key {name})" in line}
    assert {re.split(r"\d", name)[0] for name in named} == {"sidelong:jobs:", "j|", "sidelong:durations:Good:"}
    trial.assert_kept()
    site.client.delete(*names)
