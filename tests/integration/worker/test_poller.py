"""How due jobs come back onto their queues."""

import json
from typing import Any

from sidelong import Sidelong
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
        due = site.client.time()[0] + 2.0
        await note.enqueue_at(due, due)
        await eventually(lambda: ran)

    assert -0.75 < ran[0] <= 0


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
    assert log.containing("was stopped by client middleware and is gone")


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


async def test_several_workers_promote_a_job_once(site: Site) -> None:
    apps = [site.app() for _ in range(3)]
    ran = [noting(app) for app in apps]

    site.client.zadd("schedule", {payload("Note", number, jid=f"{number:024}"): 1.0 for number in range(300)})
    async with apps[0], apps[1], apps[2], apps[0].worker(), apps[1].worker(), apps[2].worker():
        await eventually(lambda: sum(map(len, ran)) >= 300)
        await site.drained()

    assert sorted(number for each in ran for number in each) == list(range(300))
