import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from sidelong.errors import EnqueueUncertain
from sidelong.store.pusher import Push, Pusher
from sidelong.store.wire import Command, Deliver


class FaultyLink:
    """A link with a fault that no link should have."""

    def __init__(self, *, answers: list[Any] | None) -> None:
        self._answers = answers

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        if self._answers is None:
            raise ValueError("a fault")
        asyncio.get_running_loop().call_soon(deliver, self._answers)
        return True


@pytest.mark.parametrize("answers", [None, []], ids=["in sending", "in what is answered"])
async def test_a_fault_leaves_nobody_waiting(answers: list[Any] | None) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    pusher = Pusher(FaultyLink(answers=answers))  # type: ignore[arg-type]

    ends = await asyncio.gather(
        *(pusher.push([Push(jid, "default", b"{}")]) for jid in ("one", "two", "three")), return_exceptions=True
    )

    assert [type(end) for end in ends] == [EnqueueUncertain] * 3
    assert [end.jids for end in ends] == [("one",), ("two",), ("three",)]
    # One for the first, which goes out at once, and one for the others.
    assert [type(context["exception"]) for context in told] == [ValueError] * 2


class NotingLink:
    """A link that notes what it is given, and answers at once."""

    def __init__(self) -> None:
        self.sent: list[Sequence[Command]] = []

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        self.sent.append(commands)
        asyncio.get_running_loop().call_soon(deliver, [1] * len(commands))
        return True


async def test_the_first_push_of_a_turn_goes_out_at_once_and_the_others_together() -> None:
    link = NotingLink()
    pusher = Pusher(link)  # type: ignore[arg-type]

    def push(*jids: str) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(pusher.push([Push(jid, "default", jid.encode())])) for jid in jids]

    await asyncio.gather(*push("1", "2", "3"))
    # A turn later, everything begins anew.
    await asyncio.gather(*push("4", "5"))

    stored = [commands[-1][2:] for commands in link.sent]
    assert stored == [(b"1",), (b"2", b"3"), (b"4",), (b"5",)]


class UnopenedLink:
    """A link over which everything takes a task."""

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        return False

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        raise AssertionError("the task was cancelled before its first step")


async def test_a_push_whose_task_is_cancelled_before_it_begins_leaves_nobody_waiting() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    pusher = Pusher(UnopenedLink())  # type: ignore[arg-type]
    caller = asyncio.create_task(pusher.push([Push("one", "default", b"{}")]))
    # In its first step it makes the task that sends.
    await asyncio.sleep(0)

    (sending,) = [task for task in asyncio.all_tasks() if task.get_name() == "sidelong-push"]
    sending.cancel()

    with pytest.raises(EnqueueUncertain, match="broken off") as caught:
        await caller
    assert caught.value.jids == ("one",)
    assert told == []
