"""Payloads that no sane program writes, in every key that holds jobs: none is lost, none holds up another."""

import base64
import json
import zlib
from collections import Counter
from typing import Any

import pytest

from sidelong import Sidelong, current_context
from tests.integration.worker.site import Lines, Site, payload
from tests.support.eventually import eventually

MB = 1_000_000
DEAD_OWNER = "gone:1:0123456789ab"


def ok(**fields: Any) -> bytes:
    return payload("Ok", **fields)


def bad(**fields: Any) -> bytes:
    return payload("Bad", **fields)


def raw_with(text: bytes, name: bytes = b"Bad") -> bytes:
    return b'{"class":"' + name + b'","args":[],"jid":"' + b"a" * 24 + b'","queue":"default",' + text + b"}"


# name -> (payload, where it ends when it is taken from a queue)
PAYLOADS: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{class: Ok}", "dead"),
    "empty": (b"", "dead"),
    "spaces": (b"   ", "dead"),
    "invalid UTF-8": (b'{"class":"Ok\xff","args":[],"jid":"1"}', "dead"),
    "UTF-16": ('{"class":"Ok","args":[],"jid":"1"}'.encode("utf-16"), "dead"),
    "BOM": (b"\xef\xbb\xbf" + ok(), "dead"),
    "control characters": (b"\x00\x1b[31m\r\nfaked log line", "dead"),
    "100k nested lists": (b"[" * 100_000, "dead"),
    "100k nested lists as args": (b'{"class":"Ok","args":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "dead"),
    "101 levels": (b'{"class":"Ok","args":' + b"[" * 101 + b"]" * 101 + b"}", "dead"),
    "5000-digit integer": (b'{"class":"Ok","args":[' + b"9" * 5000 + b'],"jid":"1"}', "dead"),
    "NaN": (b'{"class":"Ok","args":[NaN],"jid":"1"}', "dead"),
    "1e999": (b'{"class":"Ok","args":[1e999],"jid":"1"}', "dead"),
    "null": (b"null", "dead"),
    "list": (b"[]", "dead"),
    "string": (b'"x"', "dead"),
    "number": (b"5", "dead"),
    "lone surrogate": (b'{"class":"Ok","args":["\\ud800"],"jid":"1"}', "dead"),
    "two objects": (ok() + ok(), "dead"),
    "empty object": (b"{}", "retry"),
    "no class": (b'{"args":[],"jid":"no-class"}', "retry"),
    "class a dict": (b'{"class":{"a":1},"args":[],"jid":"class-dict"}', "retry"),
    "class of 1 MB": (payload("C" * MB), "retry"),
    "class with control characters": (payload("Evil\n\x1b[31mClass"), "retry"),
    "unknown class": (payload("Unknown"), "retry"),
    "no args": (b'{"class":"Ok","jid":"no-args"}', "retry"),
    "args a dict": (b'{"class":"Ok","args":{"a":1},"jid":"args-dict"}', "retry"),
    "args null": (b'{"class":"Ok","args":null,"jid":"args-null"}', "retry"),
    "too many args": (payload("Ok", 1, 2, 3), "retry"),
    "no jid": (ok(jid=None), "ran"),
    "jid a number": (ok(jid=5), "ran"),
    "jid empty": (ok(jid=""), "ran"),
    "jid of 1 MB": (bad(jid="j" * MB), "retry"),
    "jid with a newline": (bad(jid="a\nb\x1b[31m"), "retry"),
    "no queue": (b'{"class":"Ok","args":[],"jid":"no-queue"}', "ran"),
    "duplicate keys": (b'{"class":"Unknown","class":"Ok","args":[1,2,3],"args":[],"jid":"1"}', "ran"),
    "retry a string": (bad(retry="x"), "retry"),
    "retry -1": (bad(retry=-1), "dead"),
    "retry 1e308": (bad(retry=1e308), "retry"),
    "retry of 400 digits": (bad(retry=10**400), "retry"),
    "retry a list": (bad(retry=[1]), "retry"),
    "retry_count a string": (bad(retry_count="1"), "retry"),
    "retry_count of 400 digits": (bad(retry_count=10**400), "retry"),
    "retry_count -5": (bad(retry_count=-5), "retry"),
    "retry_for a string": (bad(retry_for="x"), "retry"),
    "retry_for of 400 digits": (bad(retry_for=10**400), "retry"),
    "failed_at of 400 digits": (bad(retry_for=10, retry_count=1, failed_at=10**400), "retry"),
    "failed_at 1e300": (bad(retry_for=10, retry_count=1, failed_at=1e300), "retry"),
    "failed_at a string": (bad(retry_for=10, retry_count=1, failed_at="x"), "retry"),
    "retry_queue a list": (bad(retry_queue=[1]), "retry"),
    "created_at 1e300": (bad(created_at=1e300, enqueued_at=1e300), "retry"),
    "created_at a string": (bad(created_at="x", enqueued_at="x"), "retry"),
    "created_at a boolean": (bad(created_at=True, enqueued_at=True), "retry"),
    "enqueued_at of 400 digits": (payload("Curious", enqueued_at=10**400), "ran"),
    "backtrace 1e9": (raw_with(b'"backtrace":1e9'), "retry"),
    "backtrace 10**9": (bad(backtrace=10**9), "retry"),
    "backtrace of 400 digits": (bad(backtrace=10**400), "retry"),
    "error_backtrace not base64": (bad(error_backtrace="***"), "retry"),
    "error_backtrace a zlib bomb": (
        bad(error_backtrace=base64.b64encode(zlib.compress(bytes(50 * MB))).decode()),
        "retry",
    ),
    "timeout of 400 digits": (payload("Ok", timeout=10**400), "retry"),
    "timeout a string": (payload("Ok", timeout="x"), "ran"),
    "tags a number": (payload("Curious", tags=5), "ran"),
    "log_level a list": (payload("Ok", log_level=[1]), "ran"),
    "wrapped a dict": (bad(wrapped={"a": 1}), "retry"),
    "crashed_at a string": (ok(crashed_at="x"), "ran"),
    "crashed_at of odd times": (ok(crashed_at=[10**400, "x", None, 1e300]), "ran"),
}

