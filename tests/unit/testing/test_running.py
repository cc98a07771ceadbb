import asyncio
import threading
import traceback
import weakref
from contextvars import ContextVar

import pytest

from sidelong import Discard, JobClass, JobTimeoutError, Kill, RetryIn, UnknownJobError, current_context
from sidelong.testing import EmptyQueueError, fake


async def test_drain_runs_what_waits_and_what_that_enqueues(app):
    ran = []

    @app.job
    async def countdown(number: int) -> None:
        ran.append(number)
        if number > 0:
            await countdown.enqueue(number - 1)

    @app.job
    class Other(JobClass):
        def perform(self, number: int) -> None:
            ran.append(number)
            Other.sync.enqueue(number + 1) if number < 11 else None

    with fake(app) as jobs:
        await countdown.enqueue(2)
        await Other.enqueue(10)
        count = await jobs.drain()

    assert count == 5
    assert ran == [2, 10, 1, 11, 0]
    assert not jobs
    assert [job.args[0] for job in jobs.performed] == ran


async def test_drain_and_perform_one_may_be_limited_to_a_job_or_a_queue(app):
    ran = []

    @app.job(queue="mail")
    async def send(number: int) -> None:
        ran.append(number)

    @app.job(queue="ship")
    async def ship(number: int) -> None:
        ran.append(number)

    with fake(app) as jobs:
        for number in (1, 3):
            await send.enqueue(number)
            await ship.enqueue(number + 1)
        assert (await jobs.perform_one(ship)).args == [2]
        assert (await jobs.perform_one(queue="mail")).args == [1]
        assert await jobs.drain(queue="ship") == 1
        assert await jobs.drain(send) == 1

    assert ran == [2, 1, 4, 3]


async def test_perform_runs_the_job_that_is_given(app):
    ran = []

    @app.job
    async def work(number: int) -> None:
        ran.append(number)
        if number == 2:
            raise ZeroDivisionError

    with fake(app) as jobs:
        await work.enqueue_many([(1,), (2,), (3,)])
        await work.enqueue_in(3600, 4)
        second, last = jobs[1], jobs[3]
        with pytest.raises(ZeroDivisionError):
            await jobs.perform(second)
        await jobs.perform(last)
        with pytest.raises(EmptyQueueError, match=f"{second.jid}.* does not wait here"):
            await jobs.perform(second)

        assert ran == [2, 4]
        assert [job.args for job in jobs] == [[1], [3]]
        assert list(jobs.performed) == [second, last]
    with pytest.raises(RuntimeError, match="the block has ended"):
        await jobs.perform(jobs[0])


async def test_perform_one_without_a_job_says_what_waits(app):
    @app.job(queue="mail")
    async def send(number: int) -> None: ...

    with fake(app) as jobs:
        with pytest.raises(EmptyQueueError, match="nothing was enqueued"):
            await jobs.perform_one()
        await send.enqueue(7)
        with pytest.raises(EmptyQueueError, match=r"\[7\] to mail"):
            await jobs.perform_one(queue="ship")


@pytest.mark.parametrize(
    "error", [ValueError("x"), Discard("x"), Kill("x"), RetryIn(5), SystemExit(3), ExceptionGroup("x", [OSError()])]
)
async def test_a_jobs_exception_comes_out_with_its_traceback_and_the_others_still_wait(app, error):
    ran = []

    @app.job
    async def fail() -> None:
        raise error

    @app.job
    def fail_in_thread() -> None:
        raise error

    @app.job
    async def work() -> None:
        ran.append(1)

    with fake(app) as jobs:
        for job in (fail, fail_in_thread, work):
            await job.enqueue()
        for job in (fail, fail_in_thread):
            with pytest.raises(type(error)) as caught:
                await jobs.drain()
            assert caught.value is error
            assert job.__name__ in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        await jobs.drain()

    assert ran == [1]


async def test_no_handler_hears_of_a_failure_and_nothing_is_retried(app):
    heard = []
    app.error_handler(lambda error, context: heard.append(error))
    app.death_handler(lambda item, error: heard.append(error))

    @app.job(retry_in=lambda *args: heard.append(args))
    async def fail() -> None:
        raise ValueError("x")

    with fake(app) as jobs:
        await fail.enqueue()
        with pytest.raises(ValueError, match="x"):
            await jobs.drain()

    assert (heard, len(jobs)) == ([], 0)


