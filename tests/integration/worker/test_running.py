"""How jobs run: on the loop, in threads, as classes, with their context, inside middleware."""

import asyncio
import contextvars
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from sidelong import JobClass, current_context
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


async def test_runs_jobs_on_the_loop_in_threads_and_of_classes(site: Site) -> None:
    app = site.app()
    ran: dict[str, tuple[Any, int]] = {}

    @app.job
    async def on_loop(value: int) -> None:
        ran["loop"] = value, threading.get_ident()

    @app.job
    def in_thread(value: int) -> None:
        ran["thread"] = value, threading.get_ident()

    @app.job
    class AsClass(JobClass):
        async def perform(self, value: int) -> None:
            ran["class"] = value, threading.get_ident()

    @app.job
    class AsThreadClass(JobClass):
        def perform(self, value: int) -> None:
            ran["thread class"] = value, threading.get_ident()

    async with app, app.worker():
        await on_loop.enqueue(1)
        await in_thread.enqueue(2)
        await AsClass.enqueue(3)
        await AsThreadClass.enqueue(4)
        await eventually(lambda: len(ran) == 4)
        await site.drained()

    here = threading.get_ident()
    assert {name: value for name, (value, _) in ran.items()} == {"loop": 1, "thread": 2, "class": 3, "thread class": 4}
    assert [ran[name][1] == here for name in ("loop", "class", "thread", "thread class")] == [True, True, False, False]
    assert site.counter("stat:processed") == 4
    assert site.counter("stat:failed") == 0


async def test_a_job_of_a_class_has_an_instance_of_its_own_each_time(site: Site) -> None:
    app = site.app()
    seen: list[int] = []

    @app.job
    class Counting(JobClass):
        def __init__(self) -> None:
            self.runs = 0

        async def perform(self) -> None:
            self.runs += 1
            seen.append(self.runs)

    async with app, app.worker():
        await Counting.enqueue_many([() for _ in range(5)])
        await eventually(lambda: len(seen) == 5)

    assert seen == [1] * 5


async def test_tells_a_job_who_it_is(site: Site) -> None:
    app = site.app()
    seen: list[tuple[Any, ...]] = []

    def look() -> None:
        context = current_context()
        seen.append(
            (
                context.jid,
                context.queue,
                context.attempt,
                context.enqueued_at,
                tuple(context.tags),
                context.cancelled,
                context.stopping,
            )
        )

    @app.job(name="Async")
    async def on_loop() -> None:
        look()

    @app.job(name="Sync")
    def in_thread() -> None:
        look()

    site.push("Async", jid="1" * 24, queue="low", tags=["vip"], enqueued_at=1795217165.25)
    site.push("Sync", jid="2" * 24, queue="low", enqueued_at=1795217165250, retry_count=2, failed_at=1.5)
    async with app, app.worker(queues=["low"], concurrency=1):
        await eventually(lambda: len(seen) == 2)

    assert seen == [
        ("1" * 24, "low", 1, 1795217165.25, ("vip",), False, False),
        ("2" * 24, "low", 4, 1795217165.25, (), False, False),
    ]


async def test_what_a_job_sets_in_its_context_is_not_seen_by_the_next(site: Site) -> None:
    app = site.app()
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("of the host")
    seen: list[tuple[str, str]] = []

    @app.server_middleware
    async def colour(job: dict[str, Any], call_next: Any) -> Any:
        seen.append(("middleware", variable.get()))
        variable.set("of the middleware")
        return await call_next()

    @app.job(name="Async")
    async def on_loop() -> None:
        seen.append(("async", variable.get()))
        variable.set("of an async job")

    @app.job(name="Sync")
    def in_thread() -> None:
        seen.append(("def", variable.get()))
        variable.set("of a def job")

    for number in range(6):
        site.push("Async" if number % 2 else "Sync", jid=f"{number:024}")
    async with app, app.worker(concurrency=1):
        await eventually(lambda: len(seen) == 12)

    assert {value for place, value in seen if place == "middleware"} == {"of the host"}
    assert {value for place, value in seen if place != "middleware"} == {"of the middleware"}
    assert variable.get() == "of the host"


