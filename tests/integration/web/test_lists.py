import json
import logging
import re
import time
from html.parser import HTMLParser
from typing import ClassVar

import pytest

from sidelong.errors import Unavailable
from tests.integration.hostile_payloads.payloads import ANYTHING
from tests.support.browser import fields_of

HOSTILE = (
    *(
        "<script>alert(1)</script>",
        '" onmouseover="x',
        "javascript:alert(1)",
        "</script>",
        "{{7777*7777}}",
        "{% raw %}",
    ),
    *("\u202eevil", "\x1b[31mred", "a\r\nb", "%s{0}", "a/../b", "..", "~x", "\u2028", "😀" * 50, "'", "&amp;", "\x00"),
)


def job(number=0, **fields):
    item = {"class": "Shop::Charge", "args": [number], "queue": "default", "jid": f"{number:024x}", "created_at": 1.5}
    return json.dumps({**item, **fields}, ensure_ascii=False).encode()


def seed(site, name, count, **fields):
    site.client.zadd(name, {job(number, **fields): time.time() + 1000 + number for number in range(count)})


def shown(html):
    """Return the numbers of the jobs in the rows of a page, in their order."""
    return [int(number) for number in re.findall(r'<td class="long" data-label="Arguments"><code>(\d+)</code>', html)]


def keys(html):
    return fields_of(html).get("key", [])


async def test_a_set_is_read_in_pages_in_both_orders(pages, site):
    seed(site, "retry", 60)

    first, last = await pages.get("/retries"), await pages.get("/retries?page=3")
    reverse, hundred = await pages.get("/retries?order=reversed"), await pages.get("/retries?count=100")
    beyond = await pages.get("/retries?page=99")

    assert shown(first.text) == list(range(25))
    assert shown(last.text) == list(range(50, 60)) == shown(beyond.text)
    assert shown(reverse.text) == list(range(59, 34, -1))
    assert shown(hundred.text) == list(range(60))


async def test_dead_jobs_come_the_newest_first(pages, site):
    seed(site, "dead", 3)

    assert shown((await pages.get("/dead")).text) == [2, 1, 0]


async def test_a_queue_shows_what_was_pushed_last_first(pages, site):
    for number in range(30):
        site.push_raw(job(number))

    assert shown((await pages.get("/queues/default")).text) == list(range(29, 4, -1))
    assert shown((await pages.get("/queues/default?page=2")).text) == list(range(4, -1, -1))
    assert shown((await pages.get("/queues/default?order=reversed")).text) == list(range(25))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        *(("class=Shop::Refund", [1]), ("queue=low", [2]), ("tag=vip", [3]), ("error=CardDeclined", [4])),
        *(("text=GR%C3%9C", [5]), ("text=shop", [0, 1, 2, 3, 4, 5]), ("text=(a%2B)%2B%24", []), ("text=*", [])),
        *(("text=[", [0, 1, 2, 3, 4, 5]), ("class=Shop::Charge&tag=vip", [3]), ("text=%5C", []), ("tag=v", [])),
    ],
)
async def test_lists_are_filtered(query, found, pages, site):
    jobs = [
        *(job(0), job(1, **{"class": "Shop::Refund"}), job(2, queue="low"), job(3, tags=["vip"])),
        *(job(4, error_class="CardDeclined"), job(5, note="Grün")),
    ]
    site.client.zadd("retry", {raw: 1000 + place for place, raw in enumerate(jobs)})

    assert shown((await pages.get(f"/retries?{query}")).text) == found


async def test_a_filter_that_runs_out_of_time_says_so_and_goes_on(pages, site, monkeypatch):
    seed(site, "retry", 600, queue="low")
    site.client.zadd("retry", {job(9999, queue="rare"): time.time() + 99_999})
    monkeypatch.setattr("sidelong.web.listing._WITHIN", 0.0)

    address, steps = "/retries?queue=rare", 0
    while "Look further" in (page := await pages.get(address)).text:
        steps += 1
        address = re.search(r'href="([^"]+)">Look further', page.text)[1].replace("&amp;", "&")

    assert steps == 2
    assert shown(page.text) == [9999]
    assert "601 of 601 jobs looked at" in page.text