LARGE = (payload("Ok", jid="5" * 24, comment="x" * 50 * MB), "ran")

# What `queue` may say where a set is emptied into queues, and where the job ends then.
QUEUES: dict[str, tuple[Any, str]] = {
    "naming a key of the wrong type": ("wrong", "dead"),
    "with a colon": ("a:b", "queue:a:b"),
    "with a star and spaces": ("a * b", "queue:a * b"),
    "with a newline": ("a\nb", "dead"),
    "empty": ("", "dead"),
    "of 1 MB": ("q" * MB, "dead"),
    "a number": (5, "dead"),
    "a list": (["default"], "dead"),
}


class Trial:
    """An application whose jobs note what ran."""

    def __init__(self, site: Site, **settings: Any) -> None:
        # Recovery needs 0.8 s with these; only one worker looks, so that a late beat harms nobody.
        quick = {"beat_interval": 0.1, "lease_ttl": 0.5, "recovery_grace": 0.3, "recovery_interval": 0.1}
        self.app: Sidelong = site.app(**{**quick, **settings})
        self.ran: Counter[str] = Counter()
        ran = self.ran

        @self.app.job(name="Ok")
        async def ok() -> None:
            ran["Ok"] += 1

        @self.app.job(name="Curious")
        async def curious() -> None:
            context = current_context()
            assert context.enqueued_at is None or context.enqueued_at
            assert context.tags == ()
            ran["Curious"] += 1

        @self.app.job(name="Bad", retry_in=lambda *_: 5000)
        async def bad() -> None:
            raise ValueError("no")

        @self.app.job(name="Behind")
        async def behind(number: int) -> None:
            ran[f"Behind {number}"] += 1

    def ran_behind(self, count: int) -> bool:
        return all(self.ran[f"Behind {number}"] == 1 for number in range(count))


def behind(number: int) -> bytes:
    return payload("Behind", number, jid=f"{number:024}")


def unfit_lines(log: Lines) -> list[str]:
    """Return the log lines that are too long or would upset a terminal."""
    lines = [line for text in log.lines for line in text.split("\n")]
    return [line[:300] for line in lines if len(line.encode()) >= 2000 or not line.isprintable()]


def cases(site: Site) -> dict[str, tuple[bytes, str]]:
    # The embedded store copies a payload a dozen times on its way: 50 MB would show only that.
    return dict(PAYLOADS) if site.is_embedded else {**PAYLOADS, "50 MB": LARGE}


