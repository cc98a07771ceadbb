"""What an operator does with one entry, and what others do to it at the same time."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sidelong import Sidelong
from sidelong.api import DeadSet, Entry, JobSet, RetrySet, ScheduledSet
from sidelong.errors import ArgumentError, InvalidPayloadError, NotEnqueued, PayloadTooLargeError, Refused, ReplyLost
from tests.integration.worker.site import Site, payload
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer

VERBS: dict[str, Callable[[Entry], Any]] = {
    "delete": lambda entry: entry.delete(),
    "reschedule": lambda entry: entry.reschedule(9e9),
    "add_to_queue": lambda entry: entry.add_to_queue(),
    "retry": lambda entry: entry.retry(),
    "kill": lambda entry: entry.kill(),
    "edit": lambda entry: entry.edit({"args": [2]}),
}
SCORE = 1795217202.330885


async def only(job_set: JobSet) -> Entry:
    (entry,) = [entry async for entry in job_set]
    return entry


async def seeded(site: Site, app: Sidelong, raw: bytes | None = None, score: float = SCORE) -> Entry:
    site.client.zadd("retry", {payload("Note", 1, retry_count=2) if raw is None else raw: score})
    return await only(RetrySet(app))


async def test_delete_removes_exactly_this_entry(site: Site, app: Sidelong) -> None:
    twin = payload("Note", 1, retry_count=2, more=True)
    site.client.zadd("retry", {twin: SCORE})
    site.client.zadd("retry", {payload("Note", 1): SCORE})
    (entry,) = [entry async for entry in RetrySet(app) if entry.value != twin]

    assert await entry.delete()
    assert site.client.zrange("retry", 0, -1) == [twin]


async def test_reschedule_changes_the_score_and_nothing_else(site: Site, app: Sidelong) -> None:
    raw = b'{"class": "Note", "args": [1e-05, "\\u00e9"]}'
    entry = await seeded(site, app, raw)

    assert await entry.reschedule(1893456000.125)
    assert site.client.zrange("retry", 0, -1, withscores=True) == [(raw, 1893456000.125)]
    assert await entry.reschedule(datetime(2030, 1, 1, tzinfo=UTC))
    assert site.client.zrange("retry", 0, -1, withscores=True) == [(raw, 1893456000.0)]
    assert entry.score == 1893456000.0
    for wrong in (float("nan"), float("inf"), 1e15, datetime(2030, 1, 1)):
        with pytest.raises(ValueError, match="time"):
            await entry.reschedule(wrong)
    with pytest.raises(TypeError):
        await entry.reschedule("soon")  # type: ignore[arg-type]


@pytest.mark.parametrize(("verb", "count"), [("retry", 1), ("add_to_queue", 2)])
async def test_a_job_enters_its_queue_as_a_due_one_does(site: Site, app: Sidelong, verb: str, count: int) -> None:
    entry = await seeded(site, app, payload("Note", 1, queue="low", retry_count=2, at=5.0, more={"é": [None]}))

    assert await VERBS[verb](entry)

    (raw,) = site.queue("low")
    item = json.loads(raw)
    assert abs(site.seconds_until(item.pop("enqueued_at"))) < 60
    expected = {key: value for key, value in json.loads(entry.value).items() if key not in ("at", "enqueued_at")}
    assert item == {**expected, "retry_count": count}
    assert site.client.smembers("queues") == {b"low"}
    assert site.client.zcard("retry") == 0


async def test_the_count_of_retries_may_fall_below_zero_and_is_not_invented(site: Site, app: Sidelong) -> None:
    site.client.zadd("dead", {payload("Note", 1, retry_count=0): 1.0, payload("Note", 2): 2.0})

    assert [await entry.retry() async for entry in DeadSet(app)] == [True, True]
    assert {(item["args"][0], item.get("retry_count")) for item in map(json.loads, site.queue())} == {
        (1, -1),
        (2, None),
    }


@pytest.mark.parametrize("raw", [payload("Note", 1), b"no json", b"\xff", b"[1]", b""])
async def test_kill_moves_the_exact_bytes_and_tells_the_handlers_of_a_job(
    site: Site, app: Sidelong, raw: bytes
) -> None:
    told: list[tuple[dict[str, Any], BaseException]] = []

    @app.death_handler
    async def note(job: dict[str, Any], error: BaseException) -> None:
        told.append((job, error))
        raise LookupError("a handler that fails does no harm")

    entry = await seeded(site, app, raw)

    assert await entry.kill()
    ((member, score),) = site.client.zrange("dead", 0, -1, withscores=True)
    assert member == raw
    assert -60 < site.seconds_until(score) <= 0
    assert site.client.zcard("retry") == 0
    assert [(job, str(error)) for job, error in told] == (
        [(json.loads(raw), "killed by an operator")] if raw.startswith(b"{") else []
    )


async def test_killing_what_is_dead_makes_it_the_latest_death(site: Site, app: Sidelong) -> None:
    site.client.zadd("dead", {b"{}": site.client.time()[0] - 100})

    assert await (await only(DeadSet(app))).kill()
    assert -60 < site.seconds_until(site.client.zscore("dead", b"{}")) <= 0


async def test_a_kill_trims_the_dead_set(site: Site) -> None:
    async with site.app(dead_max_jobs=3) as app:
        now = site.client.time()[0]
        site.client.zadd("dead", {b"1": now - 3, b"2": now - 2})

        assert await (await seeded(site, app)).kill()
        assert site.client.zrange("dead", 0, -1) == [b"2", payload("Note", 1, retry_count=2)]


async def test_edit_changes_fields_and_enqueues(site: Site, app: Sidelong) -> None:
    entry = await seeded(site, app, payload("Note", 1, retry_count=2, tags=["a"]))

    assert await entry.edit({"args": [1e-5, "é"], "queue": "low", "class": "Other"})

    (raw,) = site.queue("low")
    item = json.loads(raw)
    assert b'"args":[1.0e-05,"\xc3\xa9"]' in raw
    assert (item["class"], item["retry_count"], item["tags"]) == ("Other", 1, ["a"])
    assert item["jid"] == entry.jid
    assert site.client.zcard("retry") == 0


async def test_edit_mends_what_is_no_json(site: Site, app: Sidelong) -> None:
    entry = await seeded(site, app, b"{broken")

    with pytest.raises(InvalidPayloadError, match="whole item"):
        await entry.edit({"args": [1]})
    assert await entry.edit(item={"class": "Note", "args": [1], "queue": "low", "jid": "b" * 24})
    assert json.loads(site.queue("low")[0])["args"] == [1]
    assert site.client.zcard("retry") == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"args": [object()]}, ArgumentError),
        ({"args": [float("nan")]}, ArgumentError),
        ({"args": 7}, TypeError),
        ({"queue": "no good"}, ValueError),
        ({"class": ""}, ValueError),
        ({"jid": "*"}, ValueError),
        ({"more": object()}, ValueError),
    ],
)
async def test_an_edit_that_a_push_would_refuse_leaves_the_entry(
    site: Site, app: Sidelong, changes: dict[str, Any], error: type[Exception]
) -> None:
    entry = await seeded(site, app)
    before = site.state()

    with pytest.raises(error):
        await entry.edit(changes)
    assert site.state() == before


async def test_an_edit_may_not_pass_the_limit_of_payloads(site: Site) -> None:
    async with site.app(payload_limit=1000, payload_warn=500) as app:
        entry = await seeded(site, app)

        with pytest.raises(PayloadTooLargeError, match="payload_limit"):
            await entry.edit({"args": ["x" * 1000]})
        assert site.client.zcard("retry") == 1


async def test_an_edit_needs_something_to_change(site: Site, app: Sidelong) -> None:
    entry = await seeded(site, app)

    with pytest.raises(TypeError, match="either"):
        await entry.edit()
    with pytest.raises(TypeError, match="either"):
        await entry.edit({}, item={})


@pytest.mark.parametrize("raw", [b"no json", b"[1]", b"\xff", b"", b'{"queue":"","class":"Note","args":[]}'])
async def test_what_is_no_job_can_be_deleted_but_not_enqueued(site: Site, app: Sidelong, raw: bytes) -> None:
    entry = await seeded(site, app, raw)

    for verb in ("retry", "add_to_queue"):
        with pytest.raises(InvalidPayloadError, match=r"no job|no queue"):
            await VERBS[verb](entry)
    assert site.client.zrange("retry", 0, -1) == [raw]
    assert await entry.delete()
    assert site.client.zcard("retry") == 0


@pytest.mark.parametrize("verb", ["retry", "add_to_queue", "edit"])
async def test_what_client_middleware_stops_or_fails_at_stays(site: Site, app: Sidelong, verb: str) -> None:
    ways: list[Callable[[dict[str, Any]], Any]] = []

    @app.client_middleware
    async def gate(job: dict[str, Any], call_next: Any) -> Any:
        return ways[-1](job)

    def fail(job: dict[str, Any]) -> None:
        job["args"].append("spoilt")
        raise LookupError("no")

    entry = await seeded(site, app)
    before = site.state()

    ways.append(lambda job: None)
    with pytest.raises(NotEnqueued, match="stopped") as caught:
        await VERBS[verb](entry)
    assert caught.value.jids == (entry.jid,)
    ways.append(fail)
    for _ in range(2):
        with pytest.raises(LookupError):
            await VERBS[verb](entry)
    assert site.state() == before
    assert entry.args == [1]


async def test_client_middleware_may_change_the_job_and_its_queue(site: Site, app: Sidelong) -> None:
    @app.client_middleware
    async def reroute(job: dict[str, Any], call_next: Any) -> Any:
        job["args"].append("seen")
        return await call_next({**job, "queue": "other"})

    assert await (await seeded(site, app)).retry()
    assert json.loads(site.queue("other")[0])["args"] == [1, "seen"]


async def test_a_payload_that_middleware_spoils_is_not_enqueued(site: Site, app: Sidelong) -> None:
    @app.client_middleware
    async def spoil(job: dict[str, Any], call_next: Any) -> Any:
        return await call_next({**job, "class": None})

    entry = await seeded(site, app)

    with pytest.raises(TypeError, match="class"):
        await entry.retry()
    assert site.client.zcard("retry") == 1


# Others act as well.


@pytest.mark.parametrize("second", VERBS)
@pytest.mark.parametrize("first", VERBS)
async def test_of_two_operators_one_acts_and_the_other_is_told(
    site: Site, app: Sidelong, first: str, second: str
) -> None:
    one = await seeded(site, app)
    other = await only(RetrySet(app))
    same_time = first == second == "reschedule"

    assert await VERBS[first](one) is True
    assert await VERBS[second](other) is same_time
    places = [site.queue(), *(site.client.zrange(name, 0, -1) for name in ("retry", "dead"))]
    assert sum(map(len, places)) == (first != "delete")


@pytest.mark.parametrize("verb", VERBS)
async def test_an_entry_whose_bytes_or_time_have_changed_is_gone(site: Site, app: Sidelong, verb: str) -> None:
    entry = await seeded(site, app)

    site.client.zadd("retry", {entry.value: SCORE + 1})
    assert await VERBS[verb](entry) is False
    site.client.zrem("retry", entry.value)
    site.client.zadd("retry", {payload("Note", 1, retry_count=3): SCORE})
    before = site.state()
    assert await VERBS[verb](entry) is False
    assert site.state() == before


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), 1e300, 5e-324, -3.5, 0.1 + 0.2, -0.0])
@pytest.mark.parametrize("verb", VERBS)
async def test_every_score_can_be_acted_on(site: Site, app: Sidelong, verb: str, score: float) -> None:
    entry = await seeded(site, app, score=score)

    assert await VERBS[verb](entry) is True


async def test_a_worker_and_operators_never_lose_nor_double_a_job(site: Site) -> None:
    ran: list[int] = []
    async with site.app() as app:

        @app.job(name="Note")
        async def note(number: int) -> None:
            ran.append(number)

        now = site.client.time()[0]
        raws = {payload("Note", number, jid=f"{number:024x}"): now + number % 3 - 1 for number in range(150)}
        site.client.zadd("retry", raws)
        deleted: set[int] = set()
        rescheduled: set[int] = set()

        async def operate(step: int) -> None:
            async for entry in RetrySet(app).entries(earliest_first=step % 2 == 0):
                verb = (entry.args[0] + step) % 4
                if verb == 0 and await entry.delete():
                    deleted.add(entry.args[0])
                elif verb == 1:
                    await entry.retry()
                elif verb == 2 and await entry.reschedule(now + 5000):
                    rescheduled.add(entry.args[0])

        async with app.worker(concurrency=5):
            await asyncio.gather(*map(operate, range(4)))
            await eventually(lambda: site.client.zcount("retry", "-inf", now + 1000) == 0, 15)
            await site.drained()

    left = {item["args"][0] for item, _ in site.members("retry")}
    assert sorted([*ran, *deleted, *left]) == list(range(150))
    assert left <= rescheduled


# What Redis does.


@pytest.mark.allow_any_keys
@pytest.mark.parametrize("verb", ["retry", "add_to_queue", "edit"])
async def test_a_queue_of_another_type_leaves_the_entry(site: Site, app: Sidelong, verb: str) -> None:
    entry = await seeded(site, app)
    site.client.set("queue:default", "text")
    before = site.state()

    with pytest.raises(Refused, match="WRONGTYPE"):
        await VERBS[verb](entry)
    assert site.state() == before


@pytest.mark.allow_any_keys
async def test_a_dead_set_of_another_type_leaves_the_entry_and_tells_no_handler(site: Site, app: Sidelong) -> None:
    told: list[Any] = []
    app.death_handler(lambda job, error: told.append(job))
    entry = await seeded(site, app)
    site.client.set("dead", "text")

    with pytest.raises(Refused, match="WRONGTYPE"):
        await entry.kill()
    assert site.client.zcard("retry") == 1
    assert told == []


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_works_where_memory_is_full(own_redis: RedisServer, verb: str) -> None:
    async with Sidelong(own_redis.url) as app:
        with own_redis.client() as client:
            site = Site(own_redis.url, client)
            entry = await seeded(site, app)
            client.config_set("maxmemory", 1)

            assert await VERBS[verb](entry)


@pytest.mark.parametrize("verb", VERBS)
async def test_after_a_lost_reply_asking_again_does_no_harm(redis_server: Database, proxy: Proxy, verb: str) -> None:
    with redis_server.client() as client:
        site = Site(redis_server.url, client)
        async with Sidelong(proxy.url(redis_server.number)) as app:
            entry = await seeded(site, app)
            # Its script is known by then.
            await Entry(app, "retry", b"never there", 1.0).delete()

            proxy.drop_reply_to(b"EVALSHA")
            with pytest.raises(ReplyLost):
                await VERBS[verb](entry)
            done = site.state()
            assert await VERBS[verb](entry) is (verb == "reschedule")
            assert site.state() == done


async def test_what_is_scheduled_can_be_let_run_at_once(site: Site) -> None:
    ran: list[int] = []
    async with site.app() as app:

        @app.job
        async def note(number: int) -> None:
            ran.append(number)

        await note.enqueue_in(1000, 7)
        async with app.worker():
            assert await (await only(ScheduledSet(app))).add_to_queue()
            await eventually(lambda: ran == [7])
            await site.drained()


async def test_what_is_put_off_while_a_poller_promotes_it_does_not_run(site: Site) -> None:
    ran: list[str] = []
    async with site.app() as app:

        @app.job(name="Note")
        async def note(word: str) -> None:
            ran.append(word)

        # Runs between the poller's look and its move.
        @app.client_middleware
        async def operator(job: dict[str, Any], call_next: Any) -> Any:
            for entry in await RetrySet(app).fetch(1.0):
                assert await entry.reschedule(9e9)
            return await call_next()

        site.client.zadd("retry", {payload("Note", "put off", jid="1" * 24): 1.0})
        async with app.worker():
            await site.has("retry")
            await eventually(lambda: site.client.zcount("retry", 9e9, 9e9) == 1)
            site.client.zadd("retry", {payload("Note", "due", jid="2" * 24): 2.0})
            await eventually(lambda: ran)
            await site.drained()

    assert ran == ["due"]
    assert site.members("retry")[0][0]["args"] == ["put off"]