async def test_a_filtered_list_goes_on_where_a_full_page_ended(pages, site):
    seed(site, "retry", 40)

    first = await pages.get("/retries?class=Shop::Charge")
    address = re.search(r'href="([^"]+)">Look further', first.text)[1].replace("&amp;", "&")

    assert shown(first.text) + shown((await pages.get(address)).text) == list(range(40))


# Actions


@pytest.mark.parametrize(
    ("path", "name", "action", "left", "moved_to"),
    [
        ("/retries", "retry", "retry", 1, "queue:default"),
        ("/retries", "retry", "kill", 1, "dead"),
        ("/scheduled", "schedule", "enqueue", 1, "queue:default"),
        ("/dead", "dead", "retry", 1, "queue:default"),
    ],
)
async def test_ticked_jobs_are_moved(path, name, action, left, moved_to, pages, site):
    seed(site, name, 3)
    ticked = keys((await pages.get(path)).text)[:2]

    page = await pages.act(path, {"action": action, "key": ticked, "return": f"{path}?count=50"})

    assert page.url.path == path
    assert "2 jobs" in page.text
    assert site.client.zcard(name) == left
    assert (site.client.llen if "queue" in moved_to else site.client.zcard)(moved_to) == 2


@pytest.mark.parametrize(("path", "name"), [("/retries", "retry"), ("/scheduled", "schedule"), ("/dead", "dead")])
async def test_what_cannot_be_undone_is_asked_first(path, name, pages, site):
    seed(site, name, 3)
    ticked = keys((await pages.get(path)).text)[:1]

    asked = await pages.act(path, {"action": "delete", "key": ticked})
    before = site.client.zcard(name)
    page = await pages.act(path, fields_of(asked.text))

    assert "It cannot be undone" in asked.text
    assert (before, site.client.zcard(name)) == (3, 2)
    assert "1 job deleted" in page.text


@pytest.mark.parametrize("action", ["retry", "kill", "delete"])
async def test_all_that_match_are_meant_and_no_others(action, pages, site):
    seed(site, "retry", 250, queue="low")
    seed(site, "retry", 5)

    page = await pages.confirm("/retries", {"action": action, "all": "1", "queue": "low"})

    assert "250 jobs" in page.text
    assert site.client.zcard("retry") == 5


async def test_the_question_names_what_has_to_match(pages, site):
    seed(site, "retry", 3, queue="low", tags=["<b>"])

    asked = await pages.act("/retries", {"action": "delete", "all": "1", "queue": "low", "tag": "<b>"})

    assert "all jobs that match Queue = low, Tag = &lt;b&gt;? It cannot be undone." in asked.text


async def test_a_whole_set_is_deleted(pages, site):
    seed(site, "dead", 5)

    page = await pages.confirm("/dead", {"action": "delete", "all": "1"})

    assert "5 jobs deleted" in page.text
    assert site.client.exists("dead") == 0


@pytest.mark.parametrize("action", ["kill", "delete"])
async def test_an_action_on_many_ends_in_time_and_goes_on_if_it_is_wanted(action, pages, site, monkeypatch):
    seed(site, "retry", 250)
    site.client.zadd("retry", {job(number, queue="low"): time.time() + 9_000 + number for number in range(250, 290)})
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    page = await pages.confirm("/retries", {"action": action, "all": "1", "queue": "low", "return": "/retries?page=2"})
    steps, first = 1, site.client.zcard("retry")
    while "Not all yet" in page.text:
        steps += 1
        page = await pages.act("/retries", fields_of(page.text))

    assert (steps, first, site.client.zcard("retry")) == (3, 290, 250)
    assert (page.url.path, page.url.params["page"]) == ("/retries", "2")


async def test_an_action_on_many_in_a_queue_goes_on_as_well(pages, site, monkeypatch):
    for number in range(120):
        site.push_raw(job(number, tags=["vip"] if number >= 100 else []))
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    page = await pages.confirm("/queues/default", {"action": "delete", "all": "1", "tag": "vip"})
    first = site.client.llen("queue:default")
    while "Not all yet" in page.text:
        page = await pages.act("/queues/default", fields_of(page.text))

    assert (first, site.client.llen("queue:default")) == (120, 100)


