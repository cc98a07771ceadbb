"""A job that waits in a queue is changed, and waits anew: in one step, and only if it is the one that was shown."""

import asyncio
import json
import logging
import re
from html import unescape

import pytest

from tests.integration.hostile_payloads.payloads import ANYTHING
from tests.integration.web.test_editing import enqueued, form_of
from tests.integration.web.test_lists import HOSTILE, assert_harmless, job
from tests.support.browser import fields_of

ID = f"{2:024x}"
HERE = f"/queues/default/jobs/{ID}/edit"


def fill(site, count=3, **fields):
    for number in range(1, count + 1):
        site.push_raw(job(number, **fields))


def order(site, queue="default"):
    """Return the arguments of the jobs of a queue, the one that is fetched next first."""
    return [item["args"] for item in enqueued(site, queue)[::-1]]


async def form(pages, address=HERE):
    """Return what the form of a job sends, as it is shown."""
    html = (await pages.get(address)).text
    return {**{name: values[-1] for name, values in fields_of(html).items()}, **form_of(html)}


async def test_a_changed_job_waits_behind_all_others_in_the_place_of_the_old_one(pages, site):
    fill(site)
    detail = await pages.get(f"/queues/default/jobs/{ID}")
    fields = await form(pages)

    asked = await pages.act(HERE, {**fields, "args": '["new"]'})
    before = order(site)
    done = await pages.act(HERE, fields_of(asked.text))

    assert f'<a class="button" href="{HERE}">Edit</a>' in detail.text
    assert "behind all that wait? Changed: Arguments, a list in JSON." in asked.text
    assert before == [[1], [2], [3]]
    assert done.url.path == "/queues/default"
    assert "The changed job is enqueued." in done.text
    assert order(site) == [[1], [3], ["new"]]
    (item,) = [item for item in enqueued(site) if item["args"] == ["new"]]
    assert (item["jid"], item["class"], "retry_count" in item) == (ID, "Shop::Charge", False)


async def test_it_may_go_to_another_queue(pages, site):
    fill(site, retry_count=3)

    await pages.confirm(HERE, {**await form(pages), "queue": "low"})

    assert (order(site), order(site, "low")) == ([[1], [3]], [[2]])
    assert site.client.smembers("queues") == {b"default", b"low"}
    # It is no retry that an operator asks for.
    assert enqueued(site, "low")[0]["retry_count"] == 3


async def test_it_is_found_where_it_stood_in_either_order(pages, site):
    for number in range(700):
        site.push_raw(job(number))
    page = await pages.get("/queues/default?page=3&order=reversed")
    address = unescape(re.findall(r'class="job" href="([^"]+)"', page.text)[0])

    detail = await pages.get(address)
    edit = unescape(re.search(r'href="([^"]+/edit[^"]*)"', detail.text)[1])
    fields = await form(pages, edit)
    for number in range(700, 900):
        site.push_raw(job(number))
    asked = await pages.act(edit.partition("?")[0], {**fields, "args": '["new"]'})
    await pages.act(edit.partition("?")[0], fields_of(asked.text))

    assert edit.endswith("/edit?at=50&order=reversed")
    assert 'href="/queues/default/jobs/' in asked.text
    assert "?at=50&amp;order=reversed" in asked.text
    assert order(site)[-1] == ["new"]
    assert [50] not in order(site)


async def test_one_that_a_worker_took_meanwhile_is_already_gone_and_is_not_doubled(pages, site):
    fill(site)
    fields = await form(pages)
    asked = await pages.act(HERE, {**fields, "args": '["new"]'})
    taken = [site.client.rpop("queue:default") for _ in range(2)]
    before = site.state()

    gone = await pages.act(HERE, fields_of(asked.text))
    again = await pages.act(HERE, {**fields, "args": '["new"]'})

    assert taken == [job(1), job(2)]
    assert "Already gone" in gone.text
    assert "Already gone" in again.text
    assert site.state() == before
    assert (await pages.get(HERE)).status_code == 404


async def test_one_that_has_run_and_waits_again_is_another(pages, site):
    fill(site)
    fields = await form(pages)
    site.client.lrem("queue:default", 0, job(2))
    again = job(2, retry_count=0, error_class="Oh")
    site.push_raw(again)

    page = await pages.act(HERE, {**fields, "args": '["new"]', "confirmed": "1"})

    assert "Already gone" in page.text
    assert site.queue() == [again, job(3), job(1)]


