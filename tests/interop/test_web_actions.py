"""Every form of Ruby's Web UI over jobs that are written here (wire-format §18, F29)."""

import json
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import DeadSet, RetrySet, ScheduledSet
from tests.interop.ruby import Run

pytestmark = pytest.mark.allow_any_keys

SETS = {"retry": RetrySet, "dead": DeadSet, "schedule": ScheduledSet}
NUMBERS = {"retry": [1, 2, 3], "dead": [4, 5, 6], "schedule": [7, 8, 9], "queue:default": [10, 11, 12]}
SCORE = 1795217202.330885
"""That of job 0; the others follow a second apart."""


def jid(number: int) -> str:
    return f"{number:024}"


def key(number: int) -> str:
    return f"{SCORE + number}-{jid(number)}"


@pytest.fixture
async def written(app: Sidelong, redis_client: redis.Redis) -> Sidelong:
    """Three jobs in each set and in a queue, written here, with numbers as arguments."""
    # The dead set drops what is too old: these died a moment ago, whatever the calendar says.
    async with app:
        for name, jobs in SETS.items():
            for number in NUMBERS[name]:
                item: dict[str, Any] = {
                    "class": "Noted",
                    "args": [number, "é", 1e-05, {"a": None}],
                    "jid": jid(number),
                    "queue": "default",
                    "retry": True,
                    "created_at": 1795217165.25,
                }
                if name != "schedule":
                    item |= {"retry_count": 1, "failed_at": 1795217165.5, "retried_at": 1795217166.5}
                    item |= {
                        "error_class": "Boom",
                        "error_message": "é",
                        "error_backtrace": "eJyLVipWKEvMKU1VigUAFpsDfA==",
                    }
                await jobs(app).schedule(SCORE + number, item)
        for number in NUMBERS["queue:default"]:
            await app.client.push({"class": "Noted", "args": [number, "é", 1e-05, {"a": None}], "jid": jid(number)})
    return app


def found(client: redis.Redis) -> dict[str, list[int]]:
    """Return the numbers of the jobs in each place, in the order in which they come to be run; ids must be right."""
    places: dict[str, list[int]] = {}
    for place in NUMBERS:
        raws = client.lrange(place, 0, -1)[::-1] if place.startswith("queue:") else client.zrange(place, 0, -1)
        items = [json.loads(raw) for raw in raws]
        assert all(item["jid"] == jid(item["args"][0]) for item in items)
        assert all(item["args"][1:] == ["é", 1e-05, {"a": None}] for item in items)
        places[place] = [item["args"][0] for item in items]
    return places


QUEUED = NUMBERS["queue:default"]
FORMS = [
    ("/retries/{2}", {"retry": "Retry"}, {"retry": [1, 3], "queue:default": [*QUEUED, 2]}),
    ("/retries/{2}", {"delete": "Delete"}, {"retry": [1, 3]}),
    ("/retries/{2}", {"kill": "Kill"}, {"retry": [1, 3], "dead": [4, 5, 6, 2]}),
    ("/retries", {"key": [1, 3], "retry": "Retry"}, {"retry": [2], "queue:default": [*QUEUED, 1, 3]}),
    ("/retries", {"key": [1, 3], "delete": "Delete"}, {"retry": [2]}),
    ("/retries", {"key": [1, 3], "kill": "Kill"}, {"retry": [2], "dead": [4, 5, 6, 1, 3]}),
    ("/retries/all/retry", {}, {"retry": [], "queue:default": [*QUEUED, 1, 2, 3]}),
    ("/retries/all/delete", {}, {"retry": []}),
    ("/retries/all/kill", {}, {"retry": [], "dead": [4, 5, 6, 1, 2, 3]}),
    ("/scheduled/{8}", {"add_to_queue": "Add"}, {"schedule": [7, 9], "queue:default": [*QUEUED, 8]}),
    ("/scheduled/{8}", {"delete": "Delete"}, {"schedule": [7, 9]}),
    ("/scheduled", {"key": [7, 9], "add_to_queue": "Add"}, {"schedule": [8], "queue:default": [*QUEUED, 7, 9]}),
    ("/scheduled", {"key": [7, 9], "delete": "Delete"}, {"schedule": [8]}),
    ("/morgue/{5}", {"retry": "Retry"}, {"dead": [4, 6], "queue:default": [*QUEUED, 5]}),
    ("/morgue/{5}", {"delete": "Delete"}, {"dead": [4, 6]}),
    ("/morgue", {"key": [4, 6], "retry": "Retry"}, {"dead": [5], "queue:default": [*QUEUED, 4, 6]}),
    ("/morgue", {"key": [4, 6], "delete": "Delete"}, {"dead": [5]}),
    ("/morgue/all/retry", {}, {"dead": [], "queue:default": [*QUEUED, 4, 5, 6]}),
    ("/morgue/all/delete", {}, {"dead": []}),
    ("/queues/default/delete", {"key_val": 11}, {"queue:default": [10, 12]}),
    ("/queues/default", {"delete": "Delete"}, {"queue:default": []}),
]


@pytest.mark.parametrize(("path", "form", "changed"), FORMS)
async def test_a_form_of_ruby_does_what_it_says(
    path: str,
    form: dict[str, Any],
    changed: dict[str, list[int]],
    written: Sidelong,
    run: Run,
    redis_client: redis.Redis,
) -> None:
    address = path.format(*map(key, range(13)))
    sent = dict(form)
    if "key" in form:
        sent["key"] = [key(number) for number in form["key"]]
    if "key_val" in form:
        raws = redis_client.lrange("queue:default", 0, -1)
        sent["key_val"] = next(raw for raw in raws if json.loads(raw)["jid"] == jid(form["key_val"])).decode()

    status = await run("browse(given['path'], given['form']).status", path=address, form=sent)

    after = found(redis_client)
    assert status == 302
    # Those that are retried or killed together come in the order in which Ruby took them.
    assert {place: sorted(numbers) for place, numbers in after.items()} == {
        place: sorted(changed.get(place, numbers)) for place, numbers in NUMBERS.items()
    }
    assert after["queue:default"][: len(QUEUED)] == QUEUED or "queue:default" in changed
    # Nothing else is there that was not before.
    assert {name.decode() for name in redis_client.keys("*")} <= {*NUMBERS, "queues"}


@pytest.mark.parametrize(("form", "signal"), [({"quiet": "Quiet"}, b"TSTP"), ({"stop": "Stop"}, b"TERM")])
@pytest.mark.parametrize("is_one", [True, False])
async def test_processes_are_told_by_forms_of_ruby(
    form: dict[str, str], signal: bytes, is_one: bool, app: Sidelong, run: Run, redis_client: redis.Redis
) -> None:
    identity = "box:7:0123456789ab"
    redis_client.sadd("processes", identity)
    info = {"hostname": "box", "pid": 7, "queues": ["default"], "identity": identity, "concurrency": 1, "labels": []}
    fields = {"info": json.dumps({**info, "started_at": 1795217165.5, "tag": ""}), "busy": 0, "quiet": "false"}
    redis_client.hset(identity, mapping={**fields, "beat": redis_client.time()[0], "rss": 1, "rtt_us": 1})

    sent = {**form, "identity": identity} if is_one else form
    status = await run("browse('/busy', given['form']).status", form=sent)

    assert status == 302
    assert redis_client.lrange(f"{identity}-signals", 0, -1) == [signal]
