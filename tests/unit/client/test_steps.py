import asyncio
import logging
import time

import pytest

from sidelong.client import steps as module
from sidelong.client.step_memory import StepMemory
from sidelong.client.steps import Steps
from sidelong.core.context import Context
from sidelong.errors import StoreError


class SlowMemory(StepMemory):
    """Remembers, once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.turns = 0

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool = False) -> bytes:
        self.began.set()
        await self.gate.wait()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return await super().record(jid, step, record, ttl)


@pytest.fixture
def memory() -> SlowMemory:
    return SlowMemory()


async def job(memory: StepMemory) -> None:
    async with Context("j1", "default", {}, lambda: False, Steps(memory, no_close)).once("charge") as step:
        assert not step.done


async def no_close() -> None:
    pass


async def is_remembered(memory: StepMemory) -> bool:
    return await memory.look("j1", b'["charge"]', 60) is not None


async def test_a_cancellation_at_the_end_of_a_step_waits_until_it_is_remembered(memory):
    task = asyncio.create_task(job(memory))
    await memory.began.wait()

    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    memory.gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_remembered(memory)


async def test_a_cancellation_that_came_before_the_end_does_not_make_it_be_forgotten(memory):
    memory.gate.set()

    async def cancelled_at_its_last_line() -> None:
        async with Context("j1", "default", {}, lambda: False, Steps(memory, no_close)).once("charge") as step:
            assert not step.done
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(cancelled_at_its_last_line())
    assert await is_remembered(memory)


async def test_a_timeout_is_one_all_the_same(memory):
    async def timed() -> None:
        async with asyncio.timeout(0):
            await job(memory)

    task = asyncio.create_task(timed())
    memory.gate.set()

    with pytest.raises(TimeoutError):
        await task


async def test_a_cancellation_does_not_wait_for_ever_and_the_record_goes_on(memory, monkeypatch):
    monkeypatch.setattr(module, "_AFTER_CANCELLATION", 0.01)
    task = asyncio.create_task(job(memory))
    await memory.began.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await is_remembered(memory)

    memory.gate.set()
    (recording,) = [each for each in asyncio.all_tasks() if each.get_name() == "sidelong-step"]
    await recording
    assert await is_remembered(memory)


async def test_while_something_blocks_the_loop_no_time_is_over(memory, monkeypatch):
    monkeypatch.setattr(module, "_AFTER_CANCELLATION", 0.1)
    monkeypatch.setattr(module, "_TURN", 0.001)
    memory.turns = 5
    task = asyncio.create_task(job(memory))
    await memory.began.wait()

    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # As a job does that computes.
    time.sleep(0.15)
    memory.gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_remembered(memory)


@pytest.mark.parametrize("fails", [False, True])
async def test_the_same_block_waits_for_a_record_that_goes_on_after_a_cancellation(memory, monkeypatch, fails):
    monkeypatch.setattr(module, "_AFTER_CANCELLATION", 0.01)
    context = Context("j1", "default", {}, lambda: False, Steps(memory, no_close))
    memory.error = StoreError("away") if fails else None
    seen: list[bool] = []

    async def pay() -> None:
        async with context.once("charge") as step:
            seen.append(step.done)

    first = asyncio.create_task(pay())
    await memory.began.wait()
    first.cancel()
    await asyncio.wait({first})
    again = asyncio.create_task(pay())
    await asyncio.wait({again}, timeout=0.05)
    assert seen == [False]
    memory.gate.set()
    await asyncio.wait({again})

    assert seen == [False, not fails]
    # Of the second one, if it has done the work again.
    assert isinstance(again.exception(), StoreError) is fails


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_was_cancelled_is_told_in_the_log_of_what_may_be_forgotten(memory, monkeypatch, caplog, is_late):
    monkeypatch.setattr(module, "_AFTER_CANCELLATION", 0.01 if is_late else 60)
    memory.error = StoreError("away")
    task = asyncio.create_task(job(memory))
    await memory.began.wait()

    with caplog.at_level(logging.ERROR, "sidelong"):
        task.cancel()
        await asyncio.sleep(0)
        if is_late:
            await asyncio.wait({task})
        memory.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        for each in asyncio.all_tasks():
            if each.get_name() == "sidelong-step":
                await asyncio.wait({each})
        await asyncio.sleep(0)

    (record,) = caplog.records
    assert record.getMessage() == (
        'step ["charge"] of job j1 has finished and may not be remembered: it may run again: away'
    )


async def test_what_goes_wrong_otherwise_is_raised(memory):
    memory.error = StoreError("away")
    memory.gate.set()

    with pytest.raises(StoreError, match="away"):
        await job(memory)
