import asyncio
from datetime import UTC, date, datetime

import pytest

from sidelong import ArgumentError, JobClass, NotEnqueued, PayloadTooLargeError, Sidelong
from sidelong.testing import fake


async def test_keeps_jobs_and_runs_none(app):
    ran = []

    @app.job(queue="mailers", tags=["vip"])
    async def send(user_id: int) -> None:
        ran.append(user_id)

    with fake(app) as jobs:
        ref = await send.enqueue(42)

    assert ran == []
    (job,) = jobs
    assert (job.job_class, job.args, job.queue, job.jid, job.tags) == (send.name, [42], "mailers", ref.jid, ["vip"])
    assert (job.at, job.is_scheduled, job.has_run) == (None, False, False)
    assert job.enqueued_at == pytest.approx(datetime.now(UTC).timestamp(), abs=5)


async def test_arguments_come_back_from_json(app):
    @app.job
    async def book(day: date, seats: list[int]) -> None: ...

    seats = [1, 2]
    with fake(app) as jobs:
        await book.enqueue(date(2026, 5, 1), seats)
        seats.append(3)

    assert jobs[0].args == ["2026-05-01", [1, 2]]


async def test_refuses_what_a_real_push_refuses(app):
    @app.job
    async def book(day: date) -> None: ...

    @app.job(typed=False)
    async def anything(value) -> None: ...

    with fake(app) as jobs:
        with pytest.raises(TypeError, match="it takes day"):
            await book.enqueue()
        with pytest.raises(ArgumentError):
            await book.enqueue("soon")
        with pytest.raises(ArgumentError, match="of type set"):
            await anything.enqueue({1})
        with pytest.raises(ArgumentError, match="nan"):
            await anything.enqueue(float("nan"))
        with pytest.raises(ArgumentError, match="element 1"):
            await anything.enqueue_many([(1,), (object(),)])
        with pytest.raises(PayloadTooLargeError):
            await anything.enqueue("x" * 11_000_000)

    assert len(jobs) == 0


async def test_others_go_on_before_a_push_returns_as_with_a_real_one(app):
    seen = []

    async def other():
        seen.append("other")

    with fake(app):
        task = asyncio.create_task(other())
        await app.enqueue("Job")

    assert seen == ["other"]
    await task


async def test_client_middleware_runs_and_may_stop_a_job(app):
    @app.client_middleware
    async def only_even(job, call_next):
        job["tenant"] = "acme"
        if job["args"][0] % 2 == 0:
            await call_next()

    @app.job
    async def work(number: int) -> None: ...

    with fake(app) as jobs:
        refs = await work.enqueue_many([(number,) for number in range(4)])

    assert [ref is None for ref in refs] == [False, True, False, True]
    assert [(job.args, job["tenant"]) for job in jobs] == [([0], "acme"), ([2], "acme")]


async def test_takes_what_every_verb_pushes(app):
    @app.job(queue="low")
    async def work(number: int) -> None: ...

    @app.job
    class Work(JobClass):
        async def perform(self, number: int) -> None: ...

    with fake(app) as jobs:
        await work.enqueue(1)
        await work.enqueue_in(60, 2)
        await work.enqueue_at(datetime(2100, 1, 1, tzinfo=UTC), 3)
        await work.enqueue_many([(4,), (5,)])
        await work.with_options(queue="high").enqueue(6)
        await Work.enqueue(7)
        await app.enqueue("HardJob", 8, queue="ruby")
        await app.client.push({"class": "HardJob", "args": [9]})
        await app.client.push_bulk({"class": work, "args": [[10], [11]]})

    assert [job.args for job in jobs] == [[number] for number in range(1, 12)]
    assert [job.queue for job in jobs[5:9]] == ["high", "default", "ruby", "default"]
    assert [job.args for job in jobs.scheduled] == [[2], [3]]
    assert jobs[2].at == datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def test_takes_what_is_pushed_without_an_event_loop(app):
    @app.job
    async def work(number: int) -> None: ...

    with fake(app) as jobs:
        ref = work.sync.enqueue(1)
        app.sync.enqueue("HardJob", 2)

    assert [job.args for job in jobs] == [[1], [2]]
    assert jobs[0].jid == ref.jid


async def test_after_the_block_pushes_go_to_redis_again(app):
    @app.job
    async def work() -> None: ...

    pusher, clock = app.client.pusher, app.client.clock
    with fake(app), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="as agreed"), fake(app):
        raise ValueError("as agreed")

    assert (app.client.pusher, app.client.clock) == (pusher, clock)
    with pytest.raises(NotEnqueued):
        await work.enqueue()


async def test_jobs_are_found_by_job_and_by_queue(app):
    @app.job(queue="mail", aliases=["old.name"])
    async def send(number: int) -> None: ...

    @app.job(queue="ship")
    class Ship(JobClass):
        async def perform(self, number: int) -> None: ...

    with fake(app) as jobs:
        await send.enqueue(1)
        await Ship.enqueue(2)
        await send.with_options(queue="ship").enqueue(3)
        await app.client.push({"class": "old.name", "args": [4], "queue": "mail"})

    def numbers(found):
        return [job.args[0] for job in found]

    assert numbers(jobs.of(send)) == numbers(jobs.of(send.name)) == numbers(jobs.of("old.name")) == [1, 3, 4]
    assert numbers(jobs.of(Ship)) == [2]
    assert numbers(jobs.on("ship")) == [2, 3]
    assert numbers(jobs.of("unknown")) == []


async def test_clear_forgets_all_or_some(app):
    @app.job(queue="mail")
    async def send(number: int) -> None: ...

    @app.job(queue="ship")
    async def ship(number: int) -> None: ...

    with fake(app) as jobs:
        for number in range(3):
            await send.enqueue(number)
            await ship.enqueue(number)
        await jobs.perform_one(send)

        jobs.clear(send)
        assert {job.job_class for job in (*jobs, *jobs.performed)} == {ship.name}
        jobs.clear(queue="mail")
        assert len(jobs) == 3
        jobs.clear(queue="ship")
        assert not jobs


async def test_another_app_is_not_concerned():
    one, other = Sidelong("redis://127.0.0.1:1/0"), Sidelong("redis://127.0.0.1:1/0")

    with fake(one) as jobs:
        await one.enqueue("Job", 1)
        with pytest.raises(NotEnqueued):
            await other.enqueue("Job", 2)

    assert [job.args for job in jobs] == [[1]]
