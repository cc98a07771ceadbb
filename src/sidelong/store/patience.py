"""A time limit that does not count the time during which the event loop was blocked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TICKS = 4


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Cancel what runs inside the block after `seconds`, counted in turns of a timer.

    After a job has blocked the loop, or the machine stood still, a timer and the answer are ready at the same moment.
    A timer of the whole length would win, and call a server that answered in time unreachable.

    Raises:
        TimeoutError: the time was over.
    """
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)
    timer: asyncio.TimerHandle

    def wait(ticks: int) -> None:
        nonlocal timer
        if ticks:
            timer = loop.call_later(seconds / _TICKS, wait, ticks - 1)
        else:
            limit.reschedule(loop.time())

    wait(_TICKS)
    try:
        async with limit:
            yield
    finally:
        timer.cancel()
