"""The table of docs/api.md names what each call sends, and no call sends anything else."""

import inspect
import re
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

import sidelong.api
from sidelong import Sidelong
from sidelong.api import (
    DeadSet,
    Deploys,
    Entry,
    Filter,
    Grouping,
    History,
    JobRecord,
    Keyspace,
    Metrics,
    Process,
    ProcessSet,
    Queue,
    QueuedJob,
    Reasons,
    RetrySet,
    ScheduledSet,
    Stats,
    WorkSet,
    redis_facts,
    redis_memory,
)
from tests.integration.api.test_processes import OURS, register, work, works
from tests.integration.worker.site import Site, payload
from tests.support import seeding
from tests.support.monitor import Monitor
from tests.support.redis_server import Database

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text()
ROWS = [row.split("|")[1:4] for row in re.findall(r"^\|.*\| O\(.*\|$", PAGE, re.MULTILINE)]
# What opens a connection, and what loads a script.
PREPARATIONS = {"CLIENT", "SELECT", "HELLO", "PING", "SCRIPT"}


async def drain(iterator: AsyncIterable[Any]) -> None:
    async for _ in iterator:
        pass


async def on_entry(app: Sidelong, act: Callable[[Entry], Awaitable[bool]]) -> None:
    (entry,) = await RetrySet(app).fetch(1.0, "1")
    assert await act(entry)


async def on_queued(app: Sidelong, act: Callable[[QueuedJob], Awaitable[bool]]) -> None:
    assert await act(QueuedJob(payload("Job", jid="5"), Queue(app)))


CALLS: dict[str, Callable[[Sidelong], Awaitable[Any]]] = {
    "Queue.all": Queue.all,
    "Queue.size": lambda app: Queue(app).size(),
    "Queue.latency": lambda app: Queue(app).latency(),
    "Queue.first()": lambda app: Queue(app).first(),
    "Queue.is_paused": lambda app: Queue(app).is_paused(),
    "Queue.jobs": lambda app: drain(Queue(app)),
    "Queue.first(n)": lambda app: Queue(app).first(70),
    "Queue.find_job": lambda app: Queue(app).find_job("nobody"),
    "QueuedJob.position": lambda app: QueuedJob(b"{}", Queue(app)).position(),
    "QueuedJob.edit": lambda app: on_queued(app, lambda job: job.edit({"args": [1]})),
    "Queue.page": lambda app: Queue(app).page(10, 25),
    "Queue.delete_job": lambda app: Queue(app).delete_job("60"),
    "Queue.delete_all(where=...)": lambda app: Queue(app).delete_all(where=Filter(text="9")),
    "Queue.delete_some": lambda app: Queue(app).delete_some(where=Filter(text="9"), within=60),
    "Queue.delete_by_class": lambda app: Queue(app).delete_by_class("Job"),
    "Queue.clear": lambda app: Queue(app).clear(),
    "Queue.delete_all()": lambda app: Queue(app).delete_all(),
    "Queue.pause": lambda app: Queue(app).pause(),
    "Queue.unpause": lambda app: Queue(app).unpause(),
    "Stats.fetch(slow=False)": lambda app: Stats(app).fetch(slow=False),
    "Stats.fetch()": lambda app: Stats(app).fetch(),
    "Stats.queue_summaries": lambda app: Stats(app).queue_summaries(),
    "Stats.reset": lambda app: Stats(app).reset(),
    "History.processed": lambda app: History(app).processed(),
    "History.failed": lambda app: History(app).failed(),
    "ProcessSet.size": lambda app: ProcessSet(app).size(),
    "ProcessSet.get": lambda app: ProcessSet(app).get(OURS),
    "ProcessSet.leader": lambda app: ProcessSet(app).leader(),
    "ProcessSet": lambda app: drain(ProcessSet(app)),
    "total_concurrency": lambda app: ProcessSet(app).total_concurrency(),
    "total_rss": lambda app: ProcessSet(app).total_rss(),
    "Process.quiet": lambda app: Process(app, OURS, {}).quiet(),
    "Process.stop": lambda app: Process(app, OURS, {}).stop(),
    "Process.dump_stacks": lambda app: Process(app, OURS, {}).dump_stacks(),
    "redis_memory": redis_memory,
    "redis_facts": redis_facts,
    "Reasons.of": Reasons.of,
    "Reasons.queued": lambda app: Reasons(app, []).queued(JobRecord(seeding.payload("Job"))),
    "Reasons.timed": lambda app: Reasons(app, []).timed(JobRecord(seeding.payload("Job")), 5.5),
    "Keyspace.size": lambda app: Keyspace(app).size(),
    "Keyspace.scan": lambda app: Keyspace(app).scan(text="e"),
    "Keyspace.known": lambda app: Keyspace(app).known(),
    "Keyspace.get": lambda app: Keyspace(app).get("retry"),
    "Keyspace.read": lambda app: Keyspace(app).read("retry"),
    "WorkSet": lambda app: drain(WorkSet(app)),
    "WorkSet.find_work": lambda app: WorkSet(app).find_work("nobody"),
    "WorkSet.of_process": lambda app: WorkSet(app).of_process(OURS),
    "WorkSet.size": lambda app: WorkSet(app).size(),
    "JobSet.size": lambda app: DeadSet(app).size(),
    "JobSet.entries": lambda app: drain(RetrySet(app)),
    "JobSet.page": lambda app: RetrySet(app).page(0, 25),
    "JobSet.fetch": lambda app: RetrySet(app).fetch((0, 100)),
    "JobSet.get": lambda app: RetrySet(app).get("1.0-1"),
    "JobSet.scan": lambda app: drain(RetrySet(app).scan("Job")),
    "JobSet.find_job": lambda app: RetrySet(app).find_job("nobody"),
    "JobSet.delete_by_jid": lambda app: RetrySet(app).delete_by_jid(1.0, "1"),
    "JobSet.schedule": lambda app: ScheduledSet(app).schedule(1e9, {"class": "Job", "args": []}),
    "JobSet.clear": lambda app: RetrySet(app).clear(),
    "JobSet.retry_all": lambda app: RetrySet(app).retry_all(),
    "JobSet.enqueue_all": lambda app: RetrySet(app).enqueue_all(),
    "JobSet.kill_all": lambda app: RetrySet(app).kill_all(),
    "JobSet.delete_all": lambda app: RetrySet(app).delete_all(),
    "DeadSet.kill": lambda app: DeadSet(app).kill({"class": "Job", "args": [], "jid": "dead"}),
    "DeadSet.trim": lambda app: DeadSet(app).trim(),
    "Entry.delete": lambda app: on_entry(app, lambda entry: entry.delete()),
    "Entry.reschedule": lambda app: on_entry(app, lambda entry: entry.reschedule(2e9)),
    "Entry.add_to_queue": lambda app: on_entry(app, lambda entry: entry.add_to_queue()),
    "Entry.retry": lambda app: on_entry(app, lambda entry: entry.retry()),
    "Entry.edit": lambda app: on_entry(app, lambda entry: entry.edit({"args": [1]})),
    "Entry.kill": lambda app: on_entry(app, lambda entry: entry.kill()),
    "Grouping.go_on": lambda app: Grouping(RetrySet(app)).go_on(1),
    "Metrics.top_jobs": lambda app: Metrics(app).top_jobs(),
    "Metrics.queues": lambda app: Metrics(app).queues(hours=72),
    "Metrics.for_job": lambda app: Metrics(app).for_job("Job"),
    "Deploys.mark": lambda app: Deploys(app).mark("v1"),
    "Deploys.list": lambda app: Deploys(app).list(),
    "Sidelong.cancel": lambda app: app.cancel("nobody"),
}


