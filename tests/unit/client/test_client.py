import json
import logging
import time

import pytest

from sidelong import (
    ArgumentError,
    ConfigurationError,
    JobClass,
    JobRef,
    NotEnqueued,
    PayloadTooLargeError,
    Sidelong,
)


async def test_push_adds_what_is_missing_and_keeps_what_is_given(app, pusher):
    jid = await app.client.push(
        {"class": "HardJob", "args": [1, 2], "jid": "mine", "created_at": 1.5, "custom": {"a": 1}}
    )

    payload = pusher.payload
    assert jid == "mine"
    assert list(payload) == [
        "retry", "queue", "class", "args", "jid", "created_at", "custom", "enqueued_at",
    ]  # fmt: skip
    assert payload["retry"] is True
    assert payload["queue"] == "default"
    assert payload["created_at"] == 1.5
    assert payload["custom"] == {"a": 1}


async def test_a_string_class_takes_the_global_defaults_only(store, pusher):
    app = Sidelong("redis://nowhere", default_job_options={"retry": 2, "tags": ["all"]}, store=store)

    @app.job(queue="mail", name="Mail")
    async def mail(): ...

    await app.client.push({"class": "Mail", "args": []})
    await app.client.push({"class": mail, "args": []})
    await app.client.push({"class": mail, "args": [], "queue": "other"})

    assert [(p["queue"], p["retry"], p["tags"]) for p in pusher.payloads] == [
        ("default", 2, ["all"]),
        ("mail", 2, ["all"]),
        ("other", 2, ["all"]),
    ]


async def test_enqueue_by_name_takes_options(app, pusher):
    await app.enqueue("HardJob", 1, 2, queue="ruby", retry=False, tags=("vip",), jid="mine", expires_in=5)

    payload = pusher.payload
    assert (payload["class"], payload["args"], payload["queue"]) == ("HardJob", [1, 2], "ruby")
    assert (payload["retry"], payload["tags"], payload["jid"]) == (False, ["vip"], "mine")
    assert payload["expires_in"] == 5
    with pytest.raises(ConfigurationError, match="retry must be"):
        await app.enqueue("HardJob", retry="often")


async def test_enqueue_by_name_returns_a_reference(app, pusher):
    ref = await app.enqueue("HardJob")

    assert ref == JobRef(pusher.payload["jid"])
    assert str(ref) == pusher.payload["jid"]


async def test_enqueue_by_name_takes_the_options_of_a_job_that_is_registered(app, pusher):
    @app.job(name="Mail", aliases=["OldMail"], queue="mail", retry=2, tags=["t"])
    async def mail(user_id, greeting="x"): ...

    @app.job(name="Order", queue="high")
    class Order(JobClass):
        async def perform(self, order_id): ...

    await app.enqueue("Mail", 1)
    await app.enqueue("OldMail", 1, "y", queue="other")
    await app.enqueue(mail, 1, retry=False)
    await app.enqueue(mail.with_options(queue="low"), 1)
    await app.enqueue("Order", 1, jid="mine")
    await app.enqueue(Order, 1, at=9e9)

    seen = [(p["class"], p["queue"], p["retry"], p.get("tags")) for p in pusher.payloads]
    assert seen == [
        ("Mail", "mail", 2, ["t"]),
        ("Mail", "other", 2, ["t"]),
        ("Mail", "mail", False, ["t"]),
        ("Mail", "low", 2, ["t"]),
        ("Order", "high", True, None),
        ("Order", "high", True, None),
    ]
    assert pusher.payloads[4]["jid"] == "mine"
    assert pusher.pushes[5].at == 9e9