def assert_all_ended(site: Site, trial: Trial, given: dict[str, tuple[bytes, str]]) -> None:
    ends = Counter(end for _, end in given.values())
    dead = set(site.client.zrange("dead", 0, -1))
    unreadable = {raw for what, (raw, end) in given.items() if end == "dead" and what != "retry -1"}
    assert unreadable - dead == set()
    assert len(dead) == ends["dead"]
    assert site.client.zcard("retry") == ends["retry"]
    assert trial.ran["Ok"] + trial.ran["Curious"] == ends["ran"]
    assert site.client.zcard("schedule") == 0


@pytest.mark.parametrize("concurrency", [1, 100])
async def test_in_a_queue(site: Site, log: Lines, concurrency: int) -> None:
    # What fails is due again after fifteen seconds, which a busy machine may take for all of it.
    trial = Trial(site, poll_interval=600.0)
    given = cases(site)
    for number, (raw, _) in enumerate(given.values()):
        site.push_raw(raw)
        site.push_raw(behind(number))

    async with trial.app, trial.app.worker(concurrency=concurrency):
        await eventually(lambda: trial.ran_behind(len(given)), 60)
        await site.drained(60)

    assert_all_ended(site, trial, given)
    assert unfit_lines(log) == []


@pytest.mark.parametrize("name", ["schedule", "retry"])
async def test_in_a_set_that_is_due(site: Site, log: Lines, name: str) -> None:
    trial = Trial(site)
    given = cases(site)
    for number, (raw, _) in enumerate(given.values()):
        site.client.zadd(name, {raw: 1 + number, behind(number): 1.5 + number})

    async with trial.app, trial.app.worker(concurrency=20):
        await eventually(lambda: trial.ran_behind(len(given)), 60)
        await eventually(lambda: not site.client.zcount("retry", 0, 10_000) and site.is_drained(), 60)

    assert_all_ended(site, trial, given)
    assert unfit_lines(log) == []


@pytest.mark.parametrize("name", ["schedule", "retry"])
async def test_a_due_job_that_names_an_odd_queue(site: Site, log: Lines, name: str) -> None:
    trial = Trial(site)
    site.client.set("queue:wrong", "a string")
    moved = {what: ok(queue=queue, jid=f"{number:024}") for number, (what, (queue, _)) in enumerate(QUEUES.items())}
    for number, raw in enumerate(moved.values()):
        site.client.zadd(name, {raw: 1 + number, behind(number): 1.5 + number})

    async with trial.app, trial.app.worker(queues=["default"]):
        await eventually(lambda: trial.ran_behind(len(QUEUES)))
        await eventually(lambda: site.client.zcard(name) == 0)
    site.client.delete("queue:wrong")

    dead = [item["jid"] for item, _ in site.members("dead")]
    for number, (_, end) in enumerate(QUEUES.values()):
        found = dead if end == "dead" else [json.loads(raw)["jid"] for raw in site.client.lrange(end, 0, -1)]
        assert f"{number:024}" in found
    assert len(dead) == sum(end == "dead" for _, end in QUEUES.values())
    assert trial.ran["Ok"] == 0
    assert unfit_lines(log) == []


async def test_in_the_dead_set_they_stay(site: Site, log: Lines) -> None:
    trial = Trial(site)
    now = site.client.time()[0]
    site.client.zadd("dead", {raw: now - 10 for raw, _ in cases(site).values()})
    before = set(site.client.zrange("dead", 0, -1))

    site.push("Bad", retry=0, jid="1" * 24)
    async with trial.app, trial.app.worker():
        await eventually(lambda: site.counter("stat:failed") == 1)

    after = set(site.client.zrange("dead", 0, -1))
    assert before < after
    assert len(after) == len(before) + 1
    assert unfit_lines(log) == []


async def test_in_the_private_list_of_a_dead_worker(site: Site, log: Lines) -> None:
    trial = Trial(site)
    given = cases(site)
    site.client.sadd("sidelong:owners", DEAD_OWNER)
    site.client.sadd(f"sidelong:owner-queues:{DEAD_OWNER}", "default")
    for number, (raw, _) in enumerate(given.values()):
        site.client.lpush(f"sidelong:inflight:{DEAD_OWNER}:default", raw, behind(number))

    async with trial.app, trial.app.worker(concurrency=20):
        await eventually(lambda: trial.ran_behind(len(given)), 60)
        await site.drained(60)
        await eventually(lambda: not site.client.sismember("sidelong:owners", DEAD_OWNER))

    assert_all_ended(site, trial, given)
    assert unfit_lines(log) == []
