"""The rules that docs/redis.md publishes are enough, and none of them is too much."""

import asyncio
import logging
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import redis

from sidelong import NotEnqueued, Sidelong
from sidelong.core.config import Config
from sidelong.errors import StoreError
from sidelong.store.store import Store
from sidelong.store.stored_queue import StoredQueue
from tests.integration.api.test_costs import CALLS, retried
from tests.integration.api.test_processes import register
from tests.integration.worker.site import Site
from tests.support import jobs
from tests.support.eventually import eventually, eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import ROOT, WorkerOptions, WorkerProcess
from tests.support.redis_server import RedisServer
from tests.support.timings import TEST_TIMINGS

PAGE = (ROOT / "docs/redis.md").read_text()
RULES = {
    user: re.search(rf"^ACL SETUSER sidelong-{user} (.+)$", PAGE, re.MULTILINE)[1].split()  # type: ignore[index]
    for user in ("worker", "client", "operator")
}
# What a worker says that it does without, and what it does without in silence.
SPARED = {"+scan", "+info", "+client|id", "+client|unblock", "+client|setname"}
SITUATIONAL = {"+ping", "+select", "+role"}
METRICS = {"+hincrby", "+bitfield", "~j|*", "~h|*", "~*-[0-9][0-9]-[0-9][0-9]:[0-9]*"}
NEEDED = [rule for rule in RULES["worker"] if rule[0] in "+~" and rule not in SPARED | SITUATIONAL | METRICS]


@pytest.fixture
def admin(own_redis: RedisServer) -> Callable[..., None]:
    """Gives a user the published rules, less some."""

    def allow(user: str, *without: str) -> None:
        rules = [rule for rule in RULES[user] if rule not in without]
        assert len(rules) == len(RULES[user]) - len(without)
        with own_redis.client() as client:
            client.execute_command("ACL", "SETUSER", user, *rules)

    return allow


def url(server: RedisServer, user: str) -> str:
    return f"redis://{user}:change-me@127.0.0.1:{server.port}/1"


def test_work_goes_on_under_the_published_rules(
    own_redis: RedisServer, admin: Callable[..., None], ledger: Ledger, tmp_path: Path
) -> None:
    admin("worker")
    admin("client")
    gate = tmp_path / "gate"
    options = WorkerOptions(redis=url(own_redis, "worker"), ledger=ledger, overrides={"max_retries": 1})

    async def enqueue() -> tuple[list[str], str, str]:
        async with jobs.build_app(url(own_redis, "client"), ledger) as app:
            ends = [
                str(await app.enqueue(name, *args)) for name, *args in (("noop",), ("fail_times", 1), ("in_thread",))
            ]
            ends += map(str, await jobs.job(app, jobs.noop).enqueue_many([()] * 50))
            ends.append(str(await jobs.job(app, jobs.noop).enqueue_in(0.5)))
            held = str(await app.enqueue("hold", str(gate), queue="low"))
            return ends, held, str(await app.enqueue("kill"))

    with WorkerProcess(options) as worker:
        other = WorkerOptions(redis=options.redis, ledger=ledger, queues=["low"])
        ends, held, dead = asyncio.run(enqueue())
        with WorkerProcess(other):
            eventually_sync(lambda: held in ledger.history().runs, 15)
        gate.touch()
        with WorkerProcess(other), own_redis.database(1).client() as client:
            eventually_sync(lambda: {*ends, held} <= ledger.history().ends.keys(), 30)
            eventually_sync(lambda: client.zcard("dead") == 1, 15)
            assert dead.encode() in client.zrange("dead", 0, -1)[0]
            assert client.scard("processes") >= 1
        assert worker.stop() == 0
        log = worker.log()

    with own_redis.client() as client:
        refusals = {entry["object"] for entry in client.acl_log()}
    # redis-py tells its own name unasked.
    assert refusals <= {"client|setinfo"}
    assert "may not" not in log


@pytest.mark.parametrize("rule", NEEDED)
async def test_a_worker_that_lacks_a_right_says_which(
    rule: str, own_redis: RedisServer, admin: Callable[..., None]
) -> None:
    admin("worker", rule)

    with pytest.raises(StoreError) as caught:
        await Store(Config(redis_url=url(own_redis, "worker"))).check()

    assert rule in re.split(r"[\s;]+", str(caught.value))
    assert "change-me" not in str(caught.value)


async def test_a_worker_names_exactly_what_it_lacks(own_redis: RedisServer, admin: Callable[..., None]) -> None:
    admin("worker", "+lmove", "+zadd", "~stat:*")

    with pytest.raises(StoreError, match=re.escape("ACL SETUSER: +lmove +zadd ~stat:*") + "$"):
        await Store(Config(redis_url=url(own_redis, "worker"))).check()


