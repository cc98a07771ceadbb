import asyncio
import threading

import pytest

from sidelong import current_context
from sidelong.testing import inline


async def test_a_job_has_run_when_enqueue_returns(app):
    ran = []

    @app.job(queue="mail")
    async def send(user_id: int) -> None:
        ran.append((user_id, current_context().jid, current_context().queue))

    with inline(app) as jobs:
        ref = await send.enqueue(42)

        assert ran == [(42, ref.jid, "mail")]
    assert len(jobs) == 0
    assert [(job.args, job.has_run) for job in jobs.performed] == [([42], True)]


async def test_what_a_job_raises_comes_out_of_enqueue(app):
    @app.job
    async def fail() -> None:
        raise ZeroDivisionError("as agreed")

    with inline(app), pytest.raises(ZeroDivisionError, match="as agreed"):
        await fail.enqueue()


async def test_jobs_that_jobs_enqueue_run_as_well(app):
    order = []

    @app.job
    async def parent(number: int) -> None:
        order.append(f"parent {number} begins")
        await child.enqueue(number)
        order.append(f"parent {number} ends")

    @app.job
    def child(number: int) -> None:
        order.append(f"child {number}, {threading.current_thread() is not threading.main_thread()}")
        if number > 0:
            parent.sync.enqueue(number - 1)

    with inline(app):
        await parent.enqueue(1)

    assert order == [
        "parent 1 begins",
        "child 1, True",
        "parent 0 begins",
        "child 0, True",
        "parent 0 ends",
        "parent 1 ends",
    ]


def test_runs_jobs_for_code_without_an_event_loop(app):
    ran = []

    @app.job
    async def parent(number: int) -> None:
        ran.append(number)
        await child.enqueue(number + 1)

    @app.job
    def child(number: int) -> None:
        ran.append(number)

    with inline(app):
        parent.sync.enqueue(1)
        child.sync.enqueue_many([(3,), (4,)])

    assert ran == [1, 2, 3, 4]


async def test_client_middleware_runs_and_server_middleware_where_it_is_asked_for(app):
    seen = []

    @app.client_middleware
    async def client(job, call_next):
        seen.append("client")
        return await call_next()

    @app.server_middleware
    async def server(job, call_next):
        seen.append("server")
        return await call_next()

    async def other(job, call_next):
        seen.append("other")
        return await call_next()

    @app.job
    async def work() -> None:
        seen.append("job")

    for wanted in (False, True, [other]):
        with inline(app, server_middleware=wanted):
            await work.enqueue()

    assert seen == ["client", "job", "client", "server", "job", "client", "other", "job"]


async def test_jobs_for_later_and_jobs_for_others_are_kept(app):
    ran = []

    @app.job
    async def work(number: int) -> None:
        ran.append(number)

    with inline(app) as jobs:
        await work.enqueue_in(60, 1)
        await app.enqueue("HardJob", 2, queue="ruby")

    assert ran == []
    assert [(job.job_class, job.args) for job in jobs] == [(work.name, [1]), ("HardJob", [2])]


async def test_a_failure_leaves_the_rest_of_a_bulk_push_waiting(app):
    ran = []

    @app.job
    async def work(number: int) -> None:
        ran.append(number)
        if number == 1:
            raise ValueError("one")

    with inline(app) as jobs:
        with pytest.raises(ValueError, match="one"):
            await work.enqueue_many([(0,), (1,), (2,)])
        await jobs.drain()

    assert ran == [0, 1, 2]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_job_that_enqueues_itself_for_ever_is_told_of(app, is_async):
    runs = []

    async def go_on() -> None:
        runs.append("")
        await again.enqueue()

    def go_on_in_a_thread() -> None:
        runs.append("")
        again.sync.enqueue()

    again = app.job(name="again")(go_on if is_async else go_on_in_a_thread)

    with inline(app), pytest.raises(RuntimeError, match="does again enqueue itself for ever"):
        await again.enqueue()

    assert len(runs) == 100


async def test_many_that_run_at_once_are_no_endless_chain(app):
    @app.job
    async def work(left: int) -> None:
        await asyncio.sleep(0)
        if left:
            await work.enqueue(left - 1)

    with inline(app) as jobs:
        await asyncio.gather(*(work.enqueue(10) for _ in range(50)))

    assert len(jobs.performed) == 550


async def test_drain_ends_where_a_job_brings_the_next_one_in_a_moment(app):
    @app.job
    async def tick() -> None:
        await tick.enqueue_in(0.01)
        await asyncio.sleep(0.02)

    with inline(app) as jobs:
        await tick.enqueue()
        await asyncio.wait_for(jobs.drain(), 30)

    assert (len(jobs), len(jobs.performed)) == (1, 2)
