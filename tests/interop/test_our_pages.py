"""Our pages over what real Ruby Sidekiq writes: every page shows it, and every form does what it says (§18, F30)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from sidelong.web import dashboard
from tests.interop.ruby import Run, StartRuby
from tests.support.browser import Browser, fields_of
from tests.support.eventually import eventually
from tests.support.html import facts, job_links, rows, text

pytestmark = pytest.mark.allow_any_keys

TEXT = "é 日本 <script>alert(1)</script>"
PUSHED = """
    given["numbers"].each do |number|
      job = {"class" => "Noted", "queue" => "shown", "tags" => ["é", "vip"],
             "args" => [number, given["text"], 1.0e-5, 2**70, nil, {"a" => [true, 1.5]}]}
      Sidekiq::Client.push(job)
      Sidekiq::Client.push(job.merge("at" => Time.now.to_f + 5000 + number))
    end
"""
FAILED = """
    fail_with = ->(text, options) { Sidekiq::Client.push({"class" => "Failing", "args" => [text]}.merge(options)) }
    fail_with[given["text"], {"retry" => 5, "backtrace" => true, "tags" => ["vip"]}]
    fail_with[given["text"], {"retry" => 5, "backtrace" => 3}]
    fail_with["long", {"retry" => 5}]
    fail_with[given["text"], {"retry" => 0, "backtrace" => true}]
"""
HELD = 'Sidekiq::Client.push("class" => "Held", "args" => [given["gate"]])'
# What Ruby itself reads of its jobs.
READ = """
    read = lambda do |job|
      {"jid" => job.jid, "class" => job.display_class, "args" => job.display_args, "queue" => job.queue,
       "tags" => job.tags, "error_class" => job["error_class"], "error_message" => job["error_message"],
       "backtrace" => job.error_backtrace}
    end
    {"/queues/shown" => Sidekiq::Queue.new("shown").map(&read), "/scheduled" => Sidekiq::ScheduledSet.new.map(&read),
     "/retries" => Sidekiq::RetrySet.new.map(&read), "/dead" => Sidekiq::DeadSet.new.map(&read)}
"""


PROCESSES = "Sidekiq::ProcessSet.new.map { |process| [process.identity, process['pid'], process['concurrency']] }"


@pytest.fixture
async def pages(app: Sidelong) -> AsyncIterator[Browser]:
    """Our pages on the test's database."""
    async with app, Browser(dashboard(app, auth=None)) as browser:
        yield browser


@pytest.fixture
async def by_ruby(
    run: Run, ruby_worker: StartRuby, redis_client: redis.Redis, tmp_path: Path
) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
    """Jobs that Ruby pushed, ran, failed and buried, and one that runs; gives what Ruby reads of them, by our page."""
    gate = tmp_path / "gate"
    with ruby_worker(queues=["default"], concurrency=2):
        await run(PUSHED, numbers=[1, 2], text=TEXT)
        await run(FAILED, text=TEXT)
        await eventually(lambda: (redis_client.zcard("retry"), redis_client.zcard("dead")) == (3, 1), 30)
        await run(HELD, gate=str(gate))
        await eventually(lambda: [name for name in redis_client.keys("*:workers") if redis_client.hlen(name)], 30)
        yield await run(READ)
        gate.touch()


async def test_our_pages_show_what_ruby_reads(by_ruby: dict[str, list[dict[str, Any]]], pages: Browser) -> None:
    for path, jobs in by_ruby.items():
        page = await pages.get(path)
        assert page.status_code == 200
        assert sorted(row["Job"].split()[0] for row in rows(page.text)) == sorted(job["class"] for job in jobs) != []
        assert "<script>alert" not in page.text
        shown = {}
        for address in job_links(page.text, path):
            detail = await pages.get(address)
            assert detail.status_code == 200
            assert "<script>alert" not in detail.text
            found = facts(detail.text)
            shown[found["Job id"]] = (text(detail.text), found)
        for job in jobs:
            whole, found = shown[job["jid"]]
            assert job["class"] in whole
            assert found["Queue"] == job["queue"]
            assert found.get("Tags", "").split() == job["tags"]
            if job["args"] != ["long"]:
                assert json.loads(found["Arguments"]) == job["args"]
            assert found.get("Error message") == job["error_message"]
            assert found.get("Backtrace", "").splitlines() == (job["backtrace"] or [])
            assert job["error_class"] is None or job["error_class"] in whole


async def test_our_pages_show_rubys_process_and_what_it_runs(
    by_ruby: dict[str, Any], pages: Browser, run: Run, redis_client: redis.Redis
) -> None:
    ((identity, pid, concurrency),) = await run(PROCESSES)

    page = await pages.get("/busy")
    process, work = rows(page.text)
    overview = (await pages.get("/queues")).text

    assert page.status_code == 200
    assert identity in process["Process"]
    assert str(pid) in process["Process"]
    assert process["Busy"] == f"1 / {concurrency}"
    assert process["Queues"] == "default"
    assert (work["Job"].split()[0], work["Queue"], work["Process"]) == ("Held", "default", identity)
    assert {row["Queue"]: row["Size"] for row in rows(overview)} == {"default": "0", "shown": "2"}
    figures = facts((await pages.get("/")).text)
    assert {name: figures[name] for name in ("Busy", "Enqueued", "Retries", "Scheduled", "Dead")} == {
        "Busy": "1",
        "Enqueued": "2",
        "Retries": "3",
        "Scheduled": "2",
        "Dead": "1",
    }
    assert (figures["Processed"], figures["Failed"]) == tuple(
        str(count) for count in await run("[Sidekiq::Stats.new.processed, Sidekiq::Stats.new.failed]")
    )