@pytest.mark.parametrize("rule", sorted(SPARED))
async def test_a_worker_does_without_a_convenience_and_says_so_once(
    rule: str, own_redis: RedisServer, admin: Callable[..., None], ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    admin("worker", rule)
    app = jobs.build_app(url(own_redis, "worker"), ledger, **TEST_TIMINGS)

    with caplog.at_level(logging.WARNING):
        async with app, app.worker():
            jid = str(await app.enqueue("noop"))
            await eventually(lambda: jid in ledger.history().ends, 15)

    command = rule[1:].replace("|", " ").upper()
    told = [record.message for record in caplog.records if f"may not run {command}" in record.message]
    assert len(told) == 1
    assert all(record.levelno == logging.WARNING for record in caplog.records)


# Late in a month, and late in a day, the last pattern covers the one of `h|` as well.
@pytest.mark.parametrize("rule", sorted(METRICS - {"~h|*"}))
async def test_a_worker_does_without_metrics_and_says_so_once(
    rule: str, own_redis: RedisServer, admin: Callable[..., None], ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    admin("worker", rule)
    app = jobs.build_app(url(own_redis, "worker"), ledger, **{**TEST_TIMINGS, "beat_interval": 0.1})

    with caplog.at_level(logging.WARNING):
        async with app, app.worker():
            for _ in range(2):
                jid = str(await app.enqueue("noop"))
                await eventually(lambda jid=jid: jid in ledger.history().ends, 15)  # type: ignore[misc]
                await eventually(lambda: "metrics" in caplog.text, 15)

    told = [record.message for record in caplog.records if "metrics" in record.message]
    assert len(told) == 1
    assert all(record.levelno == logging.WARNING for record in caplog.records)


@pytest.mark.parametrize("rule", [rule for rule in RULES["client"] if rule[0] in "+%"])
async def test_a_client_that_lacks_a_right_hears_it_from_redis(
    rule: str, own_redis: RedisServer, admin: Callable[..., None]
) -> None:
    admin("client", rule)
    hears = rule in {"+lpush", "+zadd", "%W~queue:*", "%W~schedule", "+select"}

    async with Sidelong(url(own_redis, "client")) as app:
        outcomes = [await attempt(app, **options) for options in ({}, {"at": 4e9})]

    assert hears == any("NOPERM" in outcome for outcome in outcomes)
    assert hears or outcomes == ["", ""]


async def attempt(app: Sidelong, **options: float) -> str:
    """Enqueue a job and return what was said against it."""
    try:
        await app.enqueue("noop", **options)
    except NotEnqueued as error:
        return str(error)
    return ""


async def test_a_client_cannot_read_jobs(own_redis: RedisServer, admin: Callable[..., None]) -> None:
    admin("client")

    with redis.Redis.from_url(url(own_redis, "client")) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.lrange("queue:default", 0, -1)


def test_every_command_of_a_script_is_among_the_rules() -> None:
    folder = files("sidelong.store") / "lua"
    sources = [path.read_text() for place in (folder, folder / "shared") for path in place.iterdir() if path.is_file()]

    used = {name for text in sources for name in re.findall(r"\bp?call\('([A-Z]+)'", text)}

    assert {f"+{name.lower()}" for name in used} <= {*RULES["worker"], *RULES["operator"]}
    assert len(used) > 20


async def test_everything_can_be_seen_and_steered_under_the_published_rules(
    own_redis: RedisServer, admin: Callable[..., None]
) -> None:
    admin("operator")
    with own_redis.database(1).client() as client:
        site = Site(own_redis.url, client)
        async with Sidelong(url(own_redis, "operator")) as app:
            for call in CALLS.values():
                register(site)
                retried(site)
                for number in range(10):
                    site.push("Job", jid=str(number))
                await call(app)


async def test_a_long_queue_can_be_written_anew_under_the_published_rules(
    own_redis: RedisServer, admin: Callable[..., None]
) -> None:
    admin("operator")
    with own_redis.database(1).client() as client:
        site = Site(own_redis.url, client)
        raws = [site.push("Job", number, jid=str(number)) for number in range(120)]
        async with Sidelong(url(own_redis, "operator")) as app:
            queue = StoredQueue(app.store.admin, app.store.scripts, "default")
            done = await queue.rewrite(is_meant=lambda raw: raw in raws[::2], tell=lambda read: None, margin=0)

        assert done is not None
        assert done.deleted == 60
        assert client.lrange("queue:default", 0, -1) == raws[:0:-2]