async def test_enqueue_by_name_binds_the_arguments_of_a_job_that_is_registered(app, pusher):
    @app.job(name="Mail")
    async def mail(user_id): ...

    with pytest.raises(TypeError, match="Mail: missing a required argument: 'user_id'"):
        await app.enqueue("Mail")
    with pytest.raises(TypeError, match=r"Mail: too many positional arguments; it takes user_id$"):
        await app.enqueue(mail, 1, 2)

    assert pusher.pushes == []


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        (["HardJob"], TypeError, "a job must be a dict with 'class' and 'args', not list"),
        ({"args": []}, ValueError, "a job must be a dict with 'class' and 'args'"),
        ({"class": "A"}, ValueError, "a job must be a dict with 'class' and 'args'"),
        ({"class": "A", "args": "ab"}, TypeError, "'args' must be a list, not str"),
        ({"class": "A", "args": {}}, TypeError, "'args' must be a list, not dict"),
        ({"class": 5, "args": []}, TypeError, "'class' must be a registered job"),
        ({"class": "", "args": []}, ValueError, "'class' must not be empty"),
        ({"class": "A", "args": [], "at": "soon"}, TypeError, "'at' must be a number"),
        ({"class": "A", "args": [], "at": float("nan")}, ValueError, "finite"),
        ({"class": "A", "args": [], "at": float("inf")}, ValueError, "finite"),
        ({"class": "A", "args": [], "at": float("-inf")}, ValueError, "finite"),
        ({"class": "A", "args": [], "at": 1e12}, ValueError, "9999"),
        ({"class": "A", "args": [], "at": 10**400}, ValueError, "finite"),
        ({"class": "A", "args": [], "tags": "x"}, TypeError, "'tags' must be a list"),
        ({"class": "A", "args": [], "queue": ""}, ValueError, "must have a queue name"),
        ({"class": "A", "args": [], "queue": "a b"}, ValueError, "not a queue name"),
        ({"class": "A", "args": [], "jid": ""}, ValueError, "'jid'"),
        ({"class": "A", "args": [], "jid": "*"}, ValueError, "'jid'"),
        ({"class": "A", "args": [], "jid": 5}, TypeError, "'jid'"),
        ({"class": "A", "args": [], 5: 1}, TypeError, "keys must all be strings"),
        ({"class": "A", "args": [{1}]}, ArgumentError, r"args\[0\] is of type set"),
        ({"class": "A", "args": [], "extra": {1}}, ValueError, "extra"),
    ],
)
async def test_push_refuses_what_is_no_job(app, pusher, item, error, words):
    with pytest.raises(error, match=words):
        await app.client.push(item)

    assert pusher.pushes == []


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 10**400, [1.0, float("nan")]])
async def test_a_bulk_push_refuses_times_that_never_come(app, pusher, at):
    with pytest.raises(ValueError, match="finite"):
        await app.client.push_bulk({"class": "A", "args": [[1], [2]], "at": at})

    assert pusher.pushes == []


async def test_push_schedules_what_lies_ahead_and_enqueues_what_is_due(app, pusher):
    ahead = time.time() + 1000

    await app.client.push({"class": "A", "args": [], "at": ahead, "enqueued_at": 1.0})
    await app.client.push({"class": "A", "args": [], "at": 5})

    scheduled, due = pusher.payloads
    assert [push.at for push in pusher.pushes] == [ahead, None]
    assert "enqueued_at" not in scheduled
    assert "enqueued_at" in due
    assert "at" not in scheduled | due


async def test_middleware_may_change_stop_or_replace_a_push(app, pusher):
    @app.client_middleware
    async def act(job, call_next):
        match job["class"]:
            case "Stop":
                return None
            case "Move":
                job["queue"] = "elsewhere"
                return await call_next()
            case "Forgetful":
                await call_next()
                return None
            case _:
                return await call_next({**job, "class": "Other"})

    stopped = await app.enqueue("Stop")
    moved = await app.enqueue("Move")
    forgotten = await app.enqueue("Forgetful")
    await app.enqueue("Replaced")

    assert stopped is None
    assert [payload["class"] for payload in pusher.payloads] == ["Move", "Forgetful", "Other"]
    assert [push.jid for push in pusher.pushes[:2]] == [str(moved), str(forgotten)]
    assert pusher.pushes[0].queue == "elsewhere"


async def test_arguments_are_checked_after_the_middleware(app, pusher):
    @app.client_middleware
    async def encode(job, call_next):
        job["args"] = [str(argument) for argument in job["args"]]
        return await call_next()

    await app.enqueue("A", {1})

    assert pusher.payload["args"] == ["{1}"]


@pytest.mark.parametrize("change", [{"queue": "a b"}, {"args": "x"}, {"class": None}, {"jid": ""}])
async def test_refuses_a_payload_that_middleware_has_spoiled(app, pusher, change):
    @app.client_middleware
    async def spoil(job, call_next):
        return await call_next({**job, **change})

    with pytest.raises((TypeError, ValueError)):
        await app.enqueue("A")

    assert pusher.pushes == []


async def test_a_middleware_that_tags_one_job_leaves_the_others_alone(app, pusher):
    @app.client_middleware
    async def tag(job, call_next):
        job["tags"].append(str(job["args"][0]))
        return await call_next()

    @app.job(tags=["t"])
    async def work(number): ...

    await work.enqueue(1)
    await work.enqueue_many([(2,), (3,)])

    assert [payload["tags"] for payload in pusher.payloads] == [["t", "1"], ["t", "2"], ["t", "3"]]


async def test_refuses_a_large_payload_and_warns_of_a_big_one(store, pusher, caplog):
    app = Sidelong("redis://nowhere", store=store, payload_warn=1000, payload_limit=2000)

    with caplog.at_level(logging.WARNING, "sidelong"):
        await app.enqueue("A", "x" * 500)
        await app.enqueue("A", "x" * 1000)
    with pytest.raises(PayloadTooLargeError, match="payload_limit"):
        await app.enqueue("A", "x" * 2000)

    assert len(pusher.pushes) == 2
    assert len(caplog.records) == 1
    assert "store the data elsewhere" in caplog.text