def retried(site: Site) -> None:
    """Let two jobs wait for another attempt, the first with the jid 1."""
    site.client.delete("retry")
    site.client.zadd("retry", {seeding.payload("Job", jid=str(score)): score for score in (1, 2)})


def documented(call: str) -> set[str]:
    """Return the commands that the table names for a call, those of the calls it refers to included."""
    (number,) = [number for number, (calls, _, _) in enumerate(ROWS) if f"`{call}`" in calls]
    commands = ROWS[number][1]
    outside = re.sub(r"\(.*?\)", "", commands)
    named = set(re.findall(r"\b[A-Z]{3,}\b", outside))
    for referred in re.findall(r"`(\w+)`", outside):
        named |= documented(f"Queue.{referred}")
    if re.search(r"^ those, ", commands):
        named |= documented(re.findall(r"`([^`]+)`", ROWS[number - 1][0])[0])
    return named


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_sends_what_the_page_says(call: str, redis_server: Database, redis_client: redis.Redis) -> None:
    site = Site(redis_server.url, redis_client)
    for number in range(120):
        site.push("Job", jid=str(number))
    register(site)
    works(site, f"{OURS}:work", a=work("1"))
    retried(site)
    async with Sidelong(redis_server.url) as app:
        await app.store.admin.call("PING")
        with Monitor(redis_server.url) as monitor:
            await CALLS[call](app)
    sent = {command.name for command in monitor.commands} - PREPARATIONS

    assert sent
    assert sent <= documented(call)


def test_the_page_has_a_row_for_every_call():
    table = "".join(calls for calls, _, _ in ROWS)
    missing = []
    for name in sidelong.api.__all__:
        exported = getattr(sidelong.api, name)
        members = [(name, exported)] if inspect.iscoroutinefunction(exported) else inspect.getmembers(exported)
        for attribute, member in members:
            is_call = inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
            if is_call and not attribute.startswith("_") and not re.search(rf"\b{attribute}\b", table):
                missing.append(f"{name}.{attribute}")

    assert missing == []
