import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sidelong import NotEnqueued
from sidelong.testing import fake, inline
from tests.support.web_client import TestClient


@pytest.fixture
def work(app):
    @app.job
    async def work(number: int) -> None: ...

    return work


def numbers(jobs):
    return sorted(job.args[0] for job in jobs)


def in_empty_context(function):
    """Run as what was started before any block, such as the thread of a server."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(contextvars.Context().run, function).result()


async def test_tests_that_run_at_once_see_their_own_jobs_only(app, work):
    barrier = asyncio.Barrier(20)

    async def one_test(number):
        with fake(app) as jobs:
            await barrier.wait()
            await work.enqueue(number)
            async with asyncio.TaskGroup() as group:
                group.create_task(work.enqueue(number + 100))
            await asyncio.to_thread(work.sync.enqueue, number + 200)
            await barrier.wait()
        return numbers(jobs)

    found = await asyncio.gather(*map(one_test, range(20)))

    assert found == [[number, number + 100, number + 200] for number in range(20)]


def test_tests_in_threads_see_their_own_jobs_only(app, work):
    barrier = threading.Barrier(4)

    def one_test(number):
        with fake(app) as jobs:
            barrier.wait(10)
            work.sync.enqueue(number)
            barrier.wait(10)
        return numbers(jobs)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(one_test, range(4)))

    assert found == [[number] for number in range(4)]


def test_a_thread_that_knows_of_no_block_pushes_to_the_one_that_is_open(app, work):
    with fake(app) as jobs:
        in_empty_context(lambda: work.sync.enqueue(1))

    assert numbers(jobs) == [1]


def test_a_push_that_may_belong_to_either_of_two_tests_is_refused(app, work):
    context = contextvars.copy_context()
    with fake(app) as jobs:
        other = fake(app)
        others = context.run(other.__enter__)

        with pytest.raises(RuntimeError, match=r"2 blocks of sidelong\.testing are open for this app"):
            in_empty_context(lambda: work.sync.enqueue(1))
        work.sync.enqueue(2)
        context.run(work.sync.enqueue, 3)

        context.run(other.__exit__, None, None, None)
        in_empty_context(lambda: work.sync.enqueue(4))

    assert (numbers(jobs), numbers(others)) == ([2, 4], [3])


async def test_the_innermost_block_takes_a_push_wherever_it_comes_from(app, work):
    with fake(app) as outer:
        await work.enqueue(1)
        with inline(app) as inner:
            await work.enqueue(2)
            await asyncio.to_thread(in_empty_context, lambda: work.sync.enqueue(3))
        await work.enqueue(4)

    assert (numbers(outer), numbers(inner.performed)) == ([1, 4], [2, 3])


async def test_a_context_whose_block_has_ended_counts_as_one_that_knows_of_none(app, work):
    with fake(app) as first:
        context = contextvars.copy_context()
        await work.enqueue(1)

    async def outlive():
        await work.enqueue(2)

    with pytest.raises(NotEnqueued):
        await asyncio.get_running_loop().create_task(outlive(), context=context)
    with fake(app) as second:
        await asyncio.get_running_loop().create_task(outlive(), context=context)

    assert (numbers(first), numbers(second)) == ([1], [2])


async def test_a_block_may_end_in_another_context_than_it_began_in(app, work):
    block = fake(app)
    jobs = contextvars.copy_context().run(block.__enter__)

    await work.enqueue(1)
    block.__exit__(None, None, None)

    assert numbers(jobs) == [1]
    with pytest.raises(NotEnqueued):
        await work.enqueue(2)


@pytest.fixture
def web(app, work):
    """A web app that enqueues in its requests, in background tasks, at its start and from a task of its own."""
    wanted: asyncio.Queue[int] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(host):
        async def serve():
            while True:
                await work.enqueue(await wanted.get())
                wanted.task_done()

        server = asyncio.create_task(serve())
        yield
        server.cancel()

    async def enqueue(request):
        await work.enqueue(1)
        await wanted.put(2)
        await wanted.join()
        return Response()

    def enqueue_in_thread(request):
        work.sync.enqueue(3)
        return Response()

    return Starlette(routes=[Route("/", enqueue), Route("/thread", enqueue_in_thread)], lifespan=lifespan)


def test_sees_what_a_web_app_enqueues_from_the_thread_of_its_test_client(app, web):
    with fake(app) as jobs, TestClient(web) as client:
        client.get("/")
        client.get("/thread")

    assert numbers(jobs) == [1, 2, 3]


def test_sees_it_too_where_the_test_client_was_there_before(app, web):
    with TestClient(web) as client:
        for _ in range(2):
            with fake(app) as jobs:
                client.get("/")
                client.get("/thread")

            assert numbers(jobs) == [1, 2, 3]
