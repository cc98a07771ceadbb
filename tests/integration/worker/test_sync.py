"""`def` jobs enqueue through `.sync`, on the event loop of their worker."""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sidelong import CancelOutcome, CancelResult, JobRef, NotEnqueued, Sidelong, current_context
from sidelong.api import Queue
from sidelong.client.background import end_background, running_background
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually, eventually_sync

Loop = asyncio.AbstractEventLoop


@pytest.fixture(autouse=True)
def ended_background() -> Iterator[None]:
    """End what a test has started; nothing of it may be there at the start."""
    assert running_background() is None
    yield
    end_background()


def record_pushes(app: Sidelong) -> list[tuple[Loop, str]]:
    """Return a list that gets the loop of every push by a job, and the jid of that job."""
    pushes: list[tuple[Loop, str]] = []

    @app.client_middleware
    async def record(payload: dict[str, Any], call_next: Any) -> Any:
        if payload["class"] == "Next":
            pushes.append((asyncio.get_running_loop(), current_context().jid))
        return await call_next()

    return pushes


async def test_a_def_job_pushes_on_the_loop_of_its_worker_and_in_its_own_context(site: Site) -> None:
    app = site.app()
    pushes = record_pushes(app)
    done: list[int] = []

    @app.job(name="Next")
    def enqueue_next(left: int) -> None:
        done.append(left)
        if left:
            enqueue_next.sync.enqueue(left - 1)
            enqueue_next.sync.enqueue_many((0,) for _ in range(2))

    async with app, app.worker(concurrency=5):
        site.push("Next", 2, jid="1" * 24)
        await eventually(lambda: len(done) == 7)
        await site.drained()

    assert sorted(done) == [0, 0, 0, 0, 0, 1, 2]
    assert {loop for loop, _ in pushes} == {asyncio.get_running_loop()}
    assert [jid for _, jid in pushes].count("1" * 24) == 3
    assert running_background() is None
    assert site.counter("stat:failed") == 0


async def test_a_thread_of_an_async_job_pushes_on_the_loop_of_the_worker_too(site: Site) -> None:
    app = site.app()
    pushes = record_pushes(app)

    @app.job(name="Threaded")
    async def threaded() -> None:
        await asyncio.to_thread(app.sync.enqueue, "Next", queue="elsewhere")

    async with app, app.worker(queues=["default"]):
        site.push("Threaded", jid="1" * 24)
        await eventually(lambda: site.queue("elsewhere"))

    assert pushes == [(asyncio.get_running_loop(), "1" * 24)]


async def test_a_def_job_calls_off_one_that_runs_in_its_own_worker(site: Site) -> None:
    app = site.app()
    started = threading.Event()
    ends: list[Any] = []

    @app.job(name="Hang")
    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    @app.job(name="CallOff")
    def call_off(jid: str) -> None:
        started.wait(10)
        ends.append(app.sync.cancel(jid))

    async with app, app.worker(concurrency=2) as worker:
        ref = await hang.enqueue()
        await call_off.enqueue(ref.jid)
        await eventually(lambda: ends, within=10)
        await site.drained()

    assert ends == [CancelResult(CancelOutcome.CANCELLED, worker.identity)]
    assert site.client.zcard("retry") == 0


def test_a_thread_without_a_loop_calls_jobs_off_and_looks_at_queues(site: Site) -> None:
    app = site.app()
    jids = [app.sync.enqueue("Later", number).jid for number in range(3)]

    async def waiting() -> list[str]:
        return [job.jid async for job in Queue(app)]

    assert app.sync.run(Queue(app).size) == 3
    assert app.sync.run(waiting) == jids
    assert app.sync.cancel(jids[1]) == CancelResult(CancelOutcome.REMOVED, "queue:default")
    assert app.sync.cancel(jids[1]) == CancelResult(CancelOutcome.NOT_FOUND)
    assert app.sync.run(Queue(app).delete_job, jids[0]).jid == jids[0]
    assert app.sync.run(waiting) == [jids[2]]
    app.sync.close()


async def test_an_async_job_is_refused_with_a_sentence(site: Site) -> None:
    app = site.app()

    @app.job(name="Wrong")
    async def wrong() -> None:
        app.sync.enqueue("Next", queue="elsewhere")

    site.push("Wrong")
    async with app, app.worker():
        await site.has("retry")

    message = site.only("retry")[0]["error_message"]
    assert message.startswith("`.sync` would block the event loop of this thread: leave it out and await")
    assert site.queue("elsewhere") == []


def test_a_def_job_that_outlives_its_worker_pushes_on_the_background_loop(site: Site, log: Lines) -> None:
    app = site.app(timeout=0.05, cancel_grace=0.05)
    running, let_go = threading.Event(), threading.Event()
    ends: list[Any] = []

    @app.job(name="Stuck")
    def stuck() -> None:
        running.set()
        let_go.wait(10)
        ends.append(app.sync.enqueue("Next", queue="elsewhere"))

    async def work() -> None:
        async with app, app.worker():
            await stuck.enqueue()
            await asyncio.to_thread(running.wait, 10)

    asyncio.run(work())
    let_go.set()
    eventually_sync(lambda: ends)

    assert [type(end) for end in ends] == [JobRef]
    assert len(site.queue("elsewhere")) == 1
    assert len(site.queue()) == 1  # handed back: it will run again


async def test_a_def_job_whose_worker_is_blocked_is_told_in_time_that_nothing_was_stored(site: Site) -> None:
    app = site.app(connect_timeout=0.2, answer_timeout=0.2)
    blocked, caught = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    @app.job(name="Block")
    async def block() -> None:
        blocked.set()
        caught.wait(10)

    @app.job(name="Push")
    def push() -> None:
        blocked.wait(10)
        try:
            app.sync.enqueue("Next", queue="elsewhere")
        except NotEnqueued as error:
            errors.append(error)
        caught.set()

    async with app, app.worker():
        site.push("Push", jid="1" * 24)
        site.push("Block", jid="2" * 24)
        await eventually(lambda: errors, within=10)
        await site.drained()

    assert "something has blocked the event loop for 0.4 s" in str(errors[0])
    assert site.queue("elsewhere") == []
    assert site.counter("stat:failed") == 0


async def test_a_child_of_a_def_job_does_not_wait_for_the_loop_of_its_parent(real_site: Site) -> None:
    app = real_site.app()

    @app.job(name="Fork")
    def fork() -> None:
        if pid := os.fork():
            _, status = os.waitpid(pid, 0)
            assert status == 0
            return
        try:
            app.sync.enqueue("Next", queue="elsewhere")
            os._exit(0)
        finally:
            os._exit(1)

    real_site.push("Fork")
    async with app, app.worker():
        await eventually(lambda: real_site.queue("elsewhere"), within=10)
        await eventually(lambda: real_site.counter("stat:processed"), within=10)

    assert real_site.counter("stat:failed") == 0