async def test_server_middleware_wraps_every_run_and_may_skip_it(site: Site) -> None:
    app = site.app()
    seen: list[str] = []

    @app.server_middleware
    async def outer(job: dict[str, Any], call_next: Any) -> Any:
        seen.append("outer in")
        await call_next()
        seen.append("outer out")

    @app.server_middleware
    async def inner(job: dict[str, Any], call_next: Any) -> Any:
        if job["args"] == ["skip"]:
            seen.append("skipped")
            return None
        return await call_next()

    @app.job(name="Job")
    async def job(what: str) -> None:
        seen.append(what)

    site.push("Job", "run", jid="1" * 24)
    site.push("Job", "skip", jid="2" * 24)
    async with app, app.worker(concurrency=1):
        await eventually(lambda: site.counter("stat:processed") == 2)

    assert seen == ["outer in", "run", "outer out", "outer in", "skipped", "outer out"]
    assert site.counter("stat:failed") == 0
    assert site.is_drained()


async def test_a_middleware_may_change_the_arguments_but_not_what_is_stored(site: Site) -> None:
    app = site.app()
    seen: list[Any] = []

    @app.server_middleware
    async def change(job: dict[str, Any], call_next: Any) -> Any:
        job["args"].append("added")
        job["colour"] = "red"
        return await call_next()

    @app.job(name="Job")
    async def job(*args: Any) -> None:
        seen.append(list(args))
        seen.append(current_context().item["colour"])
        raise ValueError("no")

    site.push("Job", 1)
    async with app, app.worker():
        await site.has("retry")

    item, _ = site.only("retry")
    assert seen[1] == "red"
    assert item["args"] == [1]
    assert "colour" not in item


async def test_a_middleware_that_raises_is_a_failure_of_the_job(site: Site) -> None:
    app = site.app()

    @app.server_middleware
    async def break_down(job: dict[str, Any], call_next: Any) -> Any:
        raise KeyError("middleware")

    @app.job(name="Job")
    async def job() -> None:
        pytest.fail("it must not run")

    site.push("Job")
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["error_class"] == "KeyError"
    assert site.is_drained()


async def test_client_middleware_may_stop_a_push(site: Site) -> None:
    app = site.app()

    @app.client_middleware
    async def gate(job: dict[str, Any], call_next: Any) -> Any:
        return await call_next() if job["args"][0] != "stop" else None

    ran: list[str] = []

    @app.job
    async def job(what: str) -> None:
        ran.append(what)

    async with app, app.worker():
        assert await job.enqueue("stop") is None
        assert await job.enqueue("go") is not None
        await eventually(lambda: ran)
        await site.drained()

    assert ran == ["go"]
    assert site.counter("stat:processed") == 1


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_a_job_that_runs_longer_than_its_timeout_has_failed(site: Site, kind: str) -> None:
    app = site.app()
    ended = threading.Event()
    told: list[bool] = []

    if kind == "async":

        @app.job(name="Slow", timeout=0.05)
        async def on_loop() -> None:
            try:
                await asyncio.sleep(30)
            finally:
                told.append(current_context().cancelled)
                ended.set()
    else:

        @app.job(name="Slow", timeout=0.05)
        def in_thread() -> None:
            # Nothing can interrupt a thread: it is asked, and believed if it fails.
            until = time.monotonic() + 30
            while not current_context().cancelled and time.monotonic() < until:
                ended.wait(0.005)
            told.append(current_context().cancelled)
            ended.set()
            raise TimeoutError("gave up")

    site.push("Slow", timeout=None)
    async with app, app.worker(concurrency=1) as worker:
        await site.has("retry")
        await eventually(lambda: not worker.running)
        item, _ = site.only("retry")

    assert told == [True]
    assert item["error_class"] == ("sidelong.errors.JobTimeoutError" if kind == "async" else "TimeoutError")
    assert site.counter("stat:failed") == 1


