import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, cast

import pytest

from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.outcome import DONE, HANDED_BACK, Outcome
from sidelong.worker.executions import Executions
from sidelong.worker.executor import Executor

Job = Callable[[Delivery], Coroutine[Any, Any, Outcome]]

number: ContextVar[int] = ContextVar("number", default=0)


class Jobs:
    """Stands for the executor: runs a coroutine function for each delivery."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def execute(self, delivery: Delivery) -> Outcome:
        return await self._job(delivery)

    def cancel(self, delivery: Delivery, reason: CancelReason) -> None:
        delivery.cancel_reason = reason
        if delivery.task is not None:
            delivery.task.cancel()

    def tell_cancelled(self, delivery: Delivery) -> None:
        """Log nothing."""


class Ended(asyncio.Future[Any]):
    """Stands for a task that has ended in its first step."""

    def set_name(self, name: str) -> None:
        """Take a name, as a task does."""


def begin_at_once(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], *, context: Context | None = None, **more: Any
) -> "asyncio.Future[Any]":
    """Do as `asyncio.eager_task_factory`, which Python 3.11 does not have: the first step is done by the caller."""
    context = context or copy_context()
    try:
        awaited = context.run(coro.send, None)
    except StopIteration as end:
        ended = Ended(loop=loop)
        ended.set_result(end.value)
        return ended

    @types.coroutine
    def rest() -> Generator[Any, Any, Any]:
        nonlocal awaited
        while True:
            try:
                sent = yield awaited
            except BaseException as error:
                step = context.run, coro.throw, error
            else:
                step = context.run, coro.send, sent
            try:
                awaited = step[0](*step[1:])
            except StopIteration as end:
                return end.value

    async def go_on() -> Any:
        return await rest()

    return asyncio.Task(go_on(), loop=loop, context=context, **more)


@pytest.fixture(params=[False, True], ids=["plain", "eager"])
def is_eager(request: pytest.FixtureRequest) -> bool:
    """Whether the program around the worker has set a factory whose tasks begin at once."""
    return bool(request.param)


def start(executions: Executions, deliveries: list[Delivery], *, is_eager: bool) -> None:
    loop = asyncio.get_running_loop()
    factory: Any = getattr(asyncio, "eager_task_factory", begin_at_once) if is_eager else None
    loop.set_task_factory(factory)
    try:
        executions.start(deliveries)
    finally:
        loop.set_task_factory(None)


def deliveries(count: int) -> list[Delivery]:
    return [Delivery(b"%d" % each, 0, "default") for each in range(count)]


def executions(job: Job) -> tuple[Executions, asyncio.Event]:
    wake = asyncio.Event()
    return Executions(cast("Executor", Jobs(job)), copy_context(), wake), wake


async def ended(executions: Executions, count: int) -> list[Delivery]:
    """Wait until so many have ended, and return them in the order of their payloads."""
    while len(executions.finished) < count:
        await asyncio.sleep(0)
    return sorted(executions.take_finished(count), key=lambda delivery: delivery.raw)


async def test_jobs_that_need_no_waiting_end_once_each(is_eager: bool) -> None:
    seen: list[tuple[bytes, int]] = []

    async def job(delivery: Delivery) -> Outcome:
        seen.append((delivery.raw, number.get()))
        number.set(number.get() + 1)
        return DONE

    running, wake = executions(job)
    started = deliveries(3)

    start(running, started, is_eager=is_eager)
    ended_at_once = len(running.finished)

    assert ended_at_once == (3 if is_eager else 0)
    assert await ended(running, 3) == started
    assert seen == [(b"0", 0), (b"1", 0), (b"2", 0)]
    assert [(each.outcome, each.task) for each in started] == [(DONE, None)] * 3
    assert (running.count, wake.is_set()) == (0, True)


async def test_jobs_that_wait_can_be_cancelled(is_eager: bool) -> None:
    async def job(delivery: Delivery) -> Outcome:
        await asyncio.Event().wait()
        return DONE

    running, _ = executions(job)
    started = deliveries(3)
    start(running, started, is_eager=is_eager)
    await asyncio.sleep(0)

    running.cancel(CancelReason.STOP)

    assert await ended(running, 3) == started
    assert [each.outcome for each in started] == [HANDED_BACK] * 3
    assert running.count == 0


async def test_a_job_that_abandons_all_in_its_first_step_takes_none_along_that_has_not_begun(is_eager: bool) -> None:
    began: list[bytes] = []

    async def job(delivery: Delivery) -> Outcome:
        began.append(delivery.raw)
        if len(began) == 1:
            # As a worker does that is stopped from inside.
            running.abandon(is_fenced=False)
        return DONE

    running, _ = executions(job)
    started = deliveries(3)

    start(running, started, is_eager=is_eager)
    await ended(running, 3)

    # Without an eager factory all three had been started when the first began.
    assert [each.outcome for each in started] == [HANDED_BACK, *([DONE] * 2 if is_eager else [HANDED_BACK] * 2)]
    assert running.finished == []
    assert running.count == 0


async def test_what_could_not_be_settled_is_settled_again() -> None:
    async def job(delivery: Delivery) -> Outcome:
        return DONE

    running, wake = executions(job)
    (delivery,) = deliveries(1)
    running.start([delivery])
    await ended(running, 1)
    wake.clear()

    running.settle_again([delivery])

    assert (running.take_finished(5), wake.is_set()) == ([delivery], True)
