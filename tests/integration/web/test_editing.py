import json
import logging
import re
from html import unescape

import pytest

from tests.integration.hostile_payloads.payloads import ANYTHING
from tests.integration.web.test_lists import HOSTILE, assert_harmless, job
from tests.support.browser import fields_of

KEY = "5.5-000000000000000000000001"
HERE = f"/retries/{KEY}/edit"


def retry(site, **fields):
    """Let one job wait for another attempt."""
    raw = job(1, **{"retry_count": 2, "queue": "default", **fields})
    site.client.zadd("retry", {raw: 5.5})
    return raw


def form_of(html):
    """Return the fields of the form, as a browser sends them back."""
    areas = re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)
    inputs = re.findall(r'<input id="edit-\w+" name="(\w+)" value="([^"]*)"', html)
    fields = {name: unescape(text).replace("\n", "\r\n") for name, text in areas}
    fields |= {name: unescape(text).replace("\n", "").replace("\r", "") for name, text in inputs}
    return {"action": "edit", **fields}


def enqueued(site, queue="default"):
    return [json.loads(raw) for raw in site.queue(queue)]


async def test_a_changed_job_runs_in_the_place_of_the_old_one(pages, site):
    retry(site)
    detail = await pages.get(f"/retries/{KEY}")
    form = await pages.get(HERE)
    fields = form_of(form.text)

    asked = await pages.act(HERE, {**fields, "args": '[1,\r\n {"a": 1e-5}]', "queue": "low"})
    before = site.client.zcard("retry")
    done = await pages.act(HERE, fields_of(asked.text))

    assert f'href="{HERE}"' in detail.text
    assert json.loads(fields["args"]) == [1]
    assert "Changed: Queue, Arguments, a list in JSON." in asked.text
    assert before == 1
    assert done.url.path == "/retries"
    assert "The changed job is enqueued." in done.text
    (item,) = enqueued(site, "low")
    assert (item["args"], item["jid"], item["retry_count"]) == ([1, {"a": 1e-05}], f"{1:024x}", 1)
    assert site.client.exists("retry") == 0


