"""One verb for many entries, while others add, move and remove."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sidelong import Sidelong
from sidelong.api import BulkOutcome, DeadSet, Filter, JobSet, RetrySet, ScheduledSet
from sidelong.errors import ReplyLost
from tests.integration.worker.site import Lines, Site, payload
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.redis_server import Database

VERBS: dict[str, Callable[..., Awaitable[BulkOutcome]]] = {
    "enqueue_all": JobSet.enqueue_all,
    "retry_all": JobSet.retry_all,
    "kill_all": JobSet.kill_all,
    "delete_all": JobSet.delete_all,
}


def seed(site: Site, name: str, count: int, first: int = 0, **fields: Any) -> dict[bytes, float]:
    raws = {
        payload("Note", number, jid=f"{number:024x}", retry_count=3, **fields): 1000.0 + number // 7
        for number in range(first, first + count)
    }
    if raws:
        site.client.zadd(name, raws)  # type: ignore[arg-type]
    return raws


def numbers(raws: list[bytes]) -> list[int]:
    return [json.loads(raw)["args"][0] for raw in raws]


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("count", [0, 1, 100, 101, 350])
async def test_all_entries_are_moved_in_bounded_steps(site: Site, app: Sidelong, name: str, count: int) -> None:
    raws = seed(site, "retry", count)
    steps: list[tuple[int, int]] = []

    outcome = await VERBS[name](RetrySet(app), progress=lambda done, total: steps.append((done, total)))

    assert outcome == BulkOutcome(done=count)
    assert steps == [(min(done, count), count) for done in range(100, count + 100, 100)]
    assert site.client.zcard("retry") == 0
    enqueued, dead = site.queue(), site.client.zrange("dead", 0, -1)
    assert (len(enqueued), len(dead)) == {"kill_all": (0, count), "delete_all": (0, 0)}.get(name, (count, 0))
    assert set(dead) <= raws.keys()
    assert {json.loads(raw)["retry_count"] for raw in enqueued} <= {2 if name == "retry_all" else 3}


async def test_the_earliest_entries_are_fetched_first(site: Site, app: Sidelong) -> None:
    raws = {payload("Note", number, jid=f"{number:024x}"): float(number) for number in range(250)}
    site.client.zadd("schedule", raws)

    await ScheduledSet(app).enqueue_all()
    assert numbers(site.queue()[::-1]) == list(range(250))


@pytest.mark.parametrize("name", VERBS)
async def test_a_filter_spares_the_others(site: Site, app: Sidelong, name: str) -> None:
    chosen = seed(site, "retry", 150, tags=["x"])
    spared = seed(site, "retry", 150, first=150, tags=["y"])
    site.client.zadd("retry", {b"no json": 1.0})
    steps: list[tuple[int, int]] = []

    outcome = await VERBS[name](
        RetrySet(app), where=Filter(tag="x"), progress=lambda done, total: steps.append((done, total))
    )

    assert outcome == BulkOutcome(done=len(chosen))
    assert set(site.client.zrange("retry", 0, -1)) == {*spared, b"no json"}
    assert steps[-1] == (301, 301)


async def test_what_cannot_be_enqueued_stays_and_is_counted(site: Site, app: Sidelong) -> None:
    @app.client_middleware
    async def gate(job: dict[str, Any], call_next: Any) -> Any:
        match job["args"][0] % 3:
            case 0:
                return None
            case 1:
                raise LookupError(f"no {job['args'][0] % 2}")
        return await call_next()

    seed(site, "dead", 30)
    site.client.zadd("dead", {b"no json": 1.0, b"[]": 2.0})

    outcome = await DeadSet(app).retry_all()

    assert (outcome.done, outcome.stopped, outcome.failed) == (10, 10, 12)
    assert outcome.errors["LookupError: no 1"] == 5
    assert sum(outcome.errors.values()) == 12
    assert site.client.zcard("dead") == 22


async def test_only_some_kinds_of_errors_are_kept(site: Site, app: Sidelong) -> None:
    @app.client_middleware
    async def fail(job: dict[str, Any], call_next: Any) -> Any:
        raise LookupError(job["args"][0])

    seed(site, "dead", 50)
    outcome = await DeadSet(app).retry_all()

    assert outcome.failed == 50
    assert len(outcome.errors) == 10


@pytest.mark.allow_any_keys
async def test_a_queue_of_another_type_holds_up_no_other(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 60, queue="good")
    seed(site, "retry", 60, first=60, queue="bad")
    site.client.set("queue:bad", "text")

    outcome = await RetrySet(app).retry_all()

    assert (outcome.done, outcome.failed) == (60, 60)
    assert "WRONGTYPE" in next(iter(outcome.errors))
    assert site.client.zcard("retry") == 60


async def test_kill_all_tells_the_handlers_and_trims(site: Site, log: Lines) -> None:
    told: list[Any] = []
    reason = LookupError("no")
    async with site.app(dead_max_jobs=51) as app:
        app.death_handler(lambda job, error: told.append((job["args"][0], error)))
        seed(site, "retry", 120)
        site.client.zadd("retry", {b"no json": 1.0})

        assert (await RetrySet(app).kill_all(ex=reason)).done == 121
        assert sorted(told) == [(number, reason) for number in range(120)]
        assert site.client.zcard("dead") == 50
        assert log.containing("trimmed")
        seed(site, "retry", 5)
        await RetrySet(app).kill_all(notify_failure=False)
        assert len(told) == 120


async def test_killing_all_the_dead_comes_to_an_end(site: Site, app: Sidelong) -> None:
    raws = seed(site, "dead", 250)

    async with site.app(dead_timeout=1e10) as patient:
        assert (await DeadSet(patient).kill_all()).done == 250
    assert set(site.client.zrange("dead", 0, -1)) == raws.keys()


async def test_each_of_the_dead_is_killed_once_although_it_stands_there_again(site: Site, app: Sidelong) -> None:
    seed(site, "dead", 250)
    # What is last when it begins: all that is killed comes to lie before it.
    site.client.zadd("dead", {payload("Note", 999, jid="f" * 24): float("inf")})

    async with site.app(dead_timeout=1e10) as patient:
        outcome = await DeadSet(patient).kill_all()

    assert outcome.done == 251
    assert outcome.is_complete


async def test_handlers_hear_of_a_kill_before_many_more_are_killed(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 100)
    ahead = []

    @app.death_handler
    def told(job: dict[str, Any], error: BaseException) -> None:
        ahead.append(site.client.zcard("dead") - len(ahead))

    assert (await RetrySet(app).kill_all()).done == 100
    assert len(ahead) == 100
    assert max(ahead) <= 10


async def test_what_others_have_moved_since_it_was_read_is_gone(site: Site, app: Sidelong) -> None:
    raws = list(seed(site, "retry", 90))
    later = site.client.time()[0] + 5000.0

    @app.client_middleware
    async def others(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == [0]:
            site.client.zrem("retry", *raws[10:20])
            site.client.zadd("retry", dict.fromkeys(raws[20:30], later))
        return await call_next()

    outcome = await RetrySet(app).retry_all()

    assert (outcome.done, outcome.gone) == (70, 20)
    assert set(site.client.zrange("retry", 0, -1)) == set(raws[20:30])


async def test_what_comes_back_meanwhile_is_not_enqueued_again(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 250)
    # What is last when it begins: all that comes back lies before it.
    site.client.zadd("retry", {payload("Note", 999, jid="f" * 24): 9e9})
    rounds = 0

    def fail_again(done: int, total: int) -> None:
        nonlocal rounds
        while raw := site.client.rpop("queue:default"):
            rounds += 1
            item = json.loads(raw)
            site.client.zadd("retry", {json.dumps({**item, "round": rounds}): 5e9 + rounds})

    outcome = await RetrySet(app).retry_all(progress=fail_again)

    assert outcome.done == 251
    assert outcome.skipped >= 100
    assert outcome.is_complete
    assert rounds == 251
    assert site.client.zcard("retry") == 251


async def test_it_ends_however_fast_others_add(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 100)
    site.client.zadd("retry", {payload("Note", 999, jid="f" * 24): 9e9})
    added = 1000

    def add(done: int, total: int) -> None:
        nonlocal added
        more = {
            payload("Note", added + number, jid=f"{added + number:024x}"): 5e9 + added + number for number in range(150)
        }
        site.client.zadd("retry", more)
        added += 150

    outcome = await RetrySet(app).retry_all(progress=add)

    assert not outcome.is_complete
    assert 100 <= outcome.done <= 1300
    assert set(range(100)) <= set(numbers(site.queue()))


async def test_what_arrives_behind_the_last_entry_is_left(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 150)
    new = payload("Note", 7, jid="new")

    await RetrySet(app).delete_all(progress=lambda done, total: site.client.zadd("retry", {new: 9e9}) or None)
    assert site.client.zrange("retry", 0, -1) == [new]


async def test_twins_of_one_jid_are_enqueued_one_at_a_time_and_deleted_together(site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {payload("Note", 1): 1.0, payload("Note", 2): 2.0})

    assert await RetrySet(app).retry_all() == BulkOutcome(done=1, skipped=1)
    site.client.zadd("retry", {payload("Note", 1): 1.0})
    assert await RetrySet(app).delete_all() == BulkOutcome(done=2)


async def test_a_call_broken_off_is_finished_by_another(redis_server: Database, proxy: Proxy) -> None:
    with redis_server.client() as client:
        site = Site(redis_server.url, client)
        seed(site, "retry", 350)

        def cut(done: int, total: int) -> None:
            if done == 200:
                proxy.cut_after_replies(2, 2)

        async with Sidelong(proxy.url(redis_server.number)) as app:
            with pytest.raises(ReplyLost):
                await RetrySet(app).retry_all(progress=cut)
            proxy.heal()
            outcome = await RetrySet(app).retry_all()

        assert outcome.failed == outcome.gone == 0
        assert sorted(numbers(site.queue())) == list(range(350))
        assert client.zcard("retry") == 0


async def test_a_progress_that_raises_ends_it_between_two_steps(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 250)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt if done < 0 else InterruptedError

    with pytest.raises(InterruptedError):
        await RetrySet(app).delete_all(progress=stop)
    assert site.client.zcard("retry") == 150


async def test_many_calls_beside_a_worker_lose_and_double_nothing(site: Site) -> None:
    ran: list[int] = []
    async with site.app() as app:

        @app.job(name="Note")
        async def note(number: int) -> None:
            ran.append(number)

        now = site.client.time()[0]
        raws = {payload("Note", n, jid=f"{n:024x}"): now + n % 3 - 1 for n in range(600)}
        site.client.zadd("retry", raws)
        async with app.worker(concurrency=10):
            outcomes = await asyncio.gather(
                RetrySet(app).retry_all(),
                RetrySet(app).enqueue_all(),
                RetrySet(app).kill_all(where=Filter(text='"args":[1')),
                RetrySet(app).delete_all(where=Filter(text='"args":[2')),
            )
            await eventually(lambda: site.client.zcard("retry") == 0, 15)
            await site.drained()

    killed = numbers(site.client.zrange("dead", 0, -1))
    assert sum(outcome.failed for outcome in outcomes) == 0
    assert len(killed) == outcomes[2].done
    assert len(set(ran)) == len(ran)
    assert not set(ran) & set(killed)
    assert len(ran) + len(killed) + outcomes[3].done == 600
