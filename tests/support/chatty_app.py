"""Jobs that log, for `sidelong run tests.support.chatty_app:app`; the environment says where Redis is."""

import asyncio
import logging
import os
import threading

from sidelong import Sidelong
from sidelong.logs import log_context
from tests.support.timings import TEST_TIMINGS

ON_LOOP = 40
IN_THREADS = 10

logger = logging.getLogger("chatty")
app = Sidelong(concurrency=ON_LOOP + IN_THREADS, log_format=os.environ.get("CHATTY_LOG_FORMAT", "auto"), **TEST_TIMINGS)

_on_loop = asyncio.Barrier(ON_LOOP)
_in_threads = threading.Barrier(IN_THREADS)


@app.job(name="talk")
async def talk(number: int) -> None:
    """Logs in between and after all others of its kind, also from a task and a thread of its own."""
    with log_context(number=number):
        logger.info("on the loop of %d", number)
        await _on_loop.wait()
        logger.debug("for debugging of %d", number)
        await asyncio.gather(_say("in a task", number), asyncio.to_thread(_say_now, "in another thread", number))
        await _on_loop.wait()
    logger.info("at the end of %d", number)


@app.job(name="talk_in_thread")
def talk_in_thread(number: int) -> None:
    """Does the same in a thread."""
    _in_threads.wait()
    logger.info("in a thread of %d", number)
    logger.debug("for debugging of %d", number)
    _in_threads.wait()


@app.job(name="say")
async def say(text: str, times: int = 1) -> None:
    """Logs a text."""
    for _ in range(times):
        logger.info("%s", text)


@app.job(name="fail")
async def fail(text: str) -> None:
    """Fails with a text."""
    raise ValueError(text)


async def _say(where: str, number: int) -> None:
    await asyncio.sleep(0)
    _say_now(where, number)


def _say_now(where: str, number: int) -> None:
    logger.info("%s of %d", where, number)
