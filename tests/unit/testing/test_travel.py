import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sidelong.testing import fake, inline


async def test_a_scheduled_job_waits_for_its_time(app):
    ran = []

    @app.job
    async def remind(number: int) -> None:
        ran.append(number)

    with fake(app) as jobs:
        await remind.enqueue_in(3600, 1)
        await remind.enqueue_in(timedelta(hours=2), 2)
        assert await jobs.drain() == 0
        assert await jobs.travel(3599) == 0
        assert await jobs.drain() == 0
        assert await jobs.travel(timedelta(seconds=1)) == 1
        assert [job.is_scheduled for job in jobs] == [True, False]
        assert await jobs.drain() == 1

    assert ran == [1]
    assert [job.args for job in jobs.scheduled] == [[2]]


async def test_jobs_become_due_in_the_order_of_their_times_through_client_middleware(app):
    stopped = []

    @app.client_middleware
    async def watch(job, call_next):
        if job["args"][0] not in stopped:
            job["passes"] = job.get("passes", 0) + 1
            await call_next()

    @app.job
    async def work(number: int) -> None: ...

    with fake(app) as jobs:
        started = jobs.now()
        for number in (3, 1, 2):
            await work.enqueue_at(started + number * 60, number)
        stopped.append(2)
        count = await jobs.travel(200)

    assert count == 3
    assert [(job.args, job["passes"], job.at) for job in jobs] == [([1], 2, started + 60), ([3], 2, started + 180)]
    assert jobs[0].enqueued_at == pytest.approx(started + 60, abs=5)


async def test_what_a_job_schedules_counts_from_the_time_it_has_come_to(app):
    times = []

    @app.job
    async def hourly() -> None:
        times.append(app.client.clock.now())
        await hourly.enqueue_in(3600)

    with inline(app) as jobs:
        started = jobs.now()
        await hourly.enqueue()
        await jobs.travel(timedelta(hours=3, minutes=1))

    assert times == [pytest.approx(started + hour * 3600, abs=5) for hour in range(4)]
    assert len(jobs.scheduled) == 1


async def test_travels_to_an_instant_and_never_back(app):
    with fake(app) as jobs:
        await jobs.travel_to(datetime(2100, 1, 1, tzinfo=UTC))
        assert jobs.now() == pytest.approx(datetime(2100, 1, 1, tzinfo=UTC).timestamp(), abs=5)
        with pytest.raises(ValueError, match="time goes on only"):
            await jobs.travel_to(0)
        with pytest.raises(ValueError, match="time zone"):
            await jobs.travel_to(datetime(2200, 1, 1))
        await app.enqueue("Job", at=datetime(2099, 1, 1, tzinfo=UTC).timestamp())

    assert jobs[0].at is None
    assert app.client.clock.now() == pytest.approx(datetime.now(UTC).timestamp(), abs=5)


async def test_what_has_become_due_by_itself_enters_its_queue(app):
    with fake(app) as jobs:
        await app.enqueue("Job", at=jobs.now() + 0.005)
        await asyncio.sleep(0.01)
        assert await jobs.travel(0) == 1
        assert [job.is_scheduled for job in jobs] == [False]
        with pytest.raises(ValueError, match="time goes on only"):
            await jobs.travel(-2)


async def test_each_block_has_a_time_of_its_own(app):
    with fake(app) as outer:
        await outer.travel(1000)
        with fake(app) as inner:
            await inner.travel(1000)
            ahead = inner.now() - outer.now()

    assert ahead == pytest.approx(1000, abs=1)


async def test_what_a_job_raises_on_the_way_comes_out_and_time_stands_still_there(app):
    @app.job
    async def fail() -> None:
        raise ValueError("x")

    with inline(app) as jobs:
        started = jobs.now()
        await fail.enqueue_in(60)
        with pytest.raises(ValueError, match="x"):
            await jobs.travel(3600)

        assert jobs.now() == pytest.approx(started + 60, abs=5)


async def test_a_job_that_client_middleware_fails_at_still_waits(app):
    faults = [ZeroDivisionError]

    @app.job
    async def work() -> None: ...

    with fake(app) as jobs:
        await work.enqueue_in(3600)

        @app.client_middleware
        async def fail_once(job, call_next):
            if faults:
                raise faults.pop()
            await call_next()

        with pytest.raises(ZeroDivisionError):
            await jobs.travel(7200)
        assert len(jobs.scheduled) == 1

        assert await jobs.drain() == 1
        assert len(jobs) == 0