async def test_warns_once_of_integers_that_others_may_round(app, pusher, caplog):
    with caplog.at_level(logging.WARNING, "sidelong"):
        await app.enqueue("A", 2**53)
        await app.enqueue("A", [{"id": 2**53 + 1}])
        await app.enqueue("A", -(2**60))

    assert len(caplog.records) == 1
    assert [payload["args"][0] for payload in pusher.payloads][2] == -(2**60)


async def test_push_bulk_returns_a_list_parallel_to_the_arguments(app, pusher):
    @app.client_middleware
    async def drop_odd(job, call_next):
        return None if job["args"][0] % 2 else await call_next()

    jids = await app.client.push_bulk({"class": "A", "args": [[0], [1], [2]], "queue": "q"})

    assert jids == [pusher.pushes[0].jid, None, pusher.pushes[1].jid]
    assert [payload["args"] for payload in pusher.payloads] == [[0], [2]]
    assert pusher.trips == [2]


async def test_push_bulk_slices_scheduled_jobs_smaller(app, pusher):
    await app.client.push_bulk({"class": "A", "args": [[n] for n in range(250)], "at": time.time() + 99})
    await app.client.push_bulk({"class": "A", "args": [[n] for n in range(30)]}, batch_size=20)

    assert pusher.trips == [100, 100, 50, 20, 10]


async def test_push_bulk_of_nothing_pushes_nothing(app, pusher):
    assert await app.client.push_bulk({"class": "A", "args": []}) == []
    assert pusher.trips == []


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"class": "A", "args": [[1], 2]}, "element 1: each job of a bulk push must be a list"),
        ({"class": "A", "args": [[1], [0, {2}]]}, r"element 1: args\[1\] is of type set"),
        ({"class": "A", "args": [[1], ["x" * 10_000_000]]}, "element 1: the payload of A has"),
        ({"class": "A", "args": "ab"}, "iterable of argument lists"),
        ({"class": "A"}, "iterable of argument lists"),
        ({"class": "A", "args": [[1], [2]], "jid": "x"}, "only with one job"),
        ({"class": "A", "args": [[1]], "at": 5, "spread_interval": 5}, "only one of"),
        ({"class": "A", "args": [[1], [2]], "at": [5.0]}, "one time for each job"),
        ([], "a job must be a dict"),
    ],
)
async def test_push_bulk_refuses_what_cannot_work(app, pusher, items, words):
    with pytest.raises((TypeError, ValueError), match=words):
        await app.client.push_bulk(items)

    assert pusher.pushes == []


async def test_push_bulk_takes_an_explicit_jid_for_one_job(app, pusher):
    assert await app.client.push_bulk({"class": "A", "args": [[1]], "jid": "mine"}) == ["mine"]


async def test_each_job_of_a_bulk_push_has_its_own_time_unless_one_is_given(app, pusher):
    await app.client.push_bulk({"class": "A", "args": [[1], [2]]})
    await app.client.push_bulk({"class": "A", "args": [[3]], "created_at": 5.5})

    first, second, third = pusher.payloads
    assert first["created_at"] <= second["created_at"]
    assert third["created_at"] == 5.5
    assert len({first["jid"], second["jid"], third["jid"]}) == 3


async def test_a_failed_push_reaches_the_caller(app, pusher):
    pusher.failures = [NotEnqueued("Redis is away", ["a"])]

    with pytest.raises(NotEnqueued, match="away"):
        await app.enqueue("A")


async def test_promote_runs_the_middleware_and_stamps_the_payload(app):
    @app.client_middleware
    async def act(job, call_next):
        if job["class"] == "Stop":
            return None
        if job["class"] == "Fail":
            raise LookupError
        return await call_next({**job, "seen": True})

    item = {"class": "A", "args": [], "queue": "q", "jid": "a", "at": 5.0, "unknown": 1}

    promoted = await app.client.promote(item)
    stopped = await app.client.promote(item | {"class": "Stop"})
    with pytest.raises(LookupError):
        await app.client.promote(item | {"class": "Fail"})

    assert promoted.pop("enqueued_at") <= time.time()
    assert promoted == {"class": "A", "args": [], "queue": "q", "jid": "a", "unknown": 1, "seen": True}
    assert stopped is None


async def test_timestamps_are_floats_even_on_a_full_second(app, pusher):
    class FullSecond:
        def now(self):
            return 1795217257.0

        def monotonic(self):
            return 0.0

    app.client.clock = FullSecond()

    await app.enqueue("A")

    assert b'"created_at":1795217257.0,"enqueued_at":1795217257.0}' in pusher.pushes[0].raw
    assert json.loads(pusher.pushes[0].raw)
