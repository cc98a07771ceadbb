"""Checked by mypy and pyright, never run: each line marked `# error` must be reported, and no other."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import sidelong
from sidelong import (
    CallNext,
    CancelResult,
    Capsule,
    Job,
    JobClass,
    JobRef,
    Middleware,
    Sidelong,
    Step,
    SyncStep,
    Worker,
    current_context,
)
from sidelong.testing import Crash, EnqueuedJob, Jobs, crash_after_each_await, fake, inline

app = Sidelong()


@app.job
async def send(user_id: int, name: str = "x") -> str:
    return name * user_id


@app.job(queue="low", retry=5, timeout=30, tags=["vip"], typed=False, transient=[OSError], expires_in=60)
def resize(width: int, /, *heights: float) -> bytes:
    return b""


@app.job(queue="high")
class CompleteOrder(JobClass):
    async def perform(self, order_id: int, note: str = "") -> str:
        self.context.finished()
        return note

    def price(self) -> int:
        return 1


@app.job
class Sweep(JobClass):
    def perform(self) -> int:
        return 1


async def functions() -> None:
    assert_type(await send.enqueue(1), JobRef | None)
    assert_type(await send.enqueue(user_id=1, name="y"), JobRef | None)
    await send.enqueue_in(60, 1)
    await send.enqueue_in(timedelta(hours=1), 1, name="y")
    await send.enqueue_at(datetime.now(UTC), 1)
    assert_type(await send.enqueue_many([(1,), (2, "y")], spread=60), list[JobRef | None])
    await send.with_options(queue="low", timeout=timedelta(minutes=1), retry_for=3600, custom=1).enqueue(1)
    await send.with_options().enqueue(1)
    await resize.enqueue(1, 2.0, 3.0)

    await send.enqueue("1")  # error
    await send.enqueue()  # error
    await send.enqueue(1, 2)  # error
    await send.enqueue(1, nmae="y")  # error
    await send.enqueue_in("soon", 1)  # error
    await send.enqueue_in(60, "1")  # error
    await send.enqueue_at(datetime.now(UTC))  # error
    await send.enqueue_many([1, 2])  # error
    await send.with_options(queue="low").enqueue("1")  # error
    send.with_options(queue=5)  # error
    send.with_options(tags="vip")  # error
    send.with_options(retry="often", custom=1)  # error
    await resize.enqueue(1, "2")  # error


async def settings() -> None:
    Sidelong("redis://localhost", concurrency=5, queues=["a", "b,2", ("c", 3)], labels=["web"], hostname=None)
    Sidelong(transient=[TimeoutError, OSError])
    Sidelong(capsules=[Capsule(name="pdf", concurrency=1, queues=["pdf"])])
    assert_type(app.worker(concurrency=5, queues=["a"], timeout=3), Worker)
    app.lifespan(worker={"concurrency": 5})

    Sidelong(5)  # error
    Sidelong(concurency=5)  # error
    Sidelong(concurrency="5")  # error
    Sidelong(transient=["OSError"])  # error
    Sidelong(capsules=["pdf"])  # error
    app.worker(concurency=5)  # error
    app.worker(timeout="5")  # error
    app.lifespan(worker={"concurency": 5})  # error
    Capsule(name="pdf", concurrency="1", queues=["pdf"])  # error


async def by_name() -> None:
    assert_type(await app.enqueue("HardJob", 1, queue="ruby", custom=1), JobRef | None)
    await app.enqueue(CompleteOrder, 1)
    await app.enqueue(send, 1)

    await app.enqueue(5)  # error


def without_an_event_loop() -> None:
    assert_type(send.sync.enqueue(1), JobRef | None)
    assert_type(send.sync.enqueue_in(timedelta(hours=1), 1, name="y"), JobRef | None)
    send.sync.enqueue_at(datetime.now(UTC), 1)
    assert_type(send.sync.enqueue_many([(1,), (2, "y")], spread=60), list[JobRef | None])
    assert_type(send.sync.with_options(queue="low", custom=1).enqueue(1), JobRef | None)
    send.with_options(queue="low").sync.enqueue(1)
    assert_type(CompleteOrder.sync.enqueue(order_id=1), JobRef | None)
    CompleteOrder.sync.enqueue_in(60, 1, "y")
    CompleteOrder().sync.enqueue(1)
    Sweep.sync.enqueue()
    assert_type(app.sync.enqueue("HardJob", 1, queue="ruby"), JobRef | None)
    assert_type(app.sync.cancel("a"), CancelResult)
    assert_type(app.sync.run(app.cancel, "a"), CancelResult)
    assert_type(app.sync.client.push({"class": "HardJob", "args": [1]}), str | None)
    assert_type(app.sync.client.push_bulk({"class": "HardJob", "args": [[1]]}), list[str | None])

    send.sync.enqueue("1")  # error
    send.sync.enqueue_in("soon", 1)  # error
    send.sync.enqueue_at(datetime.now(UTC))  # error
    send.sync.enqueue_many([1, 2])  # error
    send.sync.with_options(queue="low").enqueue("1")  # error
    send.sync.with_options(queue=5)  # error
    send.with_options(queue="low").sync.enqueue("1")  # error
    CompleteOrder.sync.enqueue("1")  # error
    Sweep.sync.enqueue(1)  # error
    app.sync.enqueue(5)  # error


async def testing() -> None:
    with fake(app) as jobs, inline(app, server_middleware=True):
        assert_type(jobs, Jobs)
        assert_type(await jobs.drain(send, queue="low"), int)
        assert_type(await jobs.perform_one(CompleteOrder), EnqueuedJob)
        assert_type(jobs.assert_enqueued(send, [1], at=timedelta(hours=1), queue="low"), EnqueuedJob)
        jobs.assert_enqueued("HardJob", at=None)
        await jobs.travel_to(datetime.now(UTC))
        assert_type(jobs[0], EnqueuedJob)

        jobs.assert_enqueued(5)  # error
        jobs.assert_enqueued(send, at="tomorrow")  # error
        await jobs.travel(datetime.now(UTC))  # error
    async for crash in crash_after_each_await(CompleteOrder, 1, setup=dict):
        assert_type(crash, Crash)
    fake()  # error


async def charge(order_id: int, *, key: str) -> dict[str, str]:
    return {"key": key, "order": str(order_id)}


async def steps() -> None:
    context = current_context()
    assert_type(context.idempotency_key("order", 7), str)
    async with context.once("charge", 7, ttl=timedelta(days=1)) as step:
        assert_type(step, Step)
        assert_type(step.done, bool)
        assert_type(await step.run(charge, 7, key="k"), dict[str, str])
        step.result = {"any": [1]}

        await step.run(charge, 7)  # error
        await step.run(charge, "7", key="k")  # error
        await step.run(resize, 1)  # error
        step.done = True  # error
    with context.once("charge", ttl=60) as blocking:
        assert_type(blocking, SyncStep)
        assert_type(blocking.run(resize, 1, 2.0), bytes)
        blocking.run(resize, "1")  # error

    context.once(7.5)  # error
    context.once("charge", ttl="day")  # error
    context.idempotency_key(None)  # error


async def calls() -> None:
    assert_type(await send(1), str)
    assert_type(resize(1, 2.0), bytes)
    assert_type(await send.inline(1), str | None)
    assert_type(await resize.inline(1), bytes | None)

    send("1")  # error
    await send.inline("1")  # error


async def classes() -> None:
    assert_type(CompleteOrder().price(), int)
    assert_type(await CompleteOrder.enqueue(1), JobRef | None)
    await CompleteOrder.enqueue(order_id=1, note="y")
    await CompleteOrder.enqueue_in(60, 1)
    await CompleteOrder.enqueue_at(datetime.now(UTC), 1, "y")
    await CompleteOrder.enqueue_many([(1,)])
    await CompleteOrder.with_options(queue="low").enqueue(1)
    assert_type(await CompleteOrder.with_options(queue="low", custom=1).inline(1), str | None)
    assert_type(await CompleteOrder.inline(1), str | None)
    assert_type(await Sweep.inline(), int | None)
    await Sweep.enqueue()

    await CompleteOrder.enqueue("1")  # error
    await CompleteOrder.enqueue()  # error
    await CompleteOrder.enqueue_in(60, "1")  # error
    await CompleteOrder.enqueue_at("soon", 1)  # error
    await CompleteOrder.with_options(queue="low").enqueue("1")  # error
    CompleteOrder.with_options(queue=5)  # error
    await CompleteOrder.inline("1")  # error
    await Sweep.enqueue(1)  # error


def names() -> None:
    assert_type(sidelong.Worker, type[Worker])
    _ = sidelong.NoSuchName  # error


def definitions() -> None:
    app.job(queue=5)  # error
    app.job(retry="often")  # error
    app.job(tags="vip")  # error
    app.job(timeout="30")  # error
    app.job(typed="no")  # error
    app.job(transient=["OSError"])  # error
    app.job(timeout=timedelta(seconds=30), retry_for=timedelta(days=1))
    app.on("start")  # error


@app.client_middleware
async def on_push(job: dict[str, Any], call_next: CallNext) -> Any:
    return await call_next()


@app.server_middleware
async def on_run(job: dict[str, Any], call_next: Callable[[], Awaitable[Any]]) -> None:
    await call_next()


middleware: list[Middleware] = [on_push]


@app.on("startup")
async def prepare() -> None: ...


@app.error_handler
def report(exception: BaseException, context: dict[str, Any]) -> None: ...


@app.death_handler
async def bury(payload: dict[str, Any], exception: BaseException) -> None: ...


async def middleware_stays_what_it_is() -> None:
    await on_push({}, bare)
    assert_type(await prepare(), None)


async def bare(job: dict[str, Any] | None = None, /) -> Any: ...


def takes_a_job(job: Job[[int], Any]) -> None: ...
