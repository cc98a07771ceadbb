"""Jobs with steps in tests: remembered in the block, and safe to repeat or not."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sidelong import StepError, current_context
from sidelong.client.background import end_background
from sidelong.testing import crash_after_each_await, fake, inline


@pytest.fixture(autouse=True)
def ended_background() -> Iterator[None]:
    """End the event loop that threads without a worker have started."""
    yield
    end_background()


class Bank:
    def __init__(self) -> None:
        self.charges: list[str] = []
        self.mails: list[Any] = []

    async def charge(self, key: str) -> dict[str, int]:
        self.charges.append(key)
        return {"receipt": len(self.charges)}

    async def mail(self, receipt: Any) -> None:
        self.mails.append(receipt)


@pytest.fixture
def banks() -> list[Bank]:
    return [Bank()]


@pytest.fixture
def pay(app, banks):
    @app.job
    async def pay(order_id: int) -> None:
        context = current_context()
        async with context.once("charge", order_id) as step:
            receipt = await step.run(banks[-1].charge, context.idempotency_key("charge", order_id))
        async with context.once("mail") as step:
            if not step.done:
                await banks[-1].mail(receipt)

    return pay


async def test_a_job_that_runs_again_in_a_block_leaves_finished_steps_out(app, pay, banks):
    with fake(app) as jobs:
        for _ in range(2):
            await app.client.push({"class": pay, "args": [7], "jid": "a" * 24})
        assert await jobs.drain() == 2
        await pay.enqueue(7)
        await jobs.perform_one()

    assert len(banks[-1].charges) == len(set(banks[-1].charges)) == 2
    assert banks[-1].mails == [{"receipt": 1}, {"receipt": 2}]


async def test_a_block_remembers_nothing_of_another(app, pay, banks):
    for _ in range(2):
        with inline(app):
            await app.client.push({"class": pay, "args": [7], "jid": "a" * 24})

    assert len(banks[-1].charges) == 2


def test_a_def_job_has_steps_in_a_block_without_an_event_loop(app):
    seen: list[str] = []

    @app.job
    def in_thread() -> None:
        with current_context().once("charge") as step:
            step.run(seen.append, "charge")

    with fake(app) as jobs:
        for _ in range(2):
            app.sync.client.push({"class": in_thread, "args": [], "jid": "a" * 24})
        app.sync.run(jobs.drain)

    assert seen == ["charge"]


async def test_a_plain_run_inline_has_steps_without_redis(app, pay, banks):
    @app.job
    def in_thread() -> Any:
        with current_context().once("charge") as step:
            return step.run(lambda: "receipt")

    await pay.inline(7)
    await pay.inline(7)

    assert len(set(banks[-1].charges)) == 2
    assert await in_thread.inline() == "receipt"


async def test_a_test_finds_a_body_that_does_not_ask(app):
    @app.job
    async def careless() -> None:
        async with current_context().once("charge"):
            await asyncio.sleep(0)

    with inline(app), pytest.raises(StepError, match="has not asked"):
        await careless.enqueue()


async def test_each_crash_is_followed_by_a_run_that_leaves_finished_steps_out(app, pay, banks):
    def new_bank() -> Bank:
        banks.append(Bank())
        return banks[-1]

    charges, mails, places = [], [], []
    async for crash in crash_after_each_await(pay, 7, setup=new_bank):
        charges.append(len(crash.state.charges))
        assert len(set(crash.state.charges)) == 1, crash
        mails.append(len(crash.state.mails))
        places.append(crash.after)

    # Killed as the step began, as `run` ended, after the block; the same for the mail; and at the end.
    assert charges == [1, 2, 1, 1, 1, 1, 1]
    assert mails == [1, 1, 1, 1, 2, 1, 1]
    assert places[-1] == "its end"
    assert all("test_steps.py" in place for place in places[:-1])


async def test_a_crash_in_the_middle_of_steps_that_run_at_once_repeats_none_that_had_finished(app):
    done: list[int] = []

    async def part(number: int) -> None:
        async with current_context().once("part", number) as step:
            if not step.done:
                await asyncio.sleep(0)
                done.append(number)

    @app.job
    async def gather() -> None:
        await asyncio.gather(*map(part, range(3)))

    counts = []
    async for _ in crash_after_each_await(gather, setup=done.clear):
        assert set(done) == {0, 1, 2}
        counts.append(len(done))

    assert counts[-1] == 3
    assert max(counts) <= 6