async def test_a_mark_that_is_none_is_refused(pages, site):
    seed(site, "retry", 3)

    for path in ("/retries", "/queues/default"):
        form = {"action": "delete", "all": "1", "confirmed": "1", "text": "a", "after": "nonsense"}
        assert (await pages.act(path, form)).status_code == 400
    assert site.client.zcard("retry") == 3


async def test_what_moved_meanwhile_is_told_and_nothing_is_doubled(pages, site):
    seed(site, "retry", 2)
    ticked = keys((await pages.get("/retries")).text)
    site.client.zremrangebyrank("retry", 0, 0)

    first = await pages.act("/retries", {"action": "retry", "key": ticked})
    again = await pages.act("/retries", {"action": "retry", "key": ticked})

    assert "1 job retried. 1 was already gone." in first.text
    assert "Already gone" in again.text
    assert site.client.llen("queue:default") == 1


async def test_an_action_that_breaks_off_says_how_far_it_came(app, pages, site, caplog):
    caplog.set_level(logging.INFO, "sidelong.audit")
    seed(site, "retry", 5)
    ticked = keys((await pages.get("/retries")).text)
    link, moved = app.store.admin, []
    original = link.call

    async def call(*words):
        is_move = words[0] == "EVALSHA" and "retry" in words
        if is_move and len(moved) == 3:
            raise Unavailable("the connection was cut")
        answer = await original(*words)
        moved.extend([words] * is_move)
        return answer

    link.call = call
    page = await pages.act("/retries", {"action": "delete", "key": ticked, "confirmed": "1"})

    assert page.status_code == 503
    assert "the connection was cut (3 done, 0 gone, 0 stopped, 0 failed)" in page.text
    assert site.client.zcard("retry") == 2
    (line,) = [record.getMessage() for record in caplog.records if record.name == "sidelong.audit"]
    assert "delete retries: 3 done, 0 gone, 0 stopped, 0 failed, then: the connection was cut" in line


async def test_one_of_two_jobs_with_the_same_score_is_meant(pages, site):
    site.client.zadd("retry", {job(1): 5.5, job(2): 5.5})
    one = keys((await pages.get("/retries")).text)[0]

    await pages.confirm("/retries", {"action": "delete", "key": one})

    assert site.client.zrange("retry", 0, -1) == [job(2)]


async def test_a_job_that_a_middleware_stops_stays(app, pages, site):
    @app.client_middleware
    async def stop(job, call_next):
        return None

    seed(site, "retry", 1)

    page = await pages.act("/retries", {"action": "retry", "key": keys((await pages.get("/retries")).text)})

    assert "1 was stopped by a middleware and stays" in page.text
    assert site.client.zcard("retry") == 1


async def test_jobs_of_a_queue_are_deleted_where_they_stood_or_have_moved_to(pages, site):
    for number in range(40):
        site.push_raw(job(number))
    ticked = keys((await pages.get("/queues/default?page=2")).text)[:2]
    for number in range(40, 700):
        site.push_raw(job(number))

    page = await pages.confirm("/queues/default", {"action": "delete", "key": ticked, "start": "25"})

    assert "2 jobs deleted" in page.text
    assert job(14) not in site.queue()
    assert job(13) not in site.queue()
    assert site.client.llen("queue:default") == 698


async def test_all_that_match_in_a_queue_are_deleted(pages, site):
    for number in range(120):
        site.push_raw(job(number, tags=["vip"] if number % 2 else []))

    page = await pages.confirm("/queues/default", {"action": "delete", "all": "1", "tag": "vip"})

    assert "60 jobs deleted" in page.text
    assert site.client.llen("queue:default") == 60


async def test_a_queue_is_paused_resumed_and_cleared(pages, site):
    site.push_raw(job())

    paused = await pages.act("/queues/default/state", {"action": "pause", "return": "/queues/default"})
    state = site.client.smembers("paused")
    resumed = await pages.act("/queues/default/state", {"action": "unpause"})
    cleared = await pages.confirm("/queues/default/state", {"action": "clear"})

    assert (paused.url.path, state) == ("/queues/default", {b"default"})
    assert "Queue resumed." in resumed.text
    assert "Queue cleared: 1 job deleted." in cleared.text
    assert site.client.exists("paused", "queue:default") == 0


# What one job shows


