import asyncio
from collections.abc import Sequence
from contextvars import copy_context
from random import Random
from typing import cast

import pytest

from sidelong.core.clock import SystemClock
from sidelong.core.config import Capsule, Config
from sidelong.core.delivery import Delivery
from sidelong.core.outcome import DONE, Outcome
from sidelong.store.control import CancelAnswer
from sidelong.store.queues import Turn
from sidelong.worker.dispatcher import Dispatcher
from sidelong.worker.executor import Executor
from sidelong.worker.fetcher import Fetcher, GaveUp

TURNS = 12
# How long an answer of Redis is under way: what begins meanwhile, begins within the first of these turns of the loop.
UNDER_WAY = 5


class Jobs:
    """Stands for the executor: jobs that need no waiting."""

    def __init__(self) -> None:
        self.began = 0

    async def execute(self, delivery: Delivery) -> Outcome:
        self.began += 1
        return DONE


class EndlessQueue:
    """Stands for the fetcher: gives as many as are asked for, and notes what happened while each turn was under way.

    Attributes:
        settled: how many each turn settled.
        begun: how many jobs began between the question and its answer.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.settled: list[int] = []
        self.begun: list[int] = []
        self._jobs = jobs

    async def turn(self, settling: Sequence[Delivery], free: int, takes: Sequence[tuple[int, int]]) -> Turn:
        if len(self.settled) == TURNS:
            raise GaveUp
        before = self._jobs.began
        for _ in range(UNDER_WAY):
            await asyncio.sleep(0)
        self.settled.append(len(settling))
        self.begun.append(self._jobs.began - before)
        return Turn(settling, taken=[(0, [b"{}"] * free)])


def dispatcher_of(jobs: Jobs, slots: int, queues: Sequence[str] = ("default",)) -> Dispatcher:
    return Dispatcher(
        capsule=Capsule(name="default", concurrency=slots, queues=queues),
        config=Config(),
        clock=SystemClock(),
        executor=cast("Executor", jobs),
        context=copy_context(),
        random=Random(0),
        unregistered=lambda: None,
        is_trusted=lambda: True,
    )


async def run(slots: int) -> EndlessQueue:
    """Let a capsule of so many slots have its turns, from a first look into the queue on."""
    jobs = Jobs()
    queue = EndlessQueue(jobs)
    dispatcher = dispatcher_of(jobs, slots)
    dispatcher.connect(cast("Fetcher", queue))
    dispatcher.poke()
    await dispatcher.run()
    return queue


@pytest.mark.parametrize("slots", [32, 64, 100])
async def test_one_half_of_the_jobs_runs_while_the_other_is_settled(slots: int) -> None:
    queue = await run(slots)

    # The first turn finds nothing to settle, and the second nothing to run but what it settles half of.
    assert queue.settled == [0, *[slots // 2] * (TURNS - 1)]
    assert queue.begun == [0, 0, *[slots // 2] * (TURNS - 2)]


@pytest.mark.parametrize("slots", [1, 10, 31])
async def test_few_jobs_are_settled_in_the_turn_after_they_ended(slots: int) -> None:
    queue = await run(slots)

    assert queue.settled == [0, *[slots] * (TURNS - 1)]
    assert queue.begun == [0] * TURNS


class ParkedQueue:
    """Stands for the fetcher of an idle capsule."""

    def __init__(self) -> None:
        self.parked = asyncio.Event()

    def park(self) -> None:
        self.parked.set()

    def unpark(self) -> None:
        self.parked.clear()

    def give_up(self) -> None: ...


@pytest.mark.parametrize(("slots", "begins"), [(1, []), (2, [b"a"])])
async def test_what_arrives_begins_at_once_if_no_other_can_be_in_its_way(slots: int, begins: list[bytes]) -> None:
    dispatcher, queue = dispatcher_of(Jobs(), slots, ("high", "low")), ParkedQueue()
    dispatcher.connect(cast("Fetcher", queue))
    loop = asyncio.create_task(dispatcher.run())
    await queue.parked.wait()

    dispatcher.arrived((1, b"a"))
    running = [delivery.raw for delivery in dispatcher.running]
    dispatcher.give_up()
    await loop
    # Its loop has ended, and settles no more: nothing may begin.
    dispatcher.arrived((1, b"b"))

    assert running == begins
    assert b"b" not in [delivery.raw for delivery in dispatcher.running]


class RescuedQueue:
    """Stands for the fetcher of a capsule whose loop has failed: asks to call a job off while it is handed back."""

    def __init__(self) -> None:
        self.dispatcher = dispatcher_of(Jobs(), 1)
        self.dispatcher.connect(cast("Fetcher", self))
        self.answers: list[CancelAnswer] = []

    async def cut_off(self) -> None:
        """Nothing waits."""

    async def left_behind(self) -> list[tuple[int, bytes]]:
        return []

    async def turn(self, settling: Sequence[Delivery], free: int, takes: Sequence[tuple[int, int]]) -> Turn:
        self.answers.append(self.dispatcher.cancel_job("a" * 24))
        return Turn(settling)


async def test_what_is_being_handed_back_after_a_fault_is_not_told_to_be_cancelled() -> None:
    queue = RescuedQueue()
    queue.dispatcher.arrived((0, b'{"class":"Hold","args":[],"jid":"%s"}' % (b"a" * 24)))

    await queue.dispatcher.rescue()

    assert queue.answers == [CancelAnswer.MOVING]
    assert queue.dispatcher.cancel_job("a" * 24) == CancelAnswer.ABSENT
