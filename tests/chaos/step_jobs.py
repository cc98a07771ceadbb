"""Jobs with steps, which tell the ledger of each: about to begin, at work, ended."""

import asyncio
import time
from uuid import uuid4

from sidelong import current_context
from tests.chaos.events import ASKING, STEP, STEPPED, words
from tests.support import jobs
from tests.support.ledger import Ledger


class StepTales:
    """Tells of the steps of one run of a job.

    Args:
        ledger: is told.
        jid: of the job.
    """

    def __init__(self, ledger: Ledger, jid: str) -> None:
        self._ledger = ledger
        self._jid = jid
        self._run = uuid4().hex[:8]

    def tell(self, event: str, step: int, **more: object) -> None:
        """Tell the ledger of one step."""
        self._ledger.write(event, self._jid, words(step=step, run=self._run, **more))


def tales(jid: str) -> StepTales:
    """Return what tells of a run of this job."""
    assert jobs._ledger is not None
    return StepTales(jobs._ledger, jid)


async def in_steps(count: int, seconds: float, fails_after: int = 0) -> None:
    """Take one step after the other; the first attempt fails after some of them, if that is asked for."""
    with jobs.recorded() as jid:
        context, told = current_context(), tales(jid)
        for number in range(count):
            await _step(told, number, seconds)
            if context.attempt == 1 and number + 1 == fails_after:
                raise RuntimeError("fails between two steps")


async def steps_at_once(count: int, seconds: float) -> None:
    """Take all steps at the same time."""
    with jobs.recorded() as jid:
        told = tales(jid)
        await asyncio.gather(*(_step(told, number, seconds) for number in range(count)))


async def _step(told: StepTales, number: int, seconds: float) -> None:
    told.tell(ASKING, number)
    async with current_context().once("step", number) as step:
        if not step.done:
            told.tell(STEP, number)
            await asyncio.sleep(seconds / 2)
            jobs.midway()
            await asyncio.sleep(seconds / 2)
            step.result = uuid4().hex[:8]
    told.tell(STEPPED, number, result=step.result)


def steps_in_thread(count: int, seconds: float) -> None:
    """Take one step after the other, in a thread."""
    with jobs.recorded() as jid:
        context, told = current_context(), tales(jid)
        for number in range(count):
            told.tell(ASKING, number)
            with context.once("step", number) as step:
                if not step.done:
                    told.tell(STEP, number)
                    time.sleep(seconds)
                    jobs.midway()
                    step.result = uuid4().hex[:8]
            told.tell(STEPPED, number, result=step.result)


JOBS = (in_steps, steps_at_once, steps_in_thread)
"""All of them."""