async def test_a_def_job_that_returns_after_its_timeout_is_done(site: Site) -> None:
    app = site.app()

    @app.job(name="Slow", timeout=0.02)
    def slow() -> None:
        until = time.monotonic() + 30
        while not current_context().cancelled and time.monotonic() < until:
            time.sleep(0.002)

    site.push("Slow")
    async with app, app.worker():
        await eventually(lambda: site.counter("stat:processed") == 1)

    assert site.counter("stat:failed") == 0
    assert site.client.zcard("retry") == 0


async def test_the_timeout_of_a_payload_comes_before_that_of_the_job(site: Site) -> None:
    app = site.app()

    @app.job(name="Slow", timeout=30)
    async def slow() -> None:
        await asyncio.sleep(30)

    site.push("Slow", timeout=0.05)
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["error_class"] == "sidelong.errors.JobTimeoutError"


async def test_reports_a_job_that_does_not_end_after_its_timeout(site: Site, log: Lines) -> None:
    app = site.app(cancel_grace=0.05)
    release = asyncio.Event()

    @app.job(name="Stubborn", timeout=0.02)
    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    site.push("Stubborn", jid="1" * 24)
    async with app, app.worker(concurrency=1) as worker:
        await eventually(lambda: log.containing("stuck: "))
        running = len(worker.running)
        release.set()
        await site.has("retry")

    assert running == 1
    assert f"class=Stubborn jid={'1' * 24}" in log.containing("stuck: ")[0]


async def test_a_job_that_declares_itself_finished_has_not_timed_out(site: Site) -> None:
    app = site.app()

    @app.job(name="Tidy", timeout=0.02)
    async def tidy() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            current_context().finished()

    @app.job(name="Untidy", timeout=0.02)
    async def untidy() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    site.push("Tidy", jid="1" * 24)
    site.push("Untidy", jid="2" * 24)
    async with app, app.worker():
        await eventually(lambda: site.counter("stat:processed") == 2)

    assert site.counter("stat:failed") == 1
    assert site.only("retry")[0]["class"] == "Untidy"


async def test_def_jobs_run_at_once_up_to_the_concurrency(site: Site) -> None:
    app = site.app()
    together = threading.Barrier(20)

    @app.job(name="Together")
    def meet() -> None:
        together.wait(timeout=20)

    for number in range(20):
        site.push("Together", jid=f"{number:024}")
    async with app, app.worker(concurrency=20):
        await eventually(lambda: site.counter("stat:processed") == 20, 20)

    assert site.counter("stat:failed") == 0


async def test_a_coroutine_that_a_def_job_returns_is_awaited(site: Site) -> None:
    app = site.app()
    ran: list[int] = []

    @app.job(name="Wrapped")
    def wrapped() -> Any:
        async def inside() -> None:
            ran.append(threading.get_ident())

        return inside()

    site.push("Wrapped")
    async with app, app.worker():
        await eventually(lambda: site.counter("stat:processed") == 1)

    assert ran == [threading.get_ident()]


async def test_an_alias_finds_the_job(site: Site) -> None:
    app = site.app()
    ran: list[str] = []

    @app.job(name="New", aliases=["Old::Name"])
    async def job() -> None:
        ran.append("alias")

    site.push("Old::Name")
    async with app, app.worker():
        await eventually(lambda: ran)

    assert ran == ["alias"]


async def test_writes_a_line_when_a_job_starts_and_one_when_it_ends(site: Site, log: Lines) -> None:
    app = site.app()

    @app.job(name="Good")
    async def good() -> None: ...

    @app.job(name="Bad")
    async def bad() -> None:
        raise ValueError("no")

    @app.job(name="Quiet")
    async def silent() -> None: ...

    site.push("Good", jid="1" * 24)
    site.push("Bad", jid="2" * 24)
    site.push("Quiet", jid="3" * 24, log_level="error")
    async with app, app.worker(concurrency=1):
        await eventually(lambda: site.counter("stat:processed") == 3)

    lines = [record.getMessage().split(" elapsed")[0] for record in log.records if record.name == "sidelong.job"]
    assert lines == [
        f"start class=Good jid={'1' * 24}",
        f"done class=Good jid={'1' * 24}",
        f"start class=Bad jid={'2' * 24}",
        f"fail class=Bad jid={'2' * 24}",
    ]