async def test_one_job_shows_all_that_is_known_and_no_secret(pages, site):
    item = job(
        7,
        args=[{"password": "hunter2", "email": "ada@example.org"}],
        error_class="CardDeclined",
        error_message="no money\nat all",
        error_backtrace=["shop.py:1 in charge"],
        retry_count=3,
        api_key="hunter2",
    )
    site.client.zadd("retry", {item: 1795217257.25})

    row = (await pages.get("/retries")).text
    address = re.search(r'class="job" href="([^"]+)"', row)[1].replace("&amp;", "&")
    page = await pages.get(address)

    # The first failure is no retry yet.
    assert re.search(r'data-label="Failures">\s*4\s*<', row)
    assert "/retries/1795217257.25-000000000000000000000007" in address
    for text in ("Shop::Charge", "CardDeclined", "no money\nat all", "shop.py:1 in charge", "ada@example.org"):
        assert text in page.text
    assert "2026-11-20 23:27:37 UTC" in page.text
    assert "hunter2" not in page.text


async def test_an_encrypted_argument_is_never_shown(pages, site):
    site.client.zadd("retry", {job(args=[1, "BAhTOhFTaWRla2lx"], encrypt=True): 5.5})

    for path in ("/retries", "/retries/5.5-000000000000000000000000"):
        text = (await pages.get(path)).text
        assert "[encrypted data]" in text
        assert "BAhTOhFTaWRla2lx" not in text


async def test_what_is_no_job_has_a_row_and_can_be_deleted(pages, site):
    for raw in (b"\x00<b>no json", b"[1,2", b"7", b"x" * 100_000):
        site.client.zadd("dead", {raw: 5.5})
        site.push_raw(raw)
    site.client.zadd("dead", {job(1): 4.5})

    page = await pages.get("/dead")
    queue = await pages.get("/queues/default")
    details = [await pages.get(found.replace("&amp;", "&")) for found in re.findall(r'href="(/dead/[^"]+)"', page.text)]
    left = await pages.confirm("/dead", {"action": "delete", "key": keys(page.text)[:4]})
    emptied = await pages.confirm("/queues/default", {"action": "delete", "key": keys(queue.text)})

    assert page.text.count("invalid payload") == 4 == queue.text.count("invalid payload")
    assert {detail.status_code for detail in details} == {200}
    assert max(len(detail.text) for detail in details) < 20_000
    assert "4 jobs deleted" in left.text
    assert "4 jobs deleted" in emptied.text
    assert site.client.zrange("dead", 0, -1) == [job(1)]


async def test_arguments_without_end_hold_up_no_page(pages, site):
    many, deep, stars = [[0] * 400_000], [{"a": [0] * 50_000}], ["*" * 900_000, {"token": "t-1"}]
    for number, args in enumerate((many, deep, stars, ["x" * 2_000_000])):
        raw = job(number, args=args)
        site.client.zadd("retry", {raw: 5.5 + number})
        site.push_raw(raw)
    addresses = [f"/retries/{5.5 + number}-{number:024x}" for number in range(4)]
    addresses += [f"/queues/default/jobs/{number:024x}" for number in range(4)]

    begun = time.process_time()
    listed = [await pages.get(path) for path in ("/retries", "/queues/default")]
    details = [await pages.get(f"{address}{edit}") for address in addresses for edit in ("", "/edit")]
    took = time.process_time() - begun

    assert {page.status_code for page in [*listed, *details]} == {200}
    assert max(len(page.text) for page in [*listed, *details]) < 200_000
    for page in listed:
        # Text is cut off; what has many parts is not looked through.
        assert page.text.count("(too many to be shown)") == 3
    assert details[6].text.count("too long to be shown here") == 2
    # Looking for a mark that is none of the stars, or writing down all numbers, took minutes.
    assert took < 20


