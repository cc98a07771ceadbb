import json
import time

from sidelong.web.api.endpoint import PREFIX
from sidelong.web.api.table import ENDPOINTS
from tests.integration.web.api.support import SETS, seed
from tests.integration.web.test_busy import SELF, process
from tests.integration.web.test_lists import job


def test_every_address_below_api_is_an_endpoint_and_is_named_once(pages):
    routes = {(route.method, route.path) for route in pages._transport.app._routes if route.path.startswith(PREFIX)}

    assert routes == {(each.method, f"{PREFIX}{each.path}") for each in ENDPOINTS}
    assert len({each.name for each in ENDPOINTS}) == len(ENDPOINTS) == len(routes)


async def test_every_endpoint_is_described_and_nothing_else(api):
    described = {(method, path) for method, path, _ in api.operations.values()}

    assert described == {(each.method, each.path) for each in ENDPOINTS}
    for _, _, operation in api.operations.values():
        assert operation["summary"].endswith(".")
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith(".")
    for name, schema in api.document["components"]["schemas"].items():
        assert schema["description"].endswith("."), name
        for field, value in schema["properties"].items():
            assert value["description"].endswith("."), (name, field)


async def test_every_address_answers_as_it_is_described(api, site):
    site.push_raw(job(1), "low")
    site.push_raw(job(2), "low")
    process(site)
    running = {"queue": "low", "run_at": time.time(), "payload": job(7).decode()}
    site.client.hset(f"{SELF}:work", "t1", json.dumps(running))
    site.client.expire(f"{SELF}:work", 60)
    # Not so long ago: each insertion drops dead jobs that are old.
    now = int(time.time())
    for name in SETS.values():
        seed(site, name, 20, first=now - 1000)
    # What is asked of each, in an order in which it is there.
    (queued,) = (await api.get("list_queued_jobs", "low", count=1))["jobs"]
    parts = {"queue": "low", "job": queued["key"], "process": SELF, "jid": f"{7:024x}", "class": "Shop::Charge"}
    parts["key"] = "retry"
    changes = {"reschedule": {"at": "2030-01-01T00:00:00Z"}, "edit": {"changes": {"args": [9]}}}
    changes["replace"] = {"item": {"class": "A", "args": [], "queue": "low", "jid": "new"}}

    for each in sorted(ENDPOINTS, key=lambda each: ("-all" in each.path, "delete" in each.path, "clear" in each.path)):
        section = each.path.split("/")[1]
        body = None
        if section in SETS:
            entry = (await api.get(f"list_{section}", count=1))["jobs"][0]
            parts["entry"] = entry["key"]
        if each.body is not None:
            last = each.path.rpartition("/")[2]
            keys = {"keys": [queued["key"] if section == "queues" else entry["key"]]}
            body = {"filter": {}} if last.endswith("-all") else changes.get(last, keys)
        if each.name == "cancel_job":
            site.push_raw(job(7), "low")
        if each.name == "stream_figures":
            continue
        names = [parts[part["name"]] for part in api.operations[each.name][2]["parameters"] if part["in"] == "path"]
        answer = await api.call(each.name, *names, body=body)
        assert answer.status_code == 200, (each.name, answer.text)
        if "-all" in each.path and section in SETS:
            seed(site, SETS[section], 5, first=now)
    assert api.called | {"stream_figures"} == set(api.operations)
    site.client.delete(f"{SELF}:work", "paused")


async def test_figures_are_streamed_as_the_description_has_them(api, pages, site, monkeypatch):
    site.client.set("stat:processed", 5)
    monkeypatch.setattr("sidelong.web.events._STREAM_FOR", 0.1)

    answer = await pages.get("/api/stats/stream")
    (first, *_) = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first.keys() == (await api.get("get_figures")).keys()
    assert first["processed"] == 5
