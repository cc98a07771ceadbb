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
        *(pusher.push([Push(jid, "default", b"{}")]) for jid in ("one", "two")), return_exceptions=True
    )

    assert [type(end) for end in ends] == [EnqueueUncertain, EnqueueUncertain]
    assert [end.jids for end in ends] == [("one",), ("two",)]
    assert [type(context["exception"]) for context in told] == [ValueError]
