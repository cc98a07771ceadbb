import json
import time

import pytest

from tests.integration.web.api.support import SETS, numbers, seed
from tests.integration.web.test_busy import SELF, process
from tests.integration.web.test_lists import job


@pytest.mark.parametrize(("section", "name"), SETS.items())
async def test_a_set_is_read_in_pages_that_lead_on(section, name, api, site):
    seed(site, name, 60)

    seen, address = [], f"/api/{section}"
    while address:
        answer = (await api.browser.get(address)).json()
        seen += numbers(answer)
        address = answer["next"]

    assert seen == (list(range(60)) if name != "dead" else list(range(59, -1, -1)))
    assert answer["size"] == 60
    assert numbers(await api.get(f"list_{section}", order="reversed", count=100)) == seen[::-1]


async def test_a_queue_is_read_in_pages_that_lead_on(api, site):
    for number in range(60):
        site.push_raw(job(number))

    first = await api.get("list_queued_jobs", "default")
    second = (await api.browser.get(first["next"])).json()

    assert numbers(first) + numbers(second) == list(range(59, 9, -1))
    assert (await api.call("list_queued_jobs", "nothing")).status_code == 404


@pytest.mark.parametrize("condition", ["class=A", "queue=low", "tag=vip", "error=Oh", "text=VIP"])
async def test_conditions_lead_to_jobs_that_are_found_again(condition, api, site, monkeypatch):
    fields = {"class": "A", "queue": "low", "tags": ["vip"], "error_class": "Oh"}
    seed(site, "retry", 700)
    seed(site, "retry", 3, first=700, **fields)
    monkeypatch.setattr("sidelong.web.listing._WITHIN", 0.0)

    found, address, steps = [], f"/api/retries?{condition}", 0
    while address:
        answer = (await api.browser.get(address)).json()
        found += answer["jobs"]
        address, steps = answer["next"], steps + 1

    assert steps == 3
    assert answer["looked_at"] == answer["size"] == 703
    assert [each["args"] for each in found] == [[700], [701], [702]]
    for each in found:
        detail = (await api.browser.get(each["url"])).json()
        assert (detail["job"]["jid"], detail["payload"]["class"]) == (each["jid"], "A")


async def test_a_job_is_told_with_its_error_and_without_its_secrets(api, site):
    raw = job(7, args=[{"password": "hunter2"}], api_key="hunter2", error_backtrace=["shop.py:1"], error_class="Oh")
    site.client.zadd("retry", {raw: 5.5})

    (listed,) = (await api.get("list_retries"))["jobs"]
    answer = await api.call("get_retries_entry", listed["key"])
    detail = answer.json()

    assert (detail["error_backtrace"], detail["job"]["error_class"]) == (["shop.py:1"], "Oh")
    assert (detail["job"]["score"], detail["job"]["at"]) == (5.5, "1970-01-01T00:00:05.500000Z")
    assert listed["args"] == [{"password": "***"}] == detail["payload"]["args"]
    assert "hunter2" not in answer.text


async def test_large_arguments_are_told_by_the_job_itself_and_very_large_ones_nowhere(api, site):
    for number, length in enumerate([10, 10_000, 2_000_000]):
        site.client.zadd("retry", {job(number, args=["x" * length]): 5.5 + number})

    listed = await api.call("list_retries")
    details = [(await api.browser.get(each["url"])).json() for each in listed.json()["jobs"]]

    assert [each["args"] for each in listed.json()["jobs"]] == [["x" * 10], None, None]
    assert [len(each["job"]["args"][0]) if each["job"]["args"] else None for each in details] == [10, 10_000, None]
    assert [each["raw"] for each in details] == [None, None, None]
    assert [each["payload"] is not None for each in details] == [True, True, False]
    assert len(listed.text) < 5_000


