"""Getting jobs into Redis: what is pushed in one turn of the loop shares two round trips.

The first push goes out at once, so that a single one loses no time; the others follow together at the end of the turn.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from sidelong.errors import EnqueueUncertain, NotEnqueued, PushError, Refused, ReplyLost, Unavailable
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.wire import Word

_PER_COMMAND = 1000
_BYTES_PER_COMMAND = 4_000_000
_ASK_AGAIN = frozenset({"READONLY", "NOREPLICAS", "UNBLOCKED", "MASTERDOWN"})

_Troubles = dict[int, Refused | ReplyLost | Unavailable]
"""What went wrong, by the identity of the push."""


class Push(msgspec.Struct, eq=False):
    """One job on its way in.

    Attributes:
        jid: its id.
        queue: queue name.
        raw: payload, without `at`.
        at: epoch seconds for the schedule set; None for the queue.
    """

    jid: str
    queue: str
    raw: bytes
    at: float | None = None


@dataclass(slots=True)
class _Call:
    """What one caller pushes, and where it waits."""

    pushes: Sequence[Push]
    done: asyncio.Future[None]


class Pusher:
    """Stores jobs; callers of the same moment share round trips, and each waits for its own answer.

    Args:
        link: the connection for pushes.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: list[_Call] = []
        self._is_gathering = False
        self._sending: set[asyncio.Task[_Troubles]] = set()

    async def push(self, pushes: Sequence[Push]) -> None:
        """Store jobs; when this returns, Redis has them.

        Raises:
            NotEnqueued: nothing of this call was stored, but for the jobs in `enqueued`.
            EnqueueUncertain: the jobs in `jids` were sent, and no answer came.
        """
        loop = asyncio.get_running_loop()
        call = _Call(pushes, loop.create_future())
        if self._is_gathering:
            self._calls.append(call)
        else:
            self._is_gathering = True
            loop.call_soon(self._flush)
            self._start([call])
        # Cancelling one caller must not fail the others: nobody awaits the flush itself.
        await call.done

    def _flush(self) -> None:
        """Send what has gathered in one turn of the loop since the first push of it."""
        calls, self._calls = self._calls, []
        self._is_gathering = False
        if calls:
            self._start(calls)

    def _start(self, calls: list[_Call]) -> None:
        """Send pushes; nearly always that needs no task. A fault is told to the loop, and ends them all."""
        request = _Request([push for call in calls for push in call.pushes])

        def deliver(answers: list[Any]) -> None:
            with _leaving_nobody_waiting(calls):
                troubles = request.troubles(answers)
                if any(map(_may_ask_again, troubles.values())):
                    self._await(self._ask_again(request.pushes, troubles), calls)
                else:
                    _answer(calls, troubles)

        try:
            with _leaving_nobody_waiting(calls):
                if not self._link.post(request.commands, deliver):
                    self._await(self._send(request), calls)
        except Exception as fault:
            context = {"message": "a push was broken off", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(context)

    def _await(self, sending: Coroutine[Any, Any, _Troubles], calls: list[_Call]) -> None:
        """Send in a task, where it cannot be done at once."""
        task = asyncio.get_running_loop().create_task(sending, name="sidelong-push")
        self._sending.add(task)
        task.add_done_callback(partial(self._sent, calls))

    def _sent(self, calls: list[_Call], task: "asyncio.Task[_Troubles]") -> None:
        # A callback: a task that is cancelled before its first step runs none of its own code.
        self._sending.discard(task)
        with suppress(asyncio.CancelledError), _leaving_nobody_waiting(calls):
            _answer(calls, task.result())

    async def _send(self, request: "_Request") -> _Troubles:
        """Send over a connection that is yet to be opened; return what went wrong."""
        troubles = await self._exchange(request)
        if any(map(_may_ask_again, troubles.values())):
            troubles = await self._ask_again(request.pushes, troubles)
        return troubles

    async def _ask_again(self, pushes: Sequence[Push], troubles: _Troubles) -> _Troubles:
        # The server refused because it is no longer the master: the link has dropped it.
        again = [push for push in pushes if _may_ask_again(troubles.get(id(push)))]
        settled = {key: trouble for key, trouble in troubles.items() if not _may_ask_again(trouble)}
        return settled | await self._exchange(_Request(again))

    async def _exchange(self, request: "_Request") -> _Troubles:
        try:
            return request.troubles(await self._link.pipeline(request.commands))
        except Unavailable as error:
            return {id(push): error for push in request.pushes}


class _Request:
    """The commands that store some jobs, and what their answers mean."""

    def __init__(self, pushes: Sequence[Push]) -> None:
        self.pushes = pushes
        self._chunks = _chunks(pushes)
        self._queues = list(dict.fromkeys([push.queue for push in pushes if push.at is None]))
        self.commands: list[Sequence[Word]] = [("SADD", keys.QUEUES, *self._queues)] if self._queues else []
        self.commands += map(_command, self._chunks)

    def troubles(self, answers: Sequence[Any]) -> _Troubles:
        """Return what went wrong, by the identity of the push."""
        # A queue that could not be listed is still served: only its push decides.
        answers = answers[1:] if self._queues else answers
        return {
            id(push): answer
            for chunk, answer in zip(self._chunks, answers, strict=True)
            if isinstance(answer, Refused | ReplyLost)
            for push in chunk
        }


@contextmanager
def _leaving_nobody_waiting(calls: Sequence[_Call]) -> Iterator[None]:
    """End all calls if something goes wrong that should not."""
    try:
        yield
    except BaseException as fault:
        for call in calls:
            jids = [push.jid for push in call.pushes]
            _end_call(call, EnqueueUncertain(f"the push was broken off: {fault!r}", jids))
        raise


def _answer(calls: Sequence[_Call], troubles: _Troubles) -> None:
    for call in calls:
        _end_call(call, _error_of(call.pushes, troubles) if troubles else None)


def _end_call(call: _Call, error: PushError | None) -> None:
    if call.done.done():
        return
    if error is None:
        call.done.set_result(None)
    else:
        call.done.set_exception(error)


def _may_ask_again(trouble: Exception | None) -> bool:
    return isinstance(trouble, Refused) and trouble.code in _ASK_AGAIN


def _chunks(pushes: Sequence[Push]) -> list[list[Push]]:
    """Part pushes by destination, in order, into commands of bounded size."""
    if len(pushes) <= _PER_COMMAND and _fit_in_one(pushes):
        return [[*pushes]]
    chunks: list[list[Push]] = []
    open_chunks: dict[str | None, tuple[list[Push], int]] = {}
    for push in pushes:
        destination = push.queue if push.at is None else None
        chunk, size = open_chunks.get(destination, ([], 0))
        if not chunk or len(chunk) >= _PER_COMMAND or size + len(push.raw) > _BYTES_PER_COMMAND:
            chunk, size = [], 0
            chunks.append(chunk)
        chunk.append(push)
        open_chunks[destination] = (chunk, size + len(push.raw))
    return chunks


def _fit_in_one(pushes: Sequence[Push]) -> bool:
    """Tell whether all of them go to one queue, in one command; nearly all calls do."""
    return (
        len({push.queue if push.at is None else None for push in pushes}) == 1
        and sum([len(push.raw) for push in pushes]) <= _BYTES_PER_COMMAND
    )


def _command(chunk: list[Push]) -> Sequence[Word]:
    if chunk[0].at is None:
        return ("LPUSH", keys.queue(chunk[0].queue), *[push.raw for push in chunk])
    members: list[Word] = []
    for push in chunk:
        members += (repr(push.at), push.raw)
    return ("ZADD", keys.SCHEDULE, *members)


def _error_of(pushes: Sequence[Push], troubles: _Troubles) -> PushError | None:
    mine = [push for push in pushes if id(push) in troubles]
    if not mine:
        return None
    stored = [push.jid for push in pushes if id(push) not in troubles]
    uncertain = [push.jid for push in mine if isinstance(troubles[id(push)], ReplyLost)]
    first = troubles[id(mine[0])]
    if uncertain:
        return EnqueueUncertain(
            f"Redis did not answer: the job may or may not be stored ({', '.join(uncertain[:3])}): {first}",
            uncertain,
            stored,
        )
    is_full = isinstance(first, Refused) and first.code == "OOM"
    advice = "; give Redis more memory, or let workers drain the queues" if is_full else ""
    return NotEnqueued(f"nothing was stored: {str(first).rstrip('.')}{advice}", [push.jid for push in mine], stored)
