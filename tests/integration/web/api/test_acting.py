import asyncio
import json

import pytest

from sidelong.web.places import write_segment
from tests.integration.web.api.support import seed
from tests.integration.web.test_busy import SELF, process, signals
from tests.integration.web.test_lists import job
from tests.support import redis_state
from tests.support.eventually import eventually


@pytest.mark.parametrize(
    ("name", "key", "moved_to"),
    [
        ("retry_retries", "retry", "queue:default"),
        ("kill_retries", "retry", "dead"),
        ("delete_retries", "retry", None),
        ("enqueue_scheduled", "schedule", "queue:default"),
        ("delete_scheduled", "schedule", None),
        ("retry_dead", "dead", "queue:default"),
        ("delete_dead", "dead", None),
    ],
)
async def test_entries_are_moved_by_their_keys_and_once(name, key, moved_to, api, site):
    seed(site, key, 3)
    section = name.partition("_")[2]
    keys = [each["key"] for each in (await api.get(f"list_{section}"))["jobs"]][:2]

    first = await api.act(name, body={"keys": keys})
    again = await api.act(name, body={"keys": keys})

    assert (first, again["gone"]) == ({"done": 2, "gone": 0, "stopped": 0, "failed": 0}, 2)
    assert site.client.zcard(key) == 1
    if moved_to is not None:
        assert (site.client.llen if "queue" in moved_to else site.client.zcard)(moved_to) == 2


async def test_jobs_of_a_queue_are_deleted_by_their_keys(api, site):
    for number in range(40):
        site.push_raw(job(number))
    keys = [each["key"] for each in (await api.get("list_queued_jobs", "default", page=2))["jobs"]][:2]
    for number in range(40, 700):
        site.push_raw(job(number))

    outcome = await api.act("delete_queued_jobs", "default", body={"keys": [*keys, "nobody"], "at": 25})

    assert outcome == {"done": 2, "gone": 1, "stopped": 0, "failed": 0}
    assert site.client.llen("queue:default") == 698


async def test_what_cannot_be_found_in_time_is_not_called_gone(api, site, monkeypatch):
    for number in range(800):
        site.push_raw(job(number))
    monkeypatch.setattr("sidelong.web.actions.queued._WITHIN", 0.0)

    outcome = await api.act("delete_queued_jobs", "default", body={"keys": [f"{0:024x}"]})

    assert outcome == {"done": 0, "gone": 0, "stopped": 0, "failed": 1}


@pytest.mark.parametrize("name", ["retry_all_retries", "kill_all_retries", "delete_all_retries"])
async def test_all_that_match_are_moved_in_parts_and_no_others(name, api, site, monkeypatch):
    seed(site, "retry", 250)
    seed(site, "retry", 30, first=250, tags=["vip"])
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    body, parts = {"filter": {"tag": "vip"}}, []
    while not parts or parts[-1]["goes_on"]:
        parts.append(await api.act(name, body=body))
        body["after"] = parts[-1]["goes_on"]

    assert [part["done"] for part in parts] == [0, 0, 30]
    assert site.client.zcard("retry") == 250


async def test_all_that_match_in_a_queue_are_deleted_in_parts(api, site, monkeypatch):
    for number in range(120):
        site.push_raw(job(number, tags=["vip"] if number >= 100 else []))
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    body, done = {"filter": {"tag": "vip"}}, 0
    while body.get("after", "begin"):
        part = await api.act("delete_all_queued_jobs", "default", body=body)
        done, body["after"] = done + part["done"], part["goes_on"]

    assert (done, site.client.llen("queue:default")) == (20, 100)


async def test_an_entry_is_put_off_changed_and_replaced(api, site):
    site.client.zadd("schedule", {job(1): 5.5, job(2): 6.5, b"no job": 7.5})
    first, second, third = [write_segment(each["key"]) for each in (await api.get("list_scheduled"))["jobs"]]

    await api.act("reschedule_scheduled_entry", first, body={"at": "2030-01-01T00:00:00+01:00"})
    await api.act("edit_scheduled_entry", second, body={"changes": {"args": [3], "queue": "low"}})
    await api.act("replace_scheduled_entry", third, body={"item": {"class": "B", "args": [], "jid": "b", "queue": "x"}})

    assert site.client.zrange("schedule", 0, -1, withscores=True) == [(job(1), 1893452400.0)]
    assert json.loads(site.queue("low")[0])["args"] == [3]
    assert json.loads(site.queue("x")[0])["class"] == "B"


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("edit_retries_entry", {"changes": {"args": "no list"}}, 422),
        ("edit_retries_entry", {"changes": {"queue": ""}}, 422),
        ("edit_retries_entry", {"changes": {"class": 7}}, 422),
        ("replace_retries_entry", {"item": {}}, 422),
        ("reschedule_retries_entry", {"at": "2030-01-01T00:00:00"}, 400),
        ("reschedule_retries_entry", {"at": "soon"}, 400),
        ("edit_retries_entry", {}, 400),
        ("edit_retries_entry", {"changes": {}, "item": {}}, 400),
    ],
)
async def test_what_no_job_can_be_is_refused_and_changes_nothing(name, body, status, api, site):
    seed(site, "retry", 1)
    before = site.state()

    answer = await api.call(name, "5.5-" + "0" * 24, body=body)

    assert answer.status_code == status
    assert answer.json()["detail"]
    redis_state.assert_same(before, site.state())