async def test_a_job_is_found_by_its_id_wherever_it_is(api, site):
    site.push_raw(job(1), "low")
    for name in SETS.values():
        site.client.zadd(name, {job(1): 5.5})

    seen = await api.get("find_job", f"{1:024x}")

    assert [each["section"] for each in seen["entries"]] == ["scheduled", "retries", "dead"]
    assert (len(seen["queued"]), seen["running"], seen["is_complete"]) == (1, None, True)
    for each in [*seen["queued"], *(entry["job"] for entry in seen["entries"])]:
        assert (await api.browser.get(each["url"])).json()["job"]["jid"] == f"{1:024x}"
    assert (await api.call("find_job", "nobody")).status_code == 404


async def test_where_time_is_up_a_search_says_that_it_is_not_complete(api, site, monkeypatch):
    seed(site, "dead", 2)
    monkeypatch.setattr("sidelong.web.api.running.look_up.__defaults__", ((), 0.0))

    seen = await api.get("find_job", f"{1:024x}")

    assert (seen["entries"], seen["is_complete"]) == ([], False)


async def test_what_has_happened_to_a_job_and_what_it_waits_for_is_told(api, site):
    fields = {"retry_count": 1, "failed_at": 2.5, "retried_at": 3.5, "error_class": "Oh", "error_message": "no"}
    site.client.zadd("dead", {job(1, **fields): 5.5})
    site.push_raw(job(2))
    site.push_raw(job(3))
    site.client.sadd("paused", "default")

    dead = await api.get("get_dead_entry", f"5.5-{1:024x}")
    queued = await api.get("get_queued_job", "default", f"{3:024x}")

    assert [event["kind"] for event in dead["history"]] == ["created", "failed", "failed_with", "died"]
    assert dead["history"][2]["text"] == "attempt 2 failed with Oh: no"
    assert [reason["kind"] for reason in dead["reasons"]] == ["dead"]
    assert "enqueue" in dead["python"]
    assert [reason["kind"] for reason in queued["reasons"]] == ["paused", "not_served"]
    assert queued["position"] == 1


async def test_running_jobs_are_told_with_where_they_run(api, site):
    process(site)
    process(site, "other:8:0123456789ab")
    for number, identity in ((1, SELF), (2, "other:8:0123456789ab")):
        entry = {"queue": "low", "run_at": time.time() - number, "payload": job(number, queue="low").decode()}
        site.client.hset(f"{identity}:work", "t1", json.dumps(entry))
        site.client.expire(f"{identity}:work", 60)

    everywhere = (await api.get("list_running_jobs"))["jobs"]
    turned = (await api.get("list_running_jobs", order="reversed", count=1, queue="low"))["jobs"]
    of_one = (await api.get("list_jobs_of_process", SELF))["jobs"]
    detail = (await api.browser.get(everywhere[0]["job"]["url"])).json()

    assert [each["job"]["args"] for each in everywhere] == [[2], [1]]
    assert [each["process"] for each in turned + of_one] == [SELF, SELF]
    assert detail["running"]["tid"] == "t1"
    assert [event["kind"] for event in detail["history"]] == ["created", "begun"]
    assert (await api.call("list_jobs_of_process", "nobody:1:x")).status_code == 404
    assert (await api.call("get_running_job", "nobody")).status_code == 404


async def test_failures_are_counted_by_class_and_error_with_the_conditions_they_meet(api, site):
    seed(site, "retry", 3, error_class="Oh", error_message="no")
    seed(site, "retry", 2, first=3, **{"class": "Mail"})

    first, second = (await api.get("get_retries_groups"))["groups"]
    outcome = await api.act("kill_all_retries", body={"filter": second["filter"]})

    assert (first["count"], first["message"], first["earliest"]) == (3, "no", "1970-01-01T00:00:05.500000Z")
    assert second["filter"] == {"job": "Mail", "error": "(no error)"}
    assert (outcome["done"], site.client.zcard("retry")) == (2, 3)