@pytest.mark.parametrize(("path", "name"), [("scheduled", "schedule"), ("dead", "dead")])
async def test_the_other_lists_have_it_too(path, name, pages, site):
    site.client.zadd(name, {job(1): 5.5})
    here = f"/{path}/{KEY}/edit"
    fields = form_of((await pages.get(here)).text)

    await pages.confirm(here, {**fields, "args": "[2]"})

    assert [item["args"] for item in enqueued(site)] == [[2]]
    assert site.client.exists(name) == 0


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("args", "[1", "not valid JSON"),
        ("args", "", "not valid JSON"),
        ("args", "[NaN]", "not valid JSON"),
        ("args", '{"a": 1}', "Arguments must be a list"),
        ("args", "7", "Arguments must be a list"),
        ("args", "[" * 200 + "]" * 200, "nested deeper"),
        ("args", '["***"]', "stands for nothing"),
        ("args", '["\\ud800"]', "not valid JSON"),
        ("queue", "", "is not a queue name"),
        ("queue", "a b", "is not a queue name"),
        ("queue", "x" * 200, "is not a queue name"),
        ("class", " ", "A job needs a class"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_done(name, text, error, pages, site):
    raw = retry(site, args=[{"token": "secret"}])
    fields = form_of((await pages.get(HERE)).text)

    page = await pages.act(HERE, {**fields, name: text})

    told = unescape(re.search(rf'id="error-{name}">(.*?)</p>', page.text)[1])
    assert page.status_code == 422
    assert error in told
    assert f'aria-invalid="true" aria-describedby="error-{name}"' in page.text
    assert form_of(page.text)[name].replace("\r\n", "\n") == text
    assert site.client.zrange("retry", 0, -1) == [raw]


async def test_secrets_are_not_shown_and_stay_what_they_are(pages, site):
    retry(site, args=[{"password": "hunter2", "name": "ada"}, 1, "c2VjcmV0"], encrypt=True)
    form = await pages.get(HERE)
    fields = form_of(form.text)

    asked = await pages.act(HERE, {**fields, "args": fields["args"].replace("ada", "eve")})
    done = await pages.act(HERE, fields_of(asked.text))

    for html in (form.text, asked.text, done.text):
        assert "hunter2" not in html
        assert "c2VjcmV0" not in html
    (item,) = enqueued(site)
    assert item["args"] == [{"password": "hunter2", "name": "eve"}, 1, "c2VjcmV0"]


async def test_what_is_not_touched_is_not_changed(pages, site):
    odd = {"class": "A\r\nB", "queue": "low", "args": [1.0, 1e-05, 2**70, True, None, {"b": [], "a": {}}]}
    retry(site, **odd)

    await pages.confirm(HERE, form_of((await pages.get(HERE)).text))

    (item,) = enqueued(site, "low")
    assert repr({name: item[name] for name in odd}) == repr(odd)


async def test_what_is_no_job_can_be_mended(pages, site):
    site.client.zadd("dead", {b'{"class":"A","args":[1],': 5.5})
    (key,) = fields_of((await pages.get("/dead")).text)["key"]
    here = f"/dead/{key.replace('!', '%21')}/edit"
    detail = await pages.get("/dead")
    (address,) = set(re.findall(r'href="(/dead/[^"?]+)\?', detail.text))
    here = f"{address}/edit"

    form = await pages.get(here)
    wrong = await pages.act(here, {**form_of(form.text)})
    lacking = await pages.confirm(here, {"item": '{"class":"A","args":1}'})
    await pages.confirm(here, {"item": '{"class":"A","args":[1],"queue":"default","jid":"abc"}'})

    assert form_of(form.text)["item"] == '{"class":"A","args":[1],'
    assert wrong.status_code == lacking.status_code == 422
    assert "must be a list" in unescape(lacking.text)
    assert [item["jid"] for item in enqueued(site)] == ["abc"]
    assert site.client.exists("dead") == 0


async def test_a_job_that_is_gone_by_then_is_told_and_not_doubled(pages, site):
    retry(site)
    fields = form_of((await pages.get(HERE)).text)
    asked = await pages.act(HERE, fields)

    first = await pages.act(HERE, fields_of(asked.text))
    again = await pages.act(HERE, fields_of(asked.text))

    assert "The changed job is enqueued." in first.text
    assert "Already gone" in again.text
    assert len(site.queue()) == 1
    assert (await pages.get(HERE)).status_code == 404


async def test_what_a_middleware_says_is_told(app, pages, site):
    answers = iter([None, ValueError("not today")])

    @app.client_middleware
    async def refuse(item, call_next):
        if (answer := next(answers)) is not None:
            raise answer

    retry(site)
    fields = form_of((await pages.get(HERE)).text)

    stopped, raised = await pages.confirm(HERE, fields), await pages.confirm(HERE, fields)

    assert "A client middleware stopped the job" in stopped.text
    assert "ValueError: not today" in raised.text
    assert site.client.zcard("retry") == 1


async def test_a_queue_that_is_something_else_is_told(pages, site):
    retry(site, queue="odd")
    site.client.set("queue:odd", "x")

    page = await pages.confirm(HERE, form_of((await pages.get(HERE)).text))
    site.client.delete("queue:odd")

    assert page.status_code == 422
    assert "WRONGTYPE" in page.text
    assert site.client.zcard("retry") == 1


async def test_roles_read_only_and_the_audit_log_know_it(open_pages, site, caplog):
    caplog.set_level(logging.INFO, "sidelong.audit")
    retry(site)
    pages = open_pages(authorize=lambda request, action, target: action != "edit")

    detail = await pages.get(f"/retries/{KEY}")
    refused = [(await pages.get(HERE)).status_code, (await pages.act(HERE, {"args": "[]"})).status_code]
    closed = await open_pages(read_only=True).act(HERE, {"args": "[]"})
    await open_pages().confirm(HERE, {"class": "A", "queue": "default", "args": "[]"})

    assert HERE not in detail.text
    assert [*refused, closed.status_code] == [403, 403, 403]
    lines = [record.getMessage() for record in caplog.records if record.name == "sidelong.audit"]
    assert lines[-1] == f"(nobody asked): edit retries {KEY}: done (from 127.0.0.1)"
    assert ": edit retries: refused" in lines[0]


async def test_arguments_that_are_not_to_be_seen_are_not_edited(open_pages, site):
    retry(site, args=["a card number"])
    pages = open_pages(display_args=lambda job: ["a card"])

    fields = form_of((await pages.get(HERE)).text)
    await pages.confirm(HERE, {**fields, "args": "[]", "queue": "low"})

    assert "args" not in fields
    (item,) = enqueued(site, "low")
    assert item["args"] == ["a card number"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_is_shown_as_text(text, pages, site):
    retry(site, args=[text], queue=text, display_class=text, **{"class": text})

    form = await pages.get(HERE)
    wrong = await pages.act(HERE, {"class": text, "queue": text, "args": text})

    for page in (form, wrong):
        assert page.status_code in (200, 422)
        assert_harmless(re.sub(r"(?s)<textarea.*?</textarea>", "", page.text), text)


async def test_no_payload_breaks_the_form(pages, site):
    for place, value in enumerate(ANYTHING):
        raw = f'{{"class":"A","args":[{value}],"jid":"x","queue":"default","n":{value}}}'.encode(
            "utf-8", "surrogatepass"
        )
        site.client.zadd("retry", {raw: 1000.0 + place})

    addresses = set(re.findall(r'href="(/retries/[^"?]+)\?', (await pages.get("/retries?count=100")).text)) - {
        "/retries/groups"
    }
    statuses = {(await pages.get(f"{address}/edit")).status_code for address in addresses}

    assert len(addresses) > 70
    assert statuses == {200}


async def test_what_is_too_long_is_not_edited_here(pages, site):
    retry(site, args=["x" * 300_000])

    page = await pages.get(HERE)

    assert "too long to be changed here" in page.text
    assert len(page.text) < 50_000
