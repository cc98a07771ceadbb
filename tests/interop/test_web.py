"""Ruby's Web UI over what is written here (wire-format §18, F28, and of F29 what stands in the sets and queues)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from tests.interop.ruby import Run
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

TEXT = "é 日本 <script>alert(1)</script>"
WRAPPER = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"


@pytest.fixture
async def shown(app: Sidelong, redis_client: redis.Redis) -> AsyncIterator[dict[str, str]]:
    """Everything that pages show, written here; gives the jid of each entry by what it is."""
    gate = asyncio.Event()

    @app.job(name="Held", queue="busy", tags=["vip"])
    async def held(text: str) -> None:
        await gate.wait()

    @app.job(name="Failing", queue="failing")
    async def failing(text: str) -> None:
        raise ValueError(f"from Python {text}")

    @app.job(name="Namespaced::Job")
    async def plain(*args: Any) -> None: ...

    worker = app.worker(queues=["busy", "failing"])
    async with app:
        # Embedded workers do not listen to the pages.
        running = asyncio.create_task(worker.run())
        jids = {
            "busy": await held.enqueue(TEXT),
            "retry": await failing.with_options(tags=["é", "vip"]).enqueue(TEXT),
            "retry with backtrace": await failing.with_options(backtrace=True).enqueue(TEXT),
            "dead": await failing.with_options(retry=0, backtrace=3).enqueue(TEXT),
            "queued": await plain.with_options(tags=["é"]).enqueue(TEXT, 1e-05, 2**70, None, {"a": [TEXT]}),
            "scheduled": await plain.enqueue_in(5000, TEXT),
        }
        others: dict[str, dict[str, Any]] = {
            "current attributes": {"class": "Job", "args": [], "cattr": {"user": TEXT}},
            "encrypted": {"class": "Job", "args": [1, "c2VjcmV0"], "encrypt": True},
            "wrapped": {
                "class": WRAPPER,
                "wrapped": "ShopJob",
                "args": [{"arguments": [TEXT], "job_class": "ShopJob"}],
            },
            "displayed": {"class": "Job", "args": [], "display_class": "Shown"},
        }
        for name, item in others.items():
            jids[name] = await app.client.push(item)
            jids[f"{name}, scheduled"] = await app.client.push({**item, "at": redis_client.time()[0] + 5000.5})
        await eventually(lambda: (redis_client.zcard("retry"), redis_client.zcard("dead")) == (2, 1))
        await eventually(lambda: worker.identity and redis_client.hget(worker.identity, "busy") == b"1")
        yield {name: str(jid) for name, jid in jids.items()}
        gate.set()
        await worker.stop()
        await running


KEYS = """
    [Sidekiq::RetrySet.new, Sidekiq::ScheduledSet.new, Sidekiq::DeadSet.new].to_h do |set|
      [set.name, set.to_h { |entry| [entry.jid, "#{entry.score}-#{entry.jid}"] }]
    end
"""
GET = """
    given["paths"].to_h do |path|
      answer = browse(path)
      [path, [answer.status, answer.body.force_encoding("utf-8")]]
    end
"""


async def test_every_page_shows_what_is_written_here(shown: dict[str, str], run: Run) -> None:
    keys = await run(KEYS)
    lists = ["/", "/busy", "/queues", "/retries", "/scheduled", "/morgue", "/stats", "/stats/queues"]
    queues = [f"/queues/{name}{order}" for name in ("default", "busy") for order in ("", "?direction=asc")]
    lists += ["/?days=180", "/retries?page=2&count=1", "/morgue?page=99", "/queues/default?page=2&count=2"]
    places = {"retries": "retry", "scheduled": "schedule", "morgue": "dead"}
    details = [f"/{page}/{key}" for page, place in places.items() for key in keys[place].values()]
    answers = await run(GET, paths=[*lists, *queues, *details])
    pages = {path: body for path, (_, body) in answers.items()}

    assert await run("browse('/dashboard/stats').status") == 302
    assert await run('Rack::MockRequest.new(Sidekiq::Web).head("/", "rack.session" => {}).status') == 200
    assert len(details) == 2 + 5 + 1
    assert {path: status for path, (status, _) in answers.items() if status != 200} == {}
    assert shown["busy"] in pages["/busy"]
    assert "Namespaced::Job" in pages["/queues/default"]
    assert "1.0e-05" in pages["/queues/default"]
    assert "[encrypted data]" in pages["/queues/default"]
    assert "ShopJob" in pages["/queues/default"]
    assert "Shown" in pages["/queues/default"]
    assert "from Python é 日本" in pages["/retries"]
    assert "ValueError" in pages["/morgue"]
    assert ":in failing" in pages[f"/retries/{keys['retry'][shown['retry with backtrace']]}"]
    # Sidekiq shows backtraces without escaping them: none of ours may hold a line of source or a message.
    assert all("<script>alert" not in page for path, page in pages.items() if path.startswith(("/retr", "/morgue")))
    assert (
        json.loads(pages["/stats"])["sidekiq"].items() >= {"busy": 1, "retries": 2, "dead": 1, "scheduled": 5}.items()
    )
    assert json.loads(pages["/stats/queues"]) == {"default": 5, "busy": 0, "failing": 0}


async def test_the_buttons_of_every_page_work(shown: dict[str, str], run: Run, redis_client: redis.Redis) -> None:
    keys = await run(KEYS)
    queued = next(
        raw for raw in redis_client.lrange("queue:default", 0, -1) if json.loads(raw)["jid"] == shown["encrypted"]
    )

    async def post(path: str, **form: str | list[str]) -> None:
        status = await run("browse(given['path'], given['form']).status", path=path, form=form)
        assert status == 302, path

    def jids(key: str) -> set[str]:
        raws = redis_client.lrange(key, 0, -1) if key.startswith("queue:") else redis_client.zrange(key, 0, -1)
        return {json.loads(raw)["jid"] for raw in raws}

    await post("/queues/default/delete", key_val=queued.decode())
    assert shown["encrypted"] not in jids("queue:default")
    await post(f"/scheduled/{keys['schedule'][shown['scheduled']]}", add_to_queue="Add")
    assert shown["scheduled"] in jids("queue:default")
    await post("/scheduled", key=[keys["schedule"][shown["wrapped, scheduled"]]], delete="Delete")
    assert shown["wrapped, scheduled"] not in jids("schedule") | jids("queue:default")
    await post(f"/retries/{keys['retry'][shown['retry']]}", kill="Kill")
    assert jids("dead") == {shown["dead"], shown["retry"]}
    await post("/retries/all/kill")
    assert jids("dead") == {shown["dead"], shown["retry"], shown["retry with backtrace"]}
    await post("/morgue", key=[keys["dead"][shown["dead"]]], delete="Delete")
    assert jids("dead") == {shown["retry"], shown["retry with backtrace"]}
    await post("/busy", quiet="Quiet")
    await eventually(lambda: redis_client.keys("*-signals") == [])
    await eventually(
        lambda: {redis_client.hget(name, "quiet") for name in redis_client.smembers("processes")} == {b"true"}
    )
    await post("/morgue/all/retry")
    assert jids("queue:failing") == {shown["retry"], shown["retry with backtrace"]}
    await post("/queues/default", delete="Delete")
    assert not redis_client.exists("queue:default")