SAME = """
    given["items"].each { |item| Sidekiq::Client.push(item) }
"""


async def test_the_same_jobs_look_the_same_whoever_wrote_them(
    app: Sidelong, pages: Browser, run: Run, redis_client: redis.Redis
) -> None:
    items = [
        {
            "class": "Noted",
            "queue": "default",
            "retry": True,
            "jid": f"{number:024}",
            "created_at": 1795217165.25,
            "args": [number, TEXT, 1e-05, None, {"password": "secret", "a": [True]}],
            "tags": ["é"],
            **({"at": redis_client.time()[0] + 5_000.5 + number} if number % 2 else {}),
        }
        for number in range(4)
    ]

    async def seen() -> list[Any]:
        lists = {path: (await pages.get(path)).text for path in ("/queues/default", "/scheduled")}
        found = [rows(html) for html in lists.values()]
        details = [facts((await pages.get(at)).text) for path, html in lists.items() for at in job_links(html, path)]
        for shown in (*(row for page in found for row in page), *details):
            # When it was pushed, which was at two times.
            shown.pop("Enqueued", None)
            shown.pop("Payload as JSON", None)
        return [*found, details]

    for item in items:
        await app.client.push(item)
    ours = await seen()
    redis_client.flushdb()
    await run(SAME, items=items)

    assert await seen() == ours
    assert len(ours[0]) == len(ours[1]) == 2


# Forms


def jids(client: redis.Redis, place: str) -> list[str]:
    raws = client.lrange(place, 0, -1) if place.startswith("queue:") else client.zrange(place, 0, -1)
    return sorted(json.loads(raw)["jid"] for raw in raws)


WRITTEN = """
    Sidekiq.redis do |redis|
      given["places"].each do |place, numbers|
        numbers.each do |number|
          job = {"class" => "Noted", "args" => [number, "é", 1.0e-5, 2**70, {"a" => nil}], "queue" => "default",
                 "jid" => number.to_s.rjust(24, "0"), "retry" => true, "created_at" => 1795217165.25,
                 "retry_count" => 1, "failed_at" => 1795217165.5, "error_class" => "Boom", "error_message" => "é"}
          if place == "queue"
            Sidekiq::Client.push(job.slice("class", "args", "queue", "jid", "retry", "created_at"))
          else
            redis.zadd(place, (1795217202.330885 + number).to_s, Sidekiq.dump_json(job))
          end
        end
      end
    end
"""
PLACES = {"retry": [1, 2, 3], "dead": [4, 5, 6], "schedule": [7, 8, 9], "queue": [10, 11, 12]}
PATHS = {"retry": "/retries", "dead": "/dead", "schedule": "/scheduled", "queue:default": "/queues/default"}


@pytest.mark.parametrize(
    ("place", "action", "goal"),
    [
        *(("retry", "retry", "queue:default"), ("retry", "kill", "dead"), ("retry", "delete", "")),
        *(("dead", "retry", "queue:default"), ("dead", "delete", "")),
        *(("schedule", "enqueue", "queue:default"), ("schedule", "delete", "")),
        ("queue:default", "delete", ""),
    ],
)
@pytest.mark.parametrize("is_all", [False, True])
async def test_our_forms_act_on_what_ruby_wrote(
    place: str, action: str, goal: str, is_all: bool, pages: Browser, run: Run, redis_client: redis.Redis
) -> None:
    await run(WRITTEN, places=PLACES)
    before = {name: jids(redis_client, name) for name in PATHS}
    path = PATHS[place]
    keys = fields_of((await pages.get(path)).text)["key"]

    form: dict[str, Any] = {"action": action, **({"all": "1"} if is_all else {"key": keys[:2]})}
    asked = await pages.act(path, form)
    page = await pages.act(path, fields_of(asked.text)) if "confirmed" in fields_of(asked.text) else asked

    count = 3 if is_all else 2
    after = {name: jids(redis_client, name) for name in PATHS}
    moved = set(before[place]) - set(after[place])
    assert f"{count} jobs" in page.text
    assert len(moved) == count
    assert after == {
        **before,
        place: sorted(set(before[place]) - moved),
        **({goal: sorted({*before[goal], *moved})} if goal else {}),
    }
    # Ruby reads what has come of it.
    script = "Sidekiq::Queue.new.map { |job| job.args.drop(1) }.uniq"
    assert await run(script) in ([["é", 1e-05, 2**70, {"a": None}]], [])
