"""How due jobs come back onto their queues."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import pytest

from sidelong import InvalidPayloadError, Sidelong
from tests.integration.worker.site import Lines, Site, payload
from tests.support.eventually import eventually


def noting(app: Sidelong) -> list[Any]:
    ran: list[Any] = []

    @app.job(name="Note")
    async def note(word: Any) -> None:
        ran.append(word)

    return ran


async def test_promotes_what_is_due_and_leaves_what_is_not(site: Site) -> None:
    app = site.app()
    ran = noting(app)
    now = site.client.time()[0]
    later = payload("Note", "later", jid="2" * 24)

    site.client.zadd("schedule", {payload("Note", "due", jid="1" * 24): now - 1, later: now + 1000})
    async with app, app.worker():
        await eventually(lambda: ran == ["due"])
        await site.drained()

    assert site.client.zrange("schedule", 0, -1, withscores=True) == [(later, now + 1000.0)]
    assert ran == ["due"]


async def test_a_promoted_job_has_its_time_of_enqueuing_and_no_at(site: Site) -> None:
    app = site.app()
    raw = payload("Note", "due", queue="elsewhere", at=1.0, enqueued_at=None)

    site.client.zadd("schedule", {raw: 1.0})
    async with app, app.worker(queues=["default"]):
        await eventually(lambda: site.client.llen("queue:elsewhere") == 1)

    item = json.loads(site.queue("elsewhere")[0])
    assert "at" not in item
    assert type(item["enqueued_at"]) is float
    assert abs(site.seconds_until(item["enqueued_at"])) < 60
    assert list(item)[:-1] == [key for key in json.loads(raw) if key != "at"]
    assert site.client.sismember("queues", "elsewhere")
    assert site.client.zcard("schedule") == 0


async def test_a_job_enqueued_ahead_runs_when_its_time_has_come(site: Site) -> None:
    app = site.app(poll_interval=1.0)
    ran: list[float] = []

    @app.job
    async def note(due: float) -> None:
        ran.append(site.seconds_until(due))

    async with app, app.worker():
        now = site.client.time()[0]
        for number in range(15):
            due = now + 2.2 + 0.06 * number
            await note.enqueue_at(due, due)
        await eventually(lambda: len(ran) == 15)

    assert max(ran) <= 0
    # Who waited for the next poll would be half a second late on average; this machine may stand still for a moment.
    assert median(ran) > -0.25


async def test_more_than_a_hundred_due_jobs_are_all_promoted(site: Site) -> None:
    app = site.app()
    ran = noting(app)

    site.client.zadd("schedule", {payload("Note", number, jid=f"{number:024}"): 1 + number for number in range(350)})
    async with app, app.worker(concurrency=1):
        await eventually(lambda: len(ran) == 350)
        await site.drained()

    assert ran == list(range(350))


async def test_client_middleware_runs_again_and_what_it_changes_is_stored(site: Site) -> None:
    app = site.app()
    ran = noting(app)
    times: list[int] = []

    @app.client_middleware
    async def mark(job: dict[str, Any], call_next: Any) -> Any:
        times.append(len(times))
        return await call_next({**job, "args": [f"{job['args'][0]}!"]})

    async with app, app.worker():
        await app.client.push({"class": "Note", "args": ["word"], "at": site.client.time()[0] + 1.2})
        await eventually(lambda: ran)

    assert ran == ["word!!"]
    assert len(times) == 2


async def test_client_middleware_that_stops_a_promotion_removes_the_job(site: Site, log: Lines) -> None:
    app = site.app()
    ran = noting(app)

    @app.client_middleware
    async def gate(job: dict[str, Any], call_next: Any) -> Any:
        return None if job["args"] == ["stop"] else await call_next()

    site.client.zadd("schedule", {payload("Note", "stop", jid="1" * 24): 1.0, payload("Note", "go", jid="2" * 24): 2.0})
    async with app, app.worker():
        await eventually(lambda: ran == ["go"])
        await eventually(lambda: site.client.zcard("schedule") == 0)

    assert ran == ["go"]
    assert log.containing("1 due job of schedule ended here: stopped by client middleware")


async def test_client_middleware_that_raises_puts_the_job_off_and_holds_up_no_other(site: Site) -> None:
    app = site.app()
    ran = noting(app)
    told: list[dict[str, Any]] = []
    is_broken = [True]
    app.error_handler(lambda error, context: told.append(context))

    @app.client_middleware
    async def shaky(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["broken"] and is_broken[0]:
            raise LookupError("no")
        return await call_next()

    raw = payload("Note", "broken", jid="1" * 24)
    site.client.zadd("retry", {raw: 1.0, payload("Note", "behind", jid="2" * 24): 2.0})
    async with app, app.worker():
        await eventually(lambda: ran == ["behind"])
        await eventually(lambda: told)
        ((member, first),) = site.client.zrange("retry", 0, -1, withscores=True)
        delay = site.seconds_until(first)
        for _ in range(3):
            site.make_due()
            count = len(told)
            await eventually(lambda count=count: len(told) > count)
            await eventually(lambda: site.client.zcount("retry", 0, 10) == 0)
        longer = site.seconds_until(site.only("retry")[1])
        is_broken[0] = False
        site.make_due()
        await eventually(lambda: ran == ["behind", "broken"])
        await site.drained()

    assert member == raw
    assert 10 < delay < 25
    assert longer > 90
    assert {context["context"] for context in told} == {"promote"}


class OddError(BaseException):
    """Derives from nothing that `except Exception` catches."""


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def raise_it(fault: BaseException) -> None:
    raise fault


FAULTS: dict[str, Callable[[], Awaitable[None]]] = {
    "SystemExit": lambda: raise_it(SystemExit(3)),
    "KeyboardInterrupt": lambda: raise_it(KeyboardInterrupt()),
    "GeneratorExit": lambda: raise_it(GeneratorExit()),
    "CancelledError": lambda: raise_it(asyncio.CancelledError()),
    "OddError": lambda: raise_it(OddError()),
    "cancels itself": cancel_itself,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_client_middleware_raises_puts_that_job_off_and_ends_nothing(site: Site, fault: str) -> None:
    app = site.app()
    ran = noting(app)
    gate = asyncio.Event()

    @app.job(name="Held")
    async def held() -> None:
        await gate.wait()
        ran.append("held")

    @app.client_middleware
    async def shaky(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["broken"]:
            await FAULTS[fault]()
        return await call_next()

    site.push("Held", jid="3" * 24)
    async with app, app.worker() as worker:
        identity = worker.identity
        await eventually(lambda: worker.running)
        raw = payload("Note", "broken", jid="1" * 24)
        site.client.zadd("retry", {raw: 1.0, payload("Note", "behind", jid="2" * 24): 2.0})
        await eventually(lambda: ran == ["behind"])
        gate.set()
        await site.drained()
        assert worker.identity == identity

    ((member, score),) = site.client.zrange("retry", 0, -1, withscores=True)
    assert member == raw
    assert 10 < site.seconds_until(score) < 25
    assert ran == ["behind", "held"]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_client_middleware_that_hangs_puts_the_job_off_and_holds_up_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr("sidelong.worker.poller._MIDDLEWARE_ENDS_WITHIN", 0.05)
    app = site.app()
    ran = noting(app)
    told: list[str] = []
    never = asyncio.Event()
    app.error_handler(lambda error, context: told.append(type(error).__name__))

    @app.client_middleware
    async def hang(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["stuck"]:
            try:
                await never.wait()
            except asyncio.CancelledError:
                if stubborn:
                    await never.wait()
                raise
        return await call_next()

    raw = payload("Note", "stuck", jid="1" * 24)
    site.client.zadd("schedule", {raw: 1.0, payload("Note", "behind", jid="2" * 24): 2.0})
    async with app, app.worker():
        await eventually(lambda: ran == ["behind"])
        await site.drained()
    never.set()

    ((member, score),) = site.client.zrange("schedule", 0, -1, withscores=True)
    assert member == raw
    assert 10 < site.seconds_until(score) < 25
    assert told == ["TimeoutError"]


async def test_slow_client_middleware_does_not_hold_back_what_is_decided(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidelong.worker.poller._CARRY_OUT_AFTER", 0.0)
    app = site.app()
    ran = noting(app)
    gate = asyncio.Event()

    @app.client_middleware
    async def slow(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["slow"]:
            await gate.wait()
        return await call_next()

    site.client.zadd(
        "schedule", {payload("Note", "first", jid="1" * 24): 1.0, payload("Note", "slow", jid="2" * 24): 2.0}
    )
    async with app, app.worker():
        await eventually(lambda: ran == ["first"])
        gate.set()
        await eventually(lambda: ran == ["first", "slow"])
        await site.drained()


async def test_no_further_client_middleware_is_begun_once_the_worker_is_quiet(site: Site) -> None:
    app = site.app()
    begun: list[str] = []
    gate = asyncio.Event()

    @app.client_middleware
    async def slow(job: dict[str, Any], call_next: Any) -> Any:
        begun.append(job["args"][0])
        await gate.wait()
        return await call_next()

    site.client.zadd(
        "schedule", {payload("Note", str(number), jid=f"{number:024}"): 1.0 + number for number in range(9)}
    )
    async with app, app.worker() as worker:
        await eventually(lambda: begun)
        worker.quiet()
        gate.set()
        await site.has("schedule", 8)

    assert begun == ["0"]


INVALID = {
    "a jid with wildcards": {"jid": "a[1]"},
    "tags that are a string": {"tags": "urgent"},
    "a queue that a push refuses": {"queue": "two words"},
}


@pytest.mark.parametrize("what", INVALID)
async def test_what_a_push_would_refuse_but_another_program_stored_is_promoted(site: Site, what: str) -> None:
    app = site.app()
    app.client_middleware(pass_on)

    raw = payload("Note", "word", **{"queue": "elsewhere", **INVALID[what]})
    site.client.zadd("schedule", {raw: 1.0})
    async with app, app.worker(queues=["default"]):
        await site.has("schedule", 0)

    (stored,) = site.queue(INVALID[what].get("queue", "elsewhere"))
    item = json.loads(stored)
    assert item.pop("enqueued_at") > json.loads(raw)["enqueued_at"] - 1e9
    assert item == {key: value for key, value in json.loads(raw).items() if key != "enqueued_at"}


async def test_a_due_job_without_arguments_ends_as_if_it_had_been_in_a_queue(site: Site) -> None:
    app = site.app()
    ran = noting(app)
    app.client_middleware(pass_on)

    site.client.zadd("schedule", {b'{"class":"Note","jid":"b","queue":"default"}': 1.0})
    async with app, app.worker():
        await eventually(lambda: site.client.zcard("dead") + site.client.zcard("retry") == 1)
        await site.drained()

    assert site.client.zcard("schedule") == 0
    assert ran == []


async def pass_on(job: dict[str, Any], call_next: Any) -> Any:
    return await call_next()


SPOILT: dict[str, Any] = {
    "no arguments": lambda job: job.pop("args") and job,
    "no mapping": lambda job: "job",
    "a jid of the wrong type": lambda job: {**job, "jid": 5},
    "no queue name": lambda job: {**job, "queue": "two words"},
    "an endless queue name": lambda job: {**job, "queue": "q" * 1000},
    "an argument that is no JSON": lambda job: job["args"].append({1}) or job,
}


@pytest.mark.parametrize("how", SPOILT)
async def test_what_client_middleware_makes_unusable_goes_to_the_dead_set_as_it_was(site: Site, how: str) -> None:
    app = site.app()
    ran = noting(app)
    told: list[Any] = []
    app.error_handler(lambda error, context: told.append((context["context"], context["job"]["args"])))

    @app.client_middleware
    async def spoil(job: dict[str, Any], call_next: Any) -> Any:
        return await call_next(SPOILT[how](job) if job["args"] == ["spoil"] else job)

    raw = payload("Note", "spoil", jid="1" * 24)
    site.client.zadd("schedule", {raw: 1.0, payload("Note", "behind", jid="2" * 24): 2.0})
    async with app, app.worker():
        await eventually(lambda: ran == ["behind"])
        await site.drained()

    item, _ = site.only("dead")
    reason = {key: item.pop(key) for key in ("error_message", "error_class", "failed_at")}
    assert item == json.loads(raw)
    assert reason["error_message"]
    assert reason["error_class"].endswith("Error")
    assert type(reason["failed_at"]) is float
    assert told == [("promote", ["spoil"])]
    assert site.client.zcard("schedule") == 0


async def test_what_not_even_the_dead_set_takes_holds_up_nothing_behind_it(site: Site, log: Lines) -> None:
    app = site.app(poll_interval=0.2)
    ran = noting(app)
    unread: list[BaseException] = []

    @app.error_handler
    def note(exception: BaseException, context: Any) -> None:
        if isinstance(exception, InvalidPayloadError):
            unread.append(exception)

    garbage = {f"garbage {number}".encode(): 1.0 for number in range(250)}
    site.client.set("dead", "a string")
    site.client.zadd("retry", {**garbage, payload("Note", "behind"): 2.0})
    async with app, app.worker():
        await eventually(lambda: ran == ["behind"])
        await eventually(lambda: len(log.containing("cannot be moved")) > 1)
        reported = len(unread)
        lines = log.containing("cannot be moved")
        kept = set(site.client.zrange("retry", 0, -1))
        site.client.delete("dead")
        await site.has("dead", 250, within=10)

    assert kept == set(garbage)
    assert lines[0].startswith("250 due jobs of retry cannot be moved and must wait a little more: WRONGTYPE")
    assert reported == 250
    assert site.client.zcard("retry") == 0


async def test_several_workers_promote_a_job_once(site: Site) -> None:
    apps = [site.app() for _ in range(3)]
    ran = [noting(app) for app in apps]

    site.client.zadd("schedule", {payload("Note", number, jid=f"{number:024}"): 1.0 for number in range(300)})
    async with apps[0], apps[1], apps[2], apps[0].worker(), apps[1].worker(), apps[2].worker():
        await eventually(lambda: sum(map(len, ran)) >= 300)
        await site.drained()

    assert sorted(number for each in ran for number in each) == list(range(300))
