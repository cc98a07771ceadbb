import asyncio
import json
import re
import time

from tests.support.browser import fields_of
from tests.support.eventually import eventually

SELF = "box:7:0123456789ab"


def process(site, identity=SELF, **info):
    started = {"hostname": "box", "pid": 7, "tag": "shop", "labels": ["blue"], "queues": ["mailers"], "concurrency": 10}
    site.client.sadd("processes", identity)
    fields = {"info": json.dumps({**started, "started_at": time.time(), **info}), "busy": 1, "beat": time.time()}
    site.client.hset(identity, mapping={**fields, "quiet": "false", "rss": 204800, "concurrency": 10})
    site.client.expire(identity, 60)


def jid(name):
    return f"{name:0>24}" if isinstance(name, str) else f"{name:024x}"


def runs(site, name, seconds, identity=SELF, **fields):
    """Let a process tell of a job that it runs."""
    item = {"class": "Shop::Charge", "args": [name], "jid": jid(name), "queue": "default", **fields}
    work = {"queue": "default", "run_at": int(time.time() - seconds), "payload": json.dumps(item)}
    site.client.hset(f"{identity}:work", f"t{name}", json.dumps(work))
    site.client.expire(f"{identity}:work", 60)


def running(html):
    """Return the numbers of the running jobs of a page, in their order."""
    return [int(number) for number in re.findall(r'<td class="long" data-label="Arguments"><code>(\d+)</code>', html)]


def signals(site, identity=SELF):
    return site.client.lrange(f"{identity}-signals", 0, -1)


async def test_processes_are_shown_with_what_they_tell(pages, site):
    process(site)

    page = await pages.get("/busy")

    for text in (SELF, "shop", "blue", "/queues/mailers", "1 / 10", "200 MB"):
        assert text in page.text


async def test_a_process_is_told_to_be_quiet_or_to_stop_after_a_question(pages, site):
    process(site)

    asked = await pages.act(f"/busy/{SELF}", {"action": "quiet"})
    before = signals(site)
    told = await pages.act(f"/busy/{SELF}", fields_of(asked.text))
    await pages.confirm(f"/busy/{SELF}", {"action": "stop"})

    assert "It finishes its jobs" in asked.text
    assert before == []
    assert "Told to take no more jobs." in told.text
    assert sorted(signals(site)) == [b"TERM", b"TSTP"]


async def test_all_are_told_but_those_that_are_embedded(pages, site):
    process(site)
    process(site, "other:8:0123456789ab", embedded=True)

    page = await pages.confirm("/busy", {"action": "stop"})
    alone = await pages.confirm("/busy/other:8:0123456789ab", {"action": "stop"})

    assert "Told to stop." in page.text
    assert "embedded in another program" in alone.text
    assert (signals(site), signals(site, "other:8:0123456789ab")) == ([b"TERM"], [])


async def test_a_process_has_a_page_of_its_own(pages, site):
    weights = {"mailers": 3, "low": 1}
    capsules = {"default": {"concurrency": 10, "mode": "weighted", "weights": weights}}
    process(site, capsules=capsules, version="1.2.3")
    site.client.hset(SELF, mapping={"processed": 1234, "failed": 5, "lag_ms": 7, "rtt_us": 900, "classes": '["Mail"]'})
    runs(site, "one", 40)

    listed = await pages.get("/busy")
    page = await pages.get(f"/busy/{SELF}")

    assert f'href="/busy/{SELF}"' in listed.text
    for text in ("box", "shop", "blue", "1,234", ">5<", "7 ms", "0.9 ms", "200 MB", "1.2.3", "by weight", "Mail"):
        assert text in page.text, text
    assert re.search(r"/queues/mailers.*\(3\).*/queues/low.*\(1\)", page.text)
    assert f'formaction="/running/{jid("one")}"' in page.text
    assert re.search(r'<span title="[^"]+ UTC">4\d s</span>', page.text)


async def test_a_process_of_ruby_shows_what_it_tells(pages, site):
    process(site, "ruby:9:abcdefabcdef", weights={"mailers": 2})

    page = await pages.get("/busy/ruby:9:abcdefabcdef")

    assert page.status_code == 200
    assert "Processed since it started" not in page.text
    assert "Loop lag" not in page.text
    assert re.search(r"/queues/mailers.*\(2\)", page.text)


