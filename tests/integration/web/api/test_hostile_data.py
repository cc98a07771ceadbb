import json
import time

import pytest

from sidelong.web import dashboard
from tests.integration.hostile_payloads.payloads import ANYTHING
from tests.integration.web.api.support import SETS
from tests.integration.web.test_lists import HOSTILE, job
from tests.integration.web.test_mounting import starlette
from tests.support.api_client import ApiClient
from tests.support.browser import Browser


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_is_told_as_it_is(text, api, site):
    fields = {"class": text, "jid": text, "tags": [text], "error_class": text, "error_message": text, "queue": text}
    raw = job(args=[text, {text: text}], error_backtrace=[text], display_class=text, bid=text, **fields)
    queue = f"x{text}"
    site.client.sadd("queues", queue)
    site.client.lpush(f"queue:{queue}", raw)
    for name in SETS.values():
        site.client.zadd(name, {raw: 5.5})
    info = {"hostname": text, "pid": 1, "tag": text, "labels": [text], "queues": [text], "identity": text}
    site.client.sadd("processes", text)
    site.client.hset(text, mapping={"info": json.dumps(info), "busy": 1, "beat": time.time(), "concurrency": 1})
    site.client.hset(f"{text}:work", "t", json.dumps({"queue": text, "run_at": 5, "payload": raw.decode()}))

    (named,) = (await api.get("list_queues"))["queues"]
    (running,) = (await api.get("list_running_jobs"))["jobs"]
    (worker,) = (await api.get("list_processes"))["processes"]
    urls = [named["url"], worker["url"]]
    for section in SETS:
        (entry,) = (await api.get(f"list_{section}"))["jobs"]
        assert (entry["class"], entry["args"]) == (text, [text, {text: text}])
        urls.append(entry["url"])
    for url in urls:
        assert (await api.browser.get(url)).status_code == 200
    (queued,) = (await api.browser.get(named["url"])).json()["jobs"]
    assert (await api.browser.get(queued["url"])).json()["payload"]["error_message"] == text
    assert (named["name"], worker["hostname"], running["job"]["jid"]) == (queue, text, text)
    site.client.delete(text, f"{text}:work", "processes")


@pytest.mark.parametrize(
    "field", ["class", "args", "jid", "queue", "tags", "created_at", "retry_count", "error_message"]
)
async def test_no_payload_breaks_an_answer(field, api, site):
    scores = {}
    for place, value in enumerate(ANYTHING):
        raw = f'{{"class":"A","args":[],"jid":"x","{field}":{value}}}'.encode("utf-8", "surrogatepass")
        scores[raw] = 1000.0 + place
        site.push_raw(raw)
    site.client.zadd("retry", {**scores, b"\xff\x00": float("inf"), b"[]": float("-inf")})

    for name, parts in (("list_retries", []), ("list_queued_jobs", ["default"])):
        listed = await api.get(name, *parts, count=100)
        assert len(listed["jobs"]) >= len(scores)
        for each in listed["jobs"]:
            answer = await api.browser.get(each["url"])
            assert answer.status_code == 200, answer.text
            assert answer.text.isascii()


async def test_what_is_no_job_is_told_and_can_be_deleted(api, site):
    for raw in (b"\x00<b>no json", b"[1,2", b"7"):
        site.client.zadd("dead", {raw: 5.5})
    listed = (await api.get("list_dead"))["jobs"]

    assert {each["jid"] for each in listed} == {""}
    assert all(each["fault"] for each in listed)
    details = [(await api.browser.get(each["url"])).json() for each in listed]
    assert {each["raw"] for each in details} == {"\\x00<b>no json", "[1,2", "7"}
    assert (await api.act("delete_dead", body={"keys": [each["key"] for each in listed]}))["done"] == 3


async def test_addresses_lead_to_where_the_pages_are(app, site):
    site.push_raw(job(1), "a b")
    async with Browser(starlette(dashboard(app, auth=None))) as browser:
        api = await ApiClient(browser, "/admin/sidelong").load()
        (queue,) = (await api.get("list_queues"))["queues"]
        (listed,) = (await browser.get(queue["url"])).json()["jobs"]
        detail = await browser.get(listed["url"])

    assert api.document["servers"] == [{"url": "/admin/sidelong/api"}]
    assert listed["url"].startswith("/admin/sidelong/api/queues/~")
    assert detail.status_code == 200
