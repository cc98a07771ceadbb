import asyncio
import json
import re
import time

import pytest

from sidelong.api import DeadSet, Filter, Grouping, RetrySet
from tests.integration.web.test_lists import HOSTILE, assert_harmless, job
from tests.support.browser import fields_of
from tests.support.monitor import Monitor


def seed(site, name, count, job_class="Shop::Charge", error="CardDeclined", **fields):
    numbers = range(site.client.zcard(name), site.client.zcard(name) + count)
    given = {"class": job_class, "error_class": error, "error_message": "no money", **fields}
    site.client.zadd(name, {job(number, **given): time.time() + number for number in numbers})


def rows(html):
    """Return class, error and count of each group, in their order."""
    found = []
    for row in html.split("<tr>")[2:]:
        name, error, count, *_ = [
            re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        found.append((name[0], error[0], int(count[0].replace(",", ""))))
    return found


@pytest.mark.parametrize(("path", "name"), [("/retries/groups", "retry"), ("/dead/groups", "dead")])
async def test_entries_are_counted_by_class_and_error(path, name, pages, site):
    seed(site, name, 3)
    seed(site, name, 5, error="Timeout")
    seed(site, name, 2, "Mail", "Timeout")
    seed(site, name, 1, "Mail", None)

    page = await pages.get(path)
    here = await pages.get(path.removesuffix("/groups"))

    assert rows(page.text) == [
        ("Shop::Charge", "Timeout", 5),
        ("Shop::Charge", "CardDeclined", 3),
        ("Mail", "Timeout", 2),
        ("Mail", "(no", 1),
    ]
    assert "such as: no money" in page.text
    assert "11 of 11 jobs looked at" in page.text
    assert f'href="{path}"' in here.text


@pytest.mark.parametrize("action", ["retry", "kill", "delete"])
async def test_an_action_is_about_one_group_and_no_other(action, pages, site):
    seed(site, "retry", 120)
    seed(site, "retry", 3, error="Timeout")
    seed(site, "retry", 3, "Mail")

    page = await pages.get("/retries/groups")
    form = next(form for form in page.text.split("<form")[1:] if 'value="Shop::Charge"' in form)
    fields = fields_of(f"<form{form}")
    done = await pages.confirm("/retries", {**fields, "action": action})

    assert done.url.path == "/retries/groups"
    assert "120 jobs" in done.text
    assert site.client.zcard("retry") == 6
    assert len(rows(done.text)) == 2


async def test_groups_of_wrapped_jobs_and_of_those_without_an_error_are_told_apart(app, pages, site):
    wrapper = "Sidekiq::ActiveJob::Wrapper"
    seed(site, "dead", 2, wrapper, wrapped="ShopJob", args=[{"job_class": "ShopJob", "arguments": []}])
    seed(site, "dead", 3, wrapper, args=[])
    seed(site, "dead", 4, wrapper, None, args=[])

    page = await pages.get("/dead/groups")
    await pages.confirm("/dead", {"action": "delete", "all": "1", "job": wrapper, "error": "CardDeclined"})
    left = await pages.get("/dead/groups")
    await pages.confirm("/dead", {"action": "delete", "all": "1", "job": wrapper, "error": "(no error)"})
    last = await pages.get("/dead/groups")

    assert {row[2] for row in rows(page.text)} == {2, 3, 4}
    assert {row[2] for row in rows(left.text)} == {2, 4}
    assert rows(last.text) == [("ShopJob", "CardDeclined", 2)]


async def test_the_link_of_a_group_leads_to_its_jobs(pages, site):
    seed(site, "retry", 2)
    seed(site, "retry", 1, "Mail", None)

    page = await pages.get("/retries/groups")
    links = [link.replace("&amp;", "&") for link in re.findall(r'class="job" href="([^"]+)"', page.text)]
    lists = [(await pages.get(link)).text for link in links]

    assert [len(re.findall('class="job"', html)) for html in lists] == [2, 1]


async def test_a_count_that_runs_out_of_time_says_so_and_goes_on_for_all(pages, site, monkeypatch):
    monkeypatch.setattr("sidelong.web.tallies._WITHIN", 0.0)
    seed(site, "retry", 1_100)

    first = await pages.get("/retries/groups")
    second, third = await pages.get("/retries/groups"), await pages.get("/retries/groups")
    last = await pages.get("/retries/groups")
    anew = await pages.get("/retries/groups?anew=1")

    assert [rows(page.text)[0][2] for page in (first, second, third, last, anew)] == [500, 1_000, 1_100, 1_100, 500]
    assert "500 of 1,100 jobs looked at" in first.text
    assert "these were counted so far" in first.text
    assert "Look further" not in last.text


async def test_many_who_ask_at_once_count_once(pages, site):
    seed(site, "retry", 300)

    answers = await asyncio.gather(*(pages.get("/retries/groups") for _ in range(10)))

    assert {rows(answer.text)[0][2] for answer in answers} == {300}


async def test_an_action_lets_it_be_counted_anew(pages, site):
    seed(site, "dead", 3)
    before = rows((await pages.get("/dead/groups")).text)
    await pages.confirm("/dead", {"action": "delete", "all": "1"})

    assert before == [("Shop::Charge", "CardDeclined", 3)]
    assert "There are no jobs here." in (await pages.get("/dead/groups")).text


async def test_memory_is_bounded_however_many_kinds_of_errors_there_are(app, site):
    for number in range(1_200):
        seed(site, "retry", 1, error=f"Error{number}")

    found = await Grouping(RetrySet(app)).go_on(10)

    assert (len(found.groups), found.others, found.looked_at, found.is_complete) == (1_000, 200, 1_200, True)


async def test_a_filter_takes_one_class_as_it_is_shown_and_what_has_no_error(app, site):
    seed(site, "dead", 1, "A", None)
    seed(site, "dead", 1, "B", None, display_class="A")
    seed(site, "dead", 1, "A", "E", display_class="B")

    async def found(**conditions):
        return [entry.job_class async for entry in DeadSet(app).entries(where=Filter(**conditions))]

    assert sorted(await found(display_class="A")) == ["A", "B"]
    assert await found(display_class="B") == ["A"]
    assert sorted(await found(error_class="(no error)")) == ["A", "B"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_is_shown_as_text(text, pages, site):
    seed(site, "retry", 1, text, text, error_message=text)

    page = await pages.get("/retries/groups")

    assert page.status_code == 200
    assert_harmless(page.text, text)


async def test_what_is_no_job_is_a_group_too(pages, site):
    site.client.zadd("dead", {b"no json": 1, b"[1]": 2, json.dumps({"class": 5, "error_class": []}).encode(): 3})
    site.client.zadd("dead", {b'{"class":"' + b"C" * 3000 + b'","args":[]}': 4})

    page = await pages.get("/dead/groups")

    assert page.status_code == 200
    assert ("(no", "(no", 3) in rows(page.text)
    assert page.text.count('method="post"') == 1


async def test_without_leave_no_action_is_offered(open_pages, site):
    seed(site, "dead", 1)
    pages = open_pages(read_only=True)

    assert "<button name=" not in (await pages.get("/dead/groups")).text


async def test_the_commands_of_a_page_are_bounded(open_pages, real_site):
    seed(real_site, "retry", 1_000)
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        await pages.get("/dead/groups")
        with Monitor(real_site.url) as monitor:
            assert (await pages.get("/retries/groups")).status_code == 200

    assert sum(monitor.names.values()) <= 5 + 4
    assert set(monitor.names) <= {"EVALSHA", "ZCARD"}