async def test_every_key_of_redis_is_told_a_part_at_a_time_and_without_secrets(api, site):
    site.client.set("session-token", "s-1")
    site.client.rpush("letters", *(f"letter {number}" for number in range(60)))
    seed(site, "retry", 1, args=[{"password": "hunter2"}])

    keys = {each["name"]: each for each in (await api.get("list_keys"))["keys"]}
    seen, address = [], keys["letters"]["url"]
    while address:
        answer = (await api.browser.get(address)).json()
        seen += [element["values"][0]["text"] for element in answer["elements"]]
        address = answer["next"]
    retries, token = await api.get("get_key", "retry"), await api.get("get_key", "session-token")

    assert (keys["letters"]["type"], keys["letters"]["size"], keys["letters"]["kind"]) == ("list", 60, None)
    assert seen == [f"letter {number}" for number in range(60)]
    assert "hunter2" not in json.dumps(retries)
    assert token["elements"][0]["values"][0]["text"] == "***"
    assert [each["name"] for each in (await api.get("list_keys", text="LETT".lower()))["keys"]] == ["letters"]
    assert (await api.call("get_key", "nothing")).status_code == 404
    site.client.delete("session-token", "letters")


async def test_what_redis_tells_of_itself_is_told(api, site):
    facts = await api.get("get_redis")

    assert facts["round_trip"] >= 0
    assert facts["troubles"] == []
    assert "@" not in facts["address"]


async def test_what_is_too_long_tells_no_secret_in_its_begin(api, site):
    site.client.zadd("retry", {job(1, args=[{"password": "hunter2"}, "x" * 2_000_000], error_backtrace=["y" * 9]): 5.5})
    site.push_raw(job(1, args=[{"password": "hunter2"}, "x" * 2_000_000]))

    for answer in (
        await api.call("get_retries_entry", f"5.5-{1:024x}"),
        await api.call("get_queued_job", "default", f"{1:024x}"),
    ):
        assert answer.status_code == 200
        assert "hunter2" not in answer.text
        assert answer.json()["edit_args"] is None


async def test_many_arguments_and_many_frames_are_told_in_part(api, site):
    site.client.zadd("retry", {job(1, args=[[0] * 20_000], error_backtrace=["frame"] * 5_000): 5.5})

    (listed,) = (await api.get("list_retries"))["jobs"]
    detail = await api.get("get_retries_entry", listed["key"])

    assert listed["args"] is None
    assert (len(detail["job"]["args"][0]), len(detail["error_backtrace"])) == (20_000, 1_000)


async def test_a_process_tells_all_of_itself_by_its_own_address(api, site):
    weights = {"mailers": 3, "low": 1}
    process(site, capsules={"default": {"concurrency": 10, "mode": "weighted", "weights": weights}})
    site.client.hset(SELF, mapping={"processed": 1234, "failed": 5, "classes": '["Mail"]'})
    process(site, "ruby:9:abcdefabcdef", weights={"mailers": 2})

    (first, _) = (await api.get("list_processes"))["processes"]
    ours = (await api.browser.get(first["url"])).json()
    ruby = await api.get("get_process", "ruby:9:abcdefabcdef")

    assert ours.items() >= first.items()
    assert (ours["processed"], ours["failed"], ours["weights"], ours["job_classes"]) == (1234, 5, weights, ["Mail"])
    assert ours["capsules"] == [{"name": "default", "concurrency": 10, "mode": "weighted", "weights": weights}]
    assert (ruby["weights"], ruby["capsules"], ruby["job_classes"]) == ({"mailers": 2}, [], None)


async def test_the_keys_that_every_sidekiq_has_are_told_as_far_as_they_are_there(api, site):
    seed(site, "retry", 2)
    site.client.set("stat:processed", 5)
    site.client.set("other", "x")
    site.client.sadd("queues", "default")

    known = (await api.get("list_known_keys"))["keys"]

    assert [each["name"] for each in known] == ["queues", "retry", "stat:processed"]
    assert (known[1]["type"], known[1]["size"], known[1]["kind"]) == ("zset", 2, "retry")
    assert (await api.browser.get(known[1]["url"])).status_code == 200
    site.client.delete("other")