async def test_an_entry_that_has_gone_is_not_found(api):
    for name, body in (("reschedule", {"at": "2030-01-01T00:00:00Z"}), ("edit", {"changes": {"args": []}})):
        assert (await api.call(f"{name}_retries_entry", "5.5-a", body=body)).status_code == 404


async def test_what_a_middleware_stops_stays(app, api, site):
    @app.client_middleware
    async def stop(job, call_next):
        return None

    seed(site, "retry", 2)
    keys = [each["key"] for each in (await api.get("list_retries"))["jobs"]]

    retried = await api.act("retry_retries", body={"keys": keys[:1]})
    edited = await api.call("edit_retries_entry", keys[1], body={"changes": {"args": []}})

    assert (retried["stopped"], edited.status_code) == (1, 409)
    assert site.client.zcard("retry") == 2


async def test_a_queue_is_paused_resumed_and_cleared(api, site):
    site.push("A")

    paused = await api.act("pause_queue", "default"), await api.act("pause_queue", "default")
    state = await api.get("get_queue", "default")
    await api.act("unpause_queue", "default")
    cleared = await api.act("clear_queue", "default")

    assert paused == ({"changed": True}, {"changed": False})
    assert (state["paused"], state["size"]) == (True, 1)
    assert cleared == {"deleted": 1}
    assert site.client.exists("paused", "queue:default", "queues") == 0


async def test_processes_are_told_but_those_that_are_embedded(api, site):
    process(site)
    process(site, "other:8:0123456789ab", embedded=True)

    for action in ("quiet", "stop", "dump"):
        assert await api.act(f"{action}_process", SELF) == {"told": 1}
    everybody = await api.act("quiet_processes")
    embedded = await api.call("stop_process", "other:8:0123456789ab")
    nobody = await api.call("stop_process", "nobody:1:x")

    assert (everybody, embedded.status_code, nobody.status_code) == ({"told": 1}, 409, 404)
    assert sorted(signals(site)) == [b"TERM", b"TSTP", b"TSTP", b"TTIN"]
    assert signals(site, "other:8:0123456789ab") == []


async def test_a_running_job_is_shown_and_cancelled(app, api, site):
    begun, ended = asyncio.Event(), asyncio.Event()

    @app.job
    async def wait_for_ever(word: str) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with app.worker(concurrency=1):
        ref = await wait_for_ever.enqueue("a word")
        await asyncio.wait_for(begun.wait(), 15)
        outcome = await api.act("cancel_job", str(ref))
        await asyncio.wait_for(ended.wait(), 15)
        again = await api.call("cancel_job", str(ref))

    assert outcome["outcome"] == "cancelled"
    assert again.status_code == 404


async def test_secrets_in_arguments_are_kept_where_their_marks_come_back(api, site):
    site.client.zadd("retry", {job(1, args=[{"token": "t-1", "to": "ada"}]): 5.5, job(2, args=[{"token": "t-2"}]): 6.5})
    first, second = [each["key"] for each in (await api.get("list_retries"))["jobs"]]

    (argument,) = (await api.get("get_retries_entry", first))["edit_args"]
    await api.act("edit_retries_entry", first, body={"changes": {"args": [{**argument, "to": "eve"}]}})
    lost = await api.call("edit_retries_entry", second, body={"changes": {"args": [{"token": "***"}]}})

    assert "t-1" not in argument.values()
    assert json.loads(site.queue()[0])["args"] == [{"token": "t-1", "to": "eve"}]
    assert lost.status_code == 422
    assert site.client.zcard("retry") == 1


async def test_running_jobs_that_match_are_called_off(app, api, site):
    begun = asyncio.Semaphore(0)

    @app.job
    async def wait_for_ever(number: int) -> None:
        begun.release()
        await asyncio.Event().wait()

    async def shown():
        return [each["job"]["args"] for each in (await api.get("list_running_jobs", text="wait"))["jobs"]]

    async with app.worker(concurrency=2):
        await wait_for_ever.enqueue_many([(1,), (2,)])
        await begun.acquire()
        await begun.acquire()
        await eventually(lambda: shown_all(shown), within=30)
        outcome = await api.act("cancel_all_running_jobs", body={"filter": {"class": wait_for_ever.name}})
        none = await api.act("cancel_all_running_jobs", body={"filter": {"class": "Other"}})

    assert (outcome["done"], outcome["goes_on"], none["done"]) == (2, None, 0)