async def test_a_process_that_is_not_there_has_no_page(pages):
    assert (await pages.get("/busy/nobody:1:x")).status_code == 404


async def test_a_process_is_told_from_its_page_to_log_its_stacks(pages, site):
    process(site)
    here = f"/busy/{SELF}"

    page = await pages.act(here, {"action": "dump", "return": here})

    assert page.url.path == here
    assert "Told to log" in page.text
    assert signals(site) == [b"TTIN"]


async def test_running_jobs_are_read_in_pages_in_both_orders_and_filtered(pages, site):
    process(site)
    for number in range(60):
        runs(site, number, 1000 - number, **{"class": "Odd" if number % 2 else "Even"}, tags=["vip"] * (number == 8))

    first, third = await pages.get("/busy"), await pages.get("/busy?page=3")
    latest, odd = await pages.get("/busy?order=reversed"), await pages.get("/busy?class=Odd&count=100")
    one = await pages.get("/busy?tag=vip")

    assert running(first.text) == list(range(25))
    assert running(third.text) == list(range(50, 60))
    assert running(latest.text) == list(range(59, 34, -1))
    assert running(odd.text) == list(range(1, 60, 2))
    assert running(one.text) == [8]


async def test_a_running_job_has_a_page_of_its_own(pages, site):
    process(site)
    runs(site, "one", 40)

    page = await pages.get(f"/running/{jid('one')}")

    assert page.status_code == 200
    for text in ("Shop::Charge", jid("one"), f"/busy/{SELF}", 'value="cancel"'):
        assert text in page.text
    assert (await pages.get("/running/nobody")).status_code == 404


async def test_ticked_running_jobs_are_called_off_after_a_question(app, pages, site):
    ended = []

    @app.job
    async def wait_for_ever(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async with app.worker(concurrency=4):
        jids = [str(await wait_for_ever.enqueue(number)) for number in range(4)]

        async def are_shown():
            page = await pages.get("/busy")
            return all(jid in page.text for jid in jids)

        await eventually(are_shown, within=30)
        done = await pages.confirm("/running", {"action": "cancel", "key": jids[:2]})
        await eventually(lambda: sorted(ended) == [0, 1], within=15)
        rest = await pages.confirm("/running", {"action": "cancel", "all": "1", "class": wait_for_ever.name})
        await eventually(lambda: sorted(ended) == [0, 1, 2, 3], within=15)

    assert "2 jobs called off." in done.text
    assert "called off" in rest.text


async def test_calling_off_many_ends_in_time_and_goes_on_if_it_is_wanted(pages, site, monkeypatch):
    process(site)
    for number in range(3):
        runs(site, number, 5)
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    page = await pages.confirm("/running", {"action": "cancel", "all": "1"})
    steps = 1
    while "Not all yet" in page.text:
        steps += 1
        page = await pages.act("/running", fields_of(page.text))

    assert steps == 3
    assert page.url.path == "/busy"
    assert "Already gone" in page.text


async def test_a_process_that_has_gone_is_told(pages):
    assert "Already gone" in (await pages.act("/busy/nobody:1:x", {"action": "stop"})).text


async def test_a_running_job_is_shown_and_cancelled(app, pages, site):
    ended = asyncio.Event()

    @app.job
    async def wait_for_ever(word: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with app.worker(concurrency=1):
        job = await wait_for_ever.enqueue("a word")

        async def is_shown():
            page = await pages.get("/busy")
            return page if str(job) in page.text else None

        page = await eventually(is_shown, within=30)
        (address,) = re.findall(r'action="(/running/[^"]+)"', page.text)
        done = await pages.confirm(address, {"action": "cancel"})
        await asyncio.wait_for(ended.wait(), 15)
        again = await pages.confirm(address, {"action": "cancel"})

    assert "a word" in page.text
    assert "Cancelled: the job is interrupted" in done.text
    assert "Already gone" in again.text
    assert site.client.exists("retry", "dead") == 0