async def test_a_job_that_nobody_knows_or_that_gets_wrong_arguments_fails(app):
    @app.job
    async def work(number: int) -> None: ...

    with fake(app) as jobs:
        await app.enqueue("HardJob", 1)
        with pytest.raises(UnknownJobError, match="HardJob"):
            await jobs.drain()
        await app.client.push({"class": work.name, "args": ["one"]})
        with pytest.raises(TypeError, match="number"):
            await jobs.drain()


async def test_a_job_runs_as_in_a_worker(app):
    seen = {}
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

    @app.job(queue="high", tags=["a"], timeout=0.01)
    async def look() -> None:
        context = current_context()
        seen.update(jid=context.jid, queue=context.queue, tags=context.tags, attempt=context.attempt)
        # A worker knows nothing of the variables of a web request.
        seen["tenant"] = tenant.get()
        tenant.set("the job's")
        await asyncio.sleep(30)

    with fake(app) as jobs:
        tenant.set("acme")
        ref = await look.enqueue()
        with pytest.raises(JobTimeoutError):
            await jobs.drain()

    assert seen == {"jid": ref.jid, "queue": "high", "tags": ("a",), "attempt": 1, "tenant": "nobody"}
    assert tenant.get() == "acme"


async def test_server_middleware_is_off_unless_it_is_asked_for(app):
    seen = []

    @app.server_middleware
    async def server(job, call_next):
        seen.append(job["args"])
        job["args"] = [2]
        return await call_next()

    @app.job
    async def work(number: int) -> None:
        seen.append(number)

    for wanted in (False, True):
        with fake(app, server_middleware=wanted) as jobs:
            await work.enqueue(1)
            await jobs.drain()

    assert seen == [1, [1], 2]


async def test_a_drain_that_is_cancelled_ends_the_job(app):
    ends = []
    begun = asyncio.Event()

    @app.job
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ends.append(current_context().cancelled)

    with fake(app) as jobs:
        await wait.enqueue()
        draining = asyncio.create_task(jobs.drain())
        await begun.wait()
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await draining

    assert ends == [True]


async def test_a_job_that_enqueues_itself_for_ever_is_found_out(app):
    @app.job
    async def again() -> None:
        await again.enqueue()

    with fake(app) as jobs:
        await again.enqueue()
        with pytest.raises(RuntimeError, match=r"20 jobs have run.* does .*again enqueue itself for ever"):
            await jobs.drain(limit=20)


async def test_after_the_block_nothing_runs(app):
    with fake(app) as jobs:
        await app.enqueue("Job")

    for call in (jobs.drain, jobs.perform_one, lambda: jobs.travel(1)):
        with pytest.raises(RuntimeError, match="the block has ended"):
            await call()


async def test_a_def_job_enqueues_on_the_loop_that_runs_it(app):
    loops = []

    @app.client_middleware
    async def look(job, call_next):
        loops.append(asyncio.get_running_loop())
        await call_next()

    @app.job
    def parent() -> None:
        app.sync.enqueue("HardJob")

    with fake(app) as jobs:
        await parent.enqueue()
        await jobs.perform_one()

    assert loops == [asyncio.get_running_loop()] * 2


def test_a_test_without_an_event_loop_drains_as_well(app):
    ran = []

    @app.job
    async def parent() -> None:
        ran.append("parent")
        await child.enqueue()

    @app.job
    def child() -> None:
        ran.append(threading.current_thread() is not threading.main_thread())
        if len(ran) < 4:
            parent.sync.enqueue()

    with fake(app) as jobs:
        parent.sync.enqueue()
        count = app.sync.run(jobs.drain)

    assert (count, ran) == (4, ["parent", True, "parent", True])


async def test_two_drains_at_once_run_each_job_once(app):
    ran = []

    @app.job
    async def work(number: int) -> None:
        await asyncio.sleep(0)
        ran.append(number)

    with fake(app) as jobs:
        await work.enqueue_many([(number,) for number in range(20)])
        await asyncio.gather(jobs.drain(), jobs.drain())

    assert sorted(ran) == list(range(20))


async def test_what_a_job_has_in_hand_is_let_go(app):
    class Thing:
        pass

    things = []

    @app.job
    async def fail() -> None:
        thing = Thing()
        things.append(weakref.ref(thing))
        raise ValueError("x")

    with fake(app) as jobs:
        await fail.enqueue()
        with pytest.raises(ValueError, match="x"):
            await jobs.drain()

        assert things[0]() is None
