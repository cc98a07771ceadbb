import asyncio
import time

import pytest

from sidelong.store.patience import patience

LIMIT = 0.2


async def test_what_takes_too_long_is_cancelled():
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        async with patience(LIMIT):
            await asyncio.sleep(60)

    assert LIMIT / 2 < time.monotonic() - began < 30


async def test_an_answer_that_is_there_when_a_blocked_loop_turns_again_is_taken():
    answer = asyncio.get_running_loop().create_future()

    async with patience(LIMIT):
        asyncio.get_running_loop().call_later(LIMIT / 2, answer.set_result, "here")
        time.sleep(2 * LIMIT)
        given = await answer

    assert given == "here"


async def test_nothing_is_left_of_a_limit_that_was_kept():
    async with patience(LIMIT):
        pass

    await asyncio.sleep(2 * LIMIT)


async def test_a_cancellation_from_outside_is_no_time_out():
    async def wait():
        async with patience(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