async def shown_all(shown):
    return len(await shown()) == 2


async def test_running_jobs_are_called_off_by_their_keys_and_no_others(app, api, site):
    begun, ended = asyncio.Semaphore(0), []

    @app.job
    async def wait_for_ever(number: int) -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async with app.worker(concurrency=3, timeout=0.1):
        jids = [str(await wait_for_ever.enqueue(number)) for number in range(3)]
        for _ in jids:
            await begun.acquire()

        async def listed():
            keys = [each["job"]["key"] for each in (await api.get("list_running_jobs"))["jobs"]]
            return keys if len(keys) == 3 else None

        keys = await eventually(listed, within=30)
        outcome = await api.act("cancel_running_jobs", body={"keys": [*jids[:2], "nobody"]})
        await eventually(lambda: sorted(ended) == [0, 1], within=15)
        again = await api.act("cancel_running_jobs", body={"keys": jids[:1]})

    assert sorted(keys) == sorted(jids)
    assert (outcome["done"], outcome["gone"], outcome["goes_on"]) == (2, 1, None)
    assert (again["done"], again["gone"]) == (0, 1)


async def test_calling_off_many_goes_on_where_time_was_up(api, monkeypatch):
    monkeypatch.setattr("sidelong.web.bounded._WITHIN", 0.0)

    body, parts = {"keys": ["c", "a", "b"]}, []
    while not parts or parts[-1]["goes_on"]:
        parts.append(await api.act("cancel_running_jobs", body=body))
        body["after"] = parts[-1]["goes_on"]

    assert [part["goes_on"] for part in parts] == ["a", "b", None]
    assert [part["gone"] for part in parts] == [1, 1, 1]


async def test_a_job_that_waits_is_changed_and_replaced_behind_all_others(api, site):
    for number in range(4):
        site.push_raw(job(number))
    site.push_raw(b"no job")
    listed = {each["jid"]: each for each in (await api.get("list_queued_jobs", "default"))["jobs"]}
    first, second = f"{0:024x}", f"{1:024x}"

    await api.act("edit_queued_job", "default", first, body={"changes": {"args": ["new"]}})
    await api.act("edit_queued_job", "default", second, body={"changes": {"queue": "low"}})
    mended = {"class": "B", "args": [], "jid": "b", "queue": "default"}
    await api.act("replace_queued_job", "default", write_segment(listed[""]["key"]), body={"item": mended})

    waiting = [json.loads(raw) for raw in site.queue()[::-1]]
    assert [item["args"] for item in waiting] == [[2], [3], ["new"], []]
    assert [json.loads(raw)["args"] for raw in site.queue("low")] == [[1]]
    assert waiting[2]["jid"] == first


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("edit_queued_job", {"changes": {"args": "no list"}}, 422),
        ("edit_queued_job", {"changes": {"args": ["*** hidden 9"]}}, 422),
        ("edit_queued_job", {"changes": {"queue": ""}}, 422),
        ("edit_queued_job", {"changes": {"queue": "odd"}}, 409),
        ("edit_queued_job", {}, 400),
        ("replace_queued_job", {"item": {"class": "A", "args": []}}, 422),
    ],
)
async def test_a_waiting_job_that_cannot_be_so_stays_as_it_is(name, body, status, api, site):
    site.push_raw(job(0, args=[{"token": "t-1"}]))
    site.client.set("queue:odd", "x")
    before = site.state()

    answer = await api.call(name, "default", "0" * 24, body=body)

    assert answer.status_code == status
    assert answer.json()["detail"]
    redis_state.assert_same(before, site.state())
    site.client.delete("queue:odd")


async def test_a_waiting_job_that_is_not_there_is_not_found(api, site, monkeypatch):
    for number in range(800):
        site.push_raw(job(number))
    body = {"changes": {"args": []}}

    gone = await api.call("edit_queued_job", "default", "nobody", body=body)
    monkeypatch.setattr("sidelong.web.actions.queued._WITHIN", 0.0)
    unfound = await api.call("edit_queued_job", "default", f"{0:024x}", body=body)
    found = await api.call("edit_queued_job", "default", f"{0:024x}", query={"at": 799}, body=body)

    assert (gone.status_code, unfound.status_code, found.status_code) == (404, 404, 200)
    assert "no time to look" in unfound.json()["detail"]


async def test_what_a_middleware_raises_is_told(app, api, site):
    @app.client_middleware
    async def refuse(item, call_next):
        raise RuntimeError("not today")

    seed(site, "retry", 1)
    site.push_raw(job(0))

    for answer in (
        await api.call("edit_retries_entry", "5.5-" + "0" * 24, body={"changes": {"args": []}}),
        await api.call("edit_queued_job", "default", "0" * 24, body={"changes": {"args": []}}),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (422, "RuntimeError: not today")
    assert (site.client.zcard("retry"), site.queue()) == (1, [job(0)])
