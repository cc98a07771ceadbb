import asyncio
from typing import Any

import pytest

from sidelong.errors import Refused, ReplyLost, Unavailable
from sidelong.store.wire import Wire

_READONLY = b"-READONLY You can't write against a read only replica.\r\n"


class Owner:
    """Counts, as a link does."""

    sent = finished = cuts = 0

    def released(self, wire: Wire) -> None: ...


class Transport(asyncio.Transport):
    """Takes what is written and sends nothing."""

    def __init__(self) -> None:
        super().__init__({"socket": None})

    def write(self, data: Any) -> None: ...

    def abort(self) -> None: ...


class Unwritable(Transport):
    """Takes nothing once it `fails`."""

    fails = False

    def write(self, data: Any) -> None:
        if self.fails:
            raise RuntimeError("the handle is closed")


def asked(count: int, *, drops_at_refusal: bool) -> tuple[Wire, Owner, list[Any]]:
    """Return a connection over which so many commands are under way, each sent by itself, and their answers to come."""
    owner, told = Owner(), []
    wire = Wire(owner, answer_within=5.0)
    wire.connection_made(Transport())

    def deliver(answers: list[Any]) -> None:
        told.extend(answers)
        if drops_at_refusal and isinstance(answers[0], Refused):
            wire.abort("it is no longer the master")

    for _ in range(count):
        wire.send([("PING",)], deliver)
    return wire, owner, told


async def test_answers_that_have_come_are_told_although_one_of_them_ends_the_connection() -> None:
    wire, owner, told = asked(5, drops_at_refusal=True)

    wire.data_received(4 * _READONLY + b":1\r\n")

    assert [type(answer) for answer in told] == [Refused] * 4 + [int]
    assert (owner.sent, owner.finished, owner.cuts) == (5, 5, 0)


async def test_what_has_no_answer_then_is_lost() -> None:
    wire, owner, told = asked(3, drops_at_refusal=True)

    wire.data_received(_READONLY)

    assert [type(answer) for answer in told] == [Refused, ReplyLost, ReplyLost]
    assert (owner.sent, owner.finished, owner.cuts) == (3, 3, 1)


async def test_answers_before_what_is_no_answer_count() -> None:
    wire, _, told = asked(3, drops_at_refusal=False)

    wire.data_received(b"+PONG\r\n+PONG\r\nHTTP/1.1 400 Bad Request\r\n")

    assert told[:2] == [b"PONG", b"PONG"]
    assert type(told[2]) is ReplyLost
    assert wire.is_broken


@pytest.mark.parametrize("ends", [False, True], ids=["answered", "cut off"])
async def test_who_fails_to_take_an_answer_takes_none_from_the_others(ends: bool) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    wire, *_ = asked(0, drops_at_refusal=False)

    def fail(answers: list[Any]) -> None:
        raise RuntimeError("a fault")

    wire.send([("PING",)], fail)
    other = wire.exchange([("PING",)])
    if ends:
        wire.connection_lost(ConnectionResetError("gone"))
    else:
        wire.data_received(b"+PONG\r\n+PONG\r\n")

    (answer,) = await other
    assert type(answer) is (ReplyLost if ends else bytes)
    assert [str(context["exception"]) for context in faults] == ["a fault"]


async def test_a_command_that_cannot_be_written_is_told_as_lost_and_shifts_no_answer() -> None:
    owner, transport = Owner(), Unwritable()
    wire = Wire(owner, answer_within=5.0)
    wire.connection_made(transport)
    before = wire.exchange([("ECHO", "before")])
    transport.fails = True

    unwritten = wire.exchange([("ECHO", "unwritten")])
    wire.data_received(b"$6\r\nbefore\r\n")

    assert [type(answer) for answer in (*await before, *await unwritten)] == [ReplyLost, ReplyLost]
    assert wire.is_broken
    assert (owner.sent, owner.finished, owner.cuts) == (2, 2, 1)
    with pytest.raises(Unavailable, match="the handle is closed"):
        wire.exchange([("ECHO", "after")])


async def test_a_reply_that_answers_nothing_is_news() -> None:
    wire, _, told = asked(1, drops_at_refusal=False)

    wire.data_received(b"+PONG\r\n")
    was_news = wire.has_surplus
    wire.data_received(b"+SURPLUS\r\n")

    assert told == [b"PONG"]
    assert (was_news, wire.has_surplus, wire.has_news()) == (False, True, True)


async def test_no_commands_have_their_answers_at_once() -> None:
    wire, owner, _ = asked(0, drops_at_refusal=False)

    assert await wire.exchange(()) == []
    wire.data_received(b"")
    answer = wire.exchange([("PING",)])
    wire.data_received(b"+PONG\r\n")

    assert await answer == [b"PONG"]
    assert (owner.sent, owner.finished) == (1, 1)
