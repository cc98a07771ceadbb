import ast
import html
import json
import re
import time

import pytest
from hypothesis import given, strategies

from sidelong import Sidelong
from sidelong.api import JobRecord
from sidelong.web.live import Live
from sidelong.web.site import Site
from sidelong.web.snippets import python_of
from tests.integration.web.test_busy import process
from tests.integration.web.test_lists import job
from tests.unit.api.test_masking import JSON

KEY = "5.5-000000000000000000000001"


def section(page, name):
    """Return what one section says, without its marks."""
    found = page.partition(f'<h2 id="{name}">')[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.unescape(found)))


def snippet(page):
    return html.unescape(re.search(r'(?s)<pre[^>]* id="python"[^>]*>(.*?)</pre>', page)[1])


# What happened to it, and what it waits for


async def test_the_attempts_of_a_job_are_told_as_far_as_they_are_stored(pages, site):
    times = {
        "created_at": 1795217000.5,
        "enqueued_at": 1795217001.5,
        "failed_at": 1795217002.5,
        "retried_at": 1795217009.5,
    }
    failed = {
        "retry_count": 3,
        "error_class": "CardDeclined",
        "error_message": "no money",
        "crashed_at": [1795217005.5],
    }
    site.client.zadd("dead", {job(1, **times, **failed): 1795217010.5})

    page = await pages.get("/dead/1795217010.5-000000000000000000000001")

    told = section(page.text, "history")
    order = [
        "created",
        "enqueued last",
        "attempt 1 failed",
        "attempts 2 to 3 failed",
        "worker died",
        "attempt 4 failed with",
        "UTC died",
    ]
    places = [told.index(text) for text in order]
    assert places == sorted(places)
    assert "attempt 4 failed with CardDeclined: no money" in told
    assert "2026-11-20 23:23:22 UTC" in told
    assert "dead jobs run no more by themselves" in section(page.text, "why")


async def test_a_job_says_what_it_waits_for(pages, site):
    site.client.zadd("retry", {job(1): time.time() + 500})
    for number in (2, 3):
        site.push_raw(job(number))
    (address,) = re.findall(r'href="(/retries/\d[^"]+)"', (await pages.get("/retries")).text)
    alone = section((await pages.get(address.replace("&amp;", "&"))).text, "why")
    process(site, queues=["default"], concurrency=1)
    site.client.hset("box:7:0123456789ab", mapping={"busy": 10, "concurrency": 10, "classes": '["Mail"]'})
    site.client.sadd("paused", "default")

    queued = section((await pages.get(f"/queues/default/jobs/{3:024x}")).text, "why")
    first = section((await pages.get(f"/queues/default/jobs/{2:024x}")).text, "why")

    assert "its time has not come" in alone
    assert "no living worker serves the queue default" in alone
    assert "1 job is fetched before it." in queued
    assert "It is fetched next." in first
    for text in ("the queue default is paused", "all 10 slots", "has a job called Shop::Charge"):
        assert text in queued


async def test_a_running_job_says_that_its_process_is_silent(pages, site):
    from tests.integration.web.test_busy import jid, runs

    process(site)
    site.client.hset("box:7:0123456789ab", "beat", time.time() - 50)
    runs(site, "one", 90)

    page = await pages.get(f"/running/{jid('one')}")

    assert "has sent no heartbeat for 5" in section(page.text, "why")
    assert "attempt 1 began in box:7:0123456789ab" in section(page.text, "history")


async def test_what_was_true_where_a_job_was_enqueued_is_shown_without_secrets(pages, site):
    context = {"cattr": {"user": "<ada>", "token": "t-1"}, "cattr_1": {"locale": "de"}, "traceparent": "00-ab"}
    site.client.zadd("retry", {job(1, **context): 5.5, job(2, cattrs="no"): 5.5})

    page = (await pages.get(f"/retries/{KEY}")).text
    without = (await pages.get(f"/retries/5.5-{2:024x}")).text
    shown = json.loads(html.unescape(re.search(r'(?s)<pre[^>]* aria-label="Context">(.*?)</pre>', page)[1]))

    assert shown == {"cattr": {"user": "<ada>", "token": "***"}, "cattr_1": {"locale": "de"}, "traceparent": "00-ab"}
    assert "Context" not in without
    assert "t-1" not in page