# Hostile data


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_is_shown_as_text(text, pages, site):
    fields = {"class": text, "jid": text, "tags": [text], "error_class": text, "error_message": text, "queue": text}
    raw = job(args=[text, {text: text}], error_backtrace=[text], display_class=text, bid=text, **fields)
    queue = f"x{text}"
    site.client.sadd("queues", queue)
    site.client.lpush(f"queue:{queue}", raw)
    for name in ("retry", "schedule", "dead"):
        site.client.zadd(name, {raw: 5.5})
    info = {"hostname": text, "pid": 1, "tag": text, "labels": [text], "queues": [text], "identity": text}
    site.client.sadd("processes", text)
    site.client.hset(text, mapping={"info": json.dumps(info), "busy": 1, "beat": time.time(), "concurrency": 1})
    work = {"queue": text, "run_at": 5, "payload": raw.decode()}
    site.client.hset(f"{text}:work", "t", json.dumps(work))

    seen = {"/", "/busy"}
    waiting = ["/queues", "/retries", "/scheduled", "/dead", "/busy", "/redis", "/retries/groups", "/dead/groups"]
    while waiting:
        path = waiting.pop()
        page = await pages.get(path)
        assert page.status_code in ((200, 404) if "/queues/" in path else (200,)), path
        assert_harmless(page.text, text)
        links = (
            set(re.findall(r'href="(/(?:queues|retries|scheduled|dead|busy|running|metrics|redis)/[^"?]+)', page.text))
            - seen
        )
        seen |= links
        waiting += links
    assert len(seen) >= 7
    site.client.delete(text, f"{text}:work", "processes")


def assert_harmless(html, text):
    reader = Reader()
    reader.feed(html)
    assert reader.odd == []
    assert "60481729" not in html


class Reader(HTMLParser):
    """Notes what a browser would run, and what a reader would not see or see turned around."""

    odd: ClassVar[list[str]]

    def __init__(self):
        super().__init__()
        self.odd = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            leads_to_script = name in ("href", "src", "action") and (value or "").strip().startswith("javascript:")
            if name.startswith("on") or name == "style" or leads_to_script:
                self.odd.append(f"{tag} {name}={value}")
            # A field holds what was given, to send it back.
            if name != "value":
                self.handle_data(value or "")
        if tag in ("style", "iframe", "object", "base") or (tag == "script" and "src" not in dict(attributes)):
            self.odd.append(tag)

    def handle_data(self, data):
        self.odd += [ascii(data) for bad in "\x1b\x00\u202e\u2028" if bad in data]


PARAMETERS = {
    "/": ("days", "said"),
    "/busy": ("text", "class", "order", "page"),
    "/queues": ("said",),
    "/retries": ("text", "class", "job", "queue", "tag", "error", "order", "page", "count", "from", "said"),
    "/retries/groups": ("anew", "said"),
}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in PARAMETERS.items() for name in names])
async def test_hostile_parameters_are_shown_as_text(path, name, pages):
    for text in HOSTILE:
        page = await pages.get(path, params={name: text})
        assert page.status_code == 200
        assert_harmless(page.text, text)


@pytest.mark.parametrize(
    "field", ["class", "args", "jid", "queue", "tags", "created_at", "retry_count", "error_message"]
)
async def test_no_payload_breaks_a_page(field, pages, site):
    scores = {}
    for place, value in enumerate(ANYTHING):
        raw = f'{{"class":"A","args":[],"jid":"x","{field}":{value}}}'.encode("utf-8", "surrogatepass")
        scores[raw] = 1000.0 + place
        site.push_raw(raw)
    site.client.zadd("retry", scores)

    for path in ("/retries?count=100", "/queues/default?count=100"):
        page = await pages.get(path)
        assert page.status_code == 200
        for address in re.findall(r'href="(/(?:retries|queues/default/jobs)/[^"]+)"', page.text):
            assert (await pages.get(address.replace("&amp;", "&"))).status_code == 200


@pytest.mark.parametrize("key", ["retry", "queue:default", "queues", "processes", "stat:processed", "paused"])
async def test_a_key_of_another_type_is_told_and_leaves_the_other_pages_alone(key, pages, site):
    site.client.sadd("queues", "default")
    site.client.delete(key)
    site.client.hset(key, "a", "b")

    statuses = {
        path: (await pages.get(path)).status_code for path in ("/", "/scheduled", "/dead", "/queues", "/retries")
    }

    assert set(statuses.values()) <= {200, 503}
    assert statuses["/scheduled"] == statuses["/"] == 200
    # Workers pause no queue then, and so it is shown.
    assert key != "paused" or (await pages.get("/queues/default")).status_code == 200
    site.client.delete(key)