async def test_two_operators_change_one_job_at_once_and_one_of_them_has_done_it(pages, site):
    fill(site)
    fields = {**await form(pages), "confirmed": "1"}

    answers = await asyncio.gather(*(pages.act(HERE, {**fields, "args": f'["{name}"]'}) for name in ("ada", "eve")))

    said = sorted("Already gone" in answer.text for answer in answers)
    assert said == [False, True]
    assert order(site) in ([[1], [3], ["ada"]], [[1], [3], ["eve"]])


async def test_one_changes_and_the_other_deletes_and_there_is_one_outcome(pages, site):
    fill(site)
    fields = {**await form(pages), "confirmed": "1", "args": '["new"]'}

    changed, deleted = await asyncio.gather(
        pages.act(HERE, fields),
        pages.act("/queues/default", {"action": "delete", "key": ID, "confirmed": "1"}),
    )

    has_changed = "The changed job is enqueued." in changed.text
    assert has_changed != ("Already gone" in changed.text)
    left = [args for args in order(site) if args not in ([1], [3])]
    # The changed job has the id that was ticked: who looks for it afterwards deletes that.
    assert left == ([["new"]] if has_changed and "1 job deleted" not in deleted.text else [])


async def test_what_could_not_be_looked_for_everywhere_is_not_called_gone(pages, site, monkeypatch):
    for number in range(1, 800):
        site.push_raw(job(number))
    fields = await form(pages, f"{HERE}?at=797")
    monkeypatch.setattr("sidelong.web.actions.queued._WITHIN", 0.0)

    page = await pages.act(HERE, {**fields, "at": "0", "args": "[]", "confirmed": "1"})

    assert "There was no time to look through all of the queue. Nothing was changed." in page.text
    assert site.client.llen("queue:default") == 799


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("args", "[1", "not valid JSON"),
        ("args", '["***"]', "stands for nothing"),
        ("queue", "a b", "is not a queue name"),
        ("class", "", "A job needs a class"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_done(name, text, error, pages, site):
    fill(site, args=[{"token": "secret"}])
    before = site.state()

    page = await pages.act(HERE, {**await form(pages), name: text})

    assert page.status_code == 422
    assert error in unescape(re.search(rf'id="error-{name}">(.*?)</p>', page.text)[1])
    assert site.state() == before


async def test_secrets_are_not_shown_and_stay_what_they_are(pages, site):
    fill(site, args=[{"password": "hunter2", "name": "ada"}, "c2VjcmV0"], encrypt=True)
    shown = await pages.get(HERE)
    fields = await form(pages)

    done = await pages.confirm(HERE, {**fields, "args": fields["args"].replace("ada", "eve")})

    for page in (shown, done):
        assert "hunter2" not in page.text
        assert "c2VjcmV0" not in page.text
    assert order(site)[-1] == [{"password": "hunter2", "name": "eve"}, "c2VjcmV0"]


async def test_what_is_no_job_can_be_mended(pages, site):
    site.push_raw(b'{"class":"A","args":[1],')
    (key,) = fields_of((await pages.get("/queues/default")).text)["key"]
    (address,) = set(re.findall(r'href="(/queues/default/jobs/[^"?]+)', (await pages.get("/queues/default")).text))
    here = f"{address}/edit"

    wrong = await pages.act(here, await form(pages, here))
    await pages.confirm(here, {"item": '{"class":"A","args":[1],"queue":"default","jid":"abc"}'})

    assert key.startswith("!")
    assert wrong.status_code == 422
    assert [item["jid"] for item in enqueued(site)] == ["abc"]


async def test_what_a_middleware_says_is_told_and_the_job_stays(app, pages, site):
    answers = iter([None, ValueError("not today")])

    @app.client_middleware
    async def refuse(item, call_next):
        if (answer := next(answers)) is not None:
            raise answer

    fill(site)
    fields = await form(pages)

    stopped, raised = await pages.confirm(HERE, fields), await pages.confirm(HERE, fields)

    assert "A client middleware stopped the job" in stopped.text
    assert "ValueError: not today" in raised.text
    assert order(site) == [[1], [2], [3]]


async def test_a_queue_that_is_something_else_is_told_and_the_job_stays(pages, site):
    fill(site)
    site.client.set("queue:odd", "x")

    page = await pages.confirm(HERE, {**await form(pages), "queue": "odd"})
    site.client.delete("queue:odd")

    assert page.status_code == 422
    assert "WRONGTYPE" in page.text
    assert "queue:odd" in page.text
    assert order(site) == [[1], [2], [3]]


async def test_roles_read_only_and_the_audit_log_know_it(open_pages, site, caplog):
    caplog.set_level(logging.INFO, "sidelong.audit")
    fill(site)
    asked = []

    def can(request, action, target):
        asked.append((action, target))
        return action != "edit"

    pages = open_pages(authorize=can)
    fields = await form(open_pages())

    detail = await pages.get(f"/queues/default/jobs/{ID}")
    refused = [(await pages.get(HERE)).status_code, (await pages.act(HERE, fields)).status_code]
    closed = await open_pages(read_only=True).act(HERE, {**fields, "confirmed": "1"})
    await open_pages().confirm(HERE, {**fields, "args": "[]"})

    assert HERE not in detail.text
    assert [*refused, closed.status_code] == [403, 403, 403]
    assert ("edit", "queues/default") in asked
    lines = [record.getMessage() for record in caplog.records if record.name == "sidelong.audit"]
    assert lines[-1] == f"(nobody asked): edit queues/default {ID}: done (from 127.0.0.1)"
    assert ": edit queues/default: refused" in lines[0]


@pytest.mark.parametrize("text", [*HOSTILE, "\udcff\udcfe"], ids=ascii)
async def test_hostile_text_is_shown_as_text(text, pages, site):
    name = f"x{text}".encode("utf-8", "surrogateescape")
    shown_as = name.decode("utf-8", "replace")
    site.client.sadd("queues", name)
    site.client.lpush(b"queue:" + name, job(2, display_class=shown_as, args=[shown_as], **{"class": shown_as}))
    (queue,) = set(re.findall(r'class="job" href="(/queues/[^"]+)"', (await pages.get("/queues")).text))
    here = f"{queue}/jobs/{ID}/edit"

    shown = await pages.get(here)
    wrong = await pages.act(here, {"class": "", "queue": "a b", "args": "["})

    assert (shown.status_code, wrong.status_code) == (200, 422)
    for page in (shown, wrong):
        assert_harmless(re.sub(r"(?s)<textarea.*?</textarea>", "", page.text), text)
    site.client.flushdb()


async def test_no_payload_breaks_the_form(pages, site):
    for place, value in enumerate(ANYTHING):
        raw = f'{{"class":"A","args":[{value}],"jid":"j{place}","queue":"default","n":{value}}}'
        site.push_raw(raw.encode("utf-8", "surrogatepass"))

    page = (await pages.get("/queues/default?count=100")).text
    addresses = {unescape(found) for found in re.findall(r'href="(/queues/default/jobs/[^"?]+)', page)}
    statuses = {(await pages.get(f"{address}/edit")).status_code for address in addresses}

    assert len(addresses) > 70
    assert statuses == {200}


async def test_a_worker_and_operators_who_change_jobs_never_lose_nor_double_one(app, open_pages, site):
    ran = []

    @app.job(name="A")
    async def note(number: int, word: str = "") -> None:
        ran.append((number, word))
        await asyncio.sleep(0.005)

    for number in range(60):
        site.push_raw(json.dumps({"class": "A", "args": [number], "queue": "default", "jid": f"j{number}"}).encode())
    told = []

    async def change(word):
        pages = open_pages()
        for number in range(59, -1, -3):
            here = f"/queues/default/jobs/j{number}/edit"
            shown = await pages.get(here)
            if shown.status_code == 200:
                fields = {name: values[-1] for name, values in fields_of(shown.text).items()}
                fields = {**fields, **form_of(shown.text), "args": f'[{number}, "{word}"]', "confirmed": "1"}
                page = await pages.act(here, fields)
                told.append((number, word, "The changed job is enqueued." in page.text))

    async with app.worker(concurrency=2):
        await asyncio.gather(change("ada"), change("eve"))
        await site.drained()

    assert sorted(number for number, _ in ran) == list(range(60))
    changed = {(number, word) for number, word, is_done in told if is_done}
    # Of several changes of one job the last one holds.
    assert {each for each in ran if each[1]} <= changed
    assert {number for number, _ in changed} == {number for number, word in ran if word}