# As Python


def site_of(app):
    return Site(app=app, live=Live(app, 5.0), auth=None)


async def test_a_job_of_the_app_is_imported(app, pages, site):
    @app.job(queue="mail")
    async def send(*args: object) -> None: ...

    send.__qualname__, send.__module__ = "send", "shop.mail"
    send.name = "shop.mail.send"
    app.registry.register(send)
    site.client.zadd("retry", {job(1, **{"class": send.name}, args=[1, "é\n", None, True, 1e-05], queue="mail"): 5.5})
    site.client.zadd("dead", {job(1, **{"class": send.name}, queue="low", tags=["vip"]): 5.5})

    usual, other = await pages.get(f"/retries/{KEY}"), await pages.get(f"/dead/{KEY}")

    assert snippet(usual.text) == ("from shop.mail import send\n\nawait send.enqueue(1, 'é\\n', None, True, 1e-05)")
    assert snippet(other.text).endswith("\nawait send.with_options(queue='low', tags=['vip']).enqueue(1)")
    assert 'data-copy="python" hidden' in usual.text


async def test_all_others_are_enqueued_by_name(pages, site):
    site.client.zadd("retry", {job(1, args=[1, "two"], queue="low"): 5.5})

    page = await pages.get(f"/retries/{KEY}")

    assert snippet(page.text) == "await app.enqueue('Shop::Charge', 1, 'two', queue='low')"


async def test_what_is_hidden_is_said(pages, site):
    site.client.zadd("retry", {job(1, args=[{"password": "hunter2"}]): 5.5})

    page = await pages.get(f"/retries/{KEY}")

    assert snippet(page.text).startswith("# Put in what is hidden here: *** hidden 1\n")
    assert "hunter2" not in page.text


async def test_arguments_that_are_not_to_be_seen_are_not_copied(open_pages, site):
    site.client.zadd("retry", {job(1, args=["a card number"]): 5.5})
    pages = open_pages(display_args=lambda job: ["a card"])

    for path in (f"/retries/{KEY}", "/redis/retry"):
        page = await pages.get(path)
        assert "a card" in page.text
        assert "a card number" not in page.text
        assert "data-copy" not in page.text


async def test_what_is_no_job_or_too_long_is_not_offered(pages, site):
    site.client.zadd("dead", {b'{"class":"A","jid":"000000000000000000000001"}': 5.5})
    site.client.zadd("retry", {job(1, args=["x" * 30_000]): 5.5})

    for path in (f"/dead/{KEY}", f"/retries/{KEY}"):
        page = await pages.get(path)
        assert page.status_code == 200
        assert "data-copy" not in page.text


@given(strategies.lists(JSON, max_size=4))
def test_any_arguments_come_back_from_the_snippet(arguments):
    item = {"class": "Shop::Charge", "args": arguments, "queue": "default", "jid": "x"}
    record = JobRecord(json.dumps(item).encode())

    text = python_of(site_of(Sidelong("memory://snippets")), record)

    call = ast.parse(text.replace("await ", "")).body[-1].value
    name, *given_arguments = [ast.literal_eval(argument) for argument in call.args]
    hidden = "# Put in" in text
    assert name == "Shop::Charge"
    assert hidden or repr(given_arguments) == repr(record.args)


@pytest.mark.parametrize(
    ("arguments", "begin"), [([], "await app.client.push({'"), ([1], "await app.enqueue('typed', 1)")]
)
def test_what_a_call_would_refuse_is_pushed_as_it_is(arguments, begin):
    app = Sidelong("memory://snippets")

    @app.job(name="typed")
    async def typed(number: int) -> None: ...

    record = JobRecord(json.dumps({"class": "typed", "args": arguments, "queue": "default"}).encode())

    assert python_of(site_of(app), record).replace('"', "'").startswith(begin)
