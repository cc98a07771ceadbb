import logging

import pytest

from sidelong import Sidelong
from sidelong.web import BasicAuth
from sidelong.web.api.table import ENDPOINTS
from tests.integration.web.api.support import SETS, seed
from tests.integration.web.test_busy import SELF, process
from tests.integration.web.test_lists import job
from tests.integration.web.test_security import OWN, basic
from tests.support import redis_state


@pytest.mark.parametrize("path", ["/api/stats", "/api/openapi.json", "/api/nothing"])
async def test_nothing_is_told_without_credentials(path, open_pages):
    pages = open_pages(auth=BasicAuth("ada", "secret"))

    refused, told = await pages.get(path), await pages.get(path, headers=basic("ada", "secret"))

    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert told.status_code == (404 if "nothing" in path else 200)


@pytest.mark.parametrize("each", [each for each in ENDPOINTS if each.method == "POST"], ids=lambda each: each.name)
async def test_no_action_is_done_for_another_site_nor_for_who_may_only_look(each, open_pages, site):
    path = "/api" + each.path.replace("{process}", SELF).replace("{entry}", "5.5-" + "0" * 24)
    path = path.replace("{queue}", "default").replace("{jid}", "0" * 24).replace("{job}", "0" * 24)
    last = path.rpartition("/")[2]
    body = {"filter": {}} if last.endswith("-all") else {"keys": ["5.5-" + "0" * 24, "0" * 24]}
    body = {"edit": {"changes": {}}, "replace": {"item": {}}, "reschedule": {"at": "2030-01-01T00:00:00Z"}}.get(
        last, body
    )
    process(site)
    site.push_raw(job(0))
    for name in SETS.values():
        site.client.zadd(name, {job(0): 5.5})
    before = site.state()
    asked = []

    def can(request, action, target):
        asked.append((action, target))
        return action == "view"

    refused = [
        await open_pages().post(path, json=body, headers={"Sec-Fetch-Site": "cross-site"}),
        await open_pages().post(path, json=body),
        await open_pages(read_only=True).post(path, json=body, headers=OWN),
        await open_pages(authorize=can).post(path, json=body, headers=OWN),
    ]

    assert [answer.status_code for answer in refused] == [403] * 4
    assert {answer.headers["content-type"] for answer in refused} == {"application/problem+json"}
    redis_state.assert_same(before, site.state())
    assert len(asked) == 2
    assert asked[0] == ("view", each.target)
    site.client.delete(SELF, "processes")


async def test_actions_stand_in_the_audit_log_as_those_of_the_pages_do(api, site, caplog):
    caplog.set_level(logging.INFO, "sidelong.audit")
    seed(site, "retry", 2)

    await api.act("pause_queue", "default")
    await api.act("kill_retries", body={"keys": ["5.5-" + "0" * 24]})
    await api.call("edit_retries_entry", "6.5-" + "0" * 23 + "1", body={"changes": {"args": 7}})
    await api.act("delete_all_retries", body={"filter": {"class": "Shop::Charge"}})
    await api.act("unpause_queue", "default")

    lines = [record.getMessage().split(": ", 1)[1] for record in caplog.records if record.name == "sidelong.audit"]
    assert lines[0] == "pause queues/default: done (from 127.0.0.1)"
    assert lines[1] == "kill retries: 1 done, 0 gone, 0 stopped, 0 failed (from 127.0.0.1)"
    assert lines[2].startswith(f"edit retries 6.5-{'0' * 23}1: failed: ")
    assert lines[3] == "delete retries: 1 done, 0 gone, 0 stopped, 0 failed (from 127.0.0.1)"
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api", 404),
        ("/api/", 404),
        ("/api/nothing", 404),
        ("/api/queues/..", 404),
        ("/api/queues/default/jobs?clas=A", 400),
        ("/api/queues?x=1", 400),
        ("/api/retries?page=0", 400),
        ("/api/retries?page=abc", 400),
        ("/api/retries?page=1&page=2", 400),
        ("/api/retries?count=1000000000", 400),
        ("/api/retries?class=", 400),
        ("/api/retries?text=" + "x" * 501, 400),
        ("/api/retries?order=up", 400),
        ("/api/stats/history?days=999999999", 400),
        ("/api/metrics?hours=3", 400),
        ("/api/retries?" + "x" * 9000, 400),
    ],
)
async def test_what_makes_no_sense_is_a_problem(path, status, pages, site):
    site.push("A")

    answer = await pages.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_only_post_changes_anything(method, pages, site):
    answer = await pages.request(method, "/api/queues/default/pause", headers=OWN)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert site.client.exists("paused") == 0


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"action=delete", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"filter":{"clas":"A"}}', "application/json", 400),
        (b'{"filter":{"class":""}}', "application/json", 400),
        (b'{"filter":{"class":null}}', "application/json", 400),
        (b'{"filter":{},"after":"nonsense"}', "application/json", 400),
        (b'{"filter":{},"al":true}', "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"filter":' + b"[" * 100_000 + b"}", "application/json", 400),
        (b'{"filter":{"class":"' + b"x" * 2_000_000 + b'"}}', "application/json", 413),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_body_that_is_not_meant_deletes_nothing(content, content_type, status, pages, site):
    seed(site, "retry", 3)
    headers = {**OWN, "Content-Type": content_type}

    answer = await pages.post("/api/retries/delete-all", content=content, headers=headers)

    assert answer.status_code == status
    assert site.client.zcard("retry") == 3


async def test_redis_that_is_down_is_a_problem(open_pages, own_redis):
    async with Sidelong(own_redis.url) as down:
        pages = open_pages(of=down)
        own_redis.stop(kill=True)
        answer = await pages.get("/api/queues")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"]


async def test_a_job_is_looked_for_only_where_whoever_asks_may_look(open_pages, site):
    site.push_raw(job(0))
    for name in SETS.values():
        site.client.zadd(name, {job(0): 5.5})

    def can(request, action, target):
        return target in ("dashboard", "retries")

    seen = (await open_pages(authorize=can).get(f"/api/jobs/{0:024x}")).json()

    assert [each["section"] for each in seen["entries"]] == ["retries"]
    assert seen["queued"] == []
