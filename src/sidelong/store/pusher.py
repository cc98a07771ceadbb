"""Getting jobs into Redis: callers of the same moment share one round trip."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sidelong.errors import EnqueueUncertain, NotEnqueued, PushError, Refused, ReplyLost, Unavailable
from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.wire import Word

_PER_COMMAND = 1000
_BYTES_PER_COMMAND = 4_000_000
_ASK_AGAIN = frozenset({"READONLY", "NOREPLICAS", "UNBLOCKED", "MASTERDOWN"})


@dataclass(frozen=True, slots=True)
class Push:
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
    """Stores jobs; callers of the same moment share one round trip, and each waits for its own answer.

    Args:
        link: the connection for pushes.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: list[_Call] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def push(self, pushes: Sequence[Push]) -> None:
        """Store jobs; when this returns, Redis has them.

        Raises:
            NotEnqueued: nothing of this call was stored, but for the jobs in `enqueued`.
            EnqueueUncertain: the jobs in `jids` were sent, and no answer came.
        """
        loop = asyncio.get_running_loop()
        call = _Call(pushes, loop.create_future())
        if not self._calls:
            loop.call_soon(self._start)
        self._calls.append(call)
        # Cancelling one caller must not fail the others: the flush is a task of its own.
        await call.done

    def _start(self) -> None:
        calls, self._calls = self._calls, []
        flush = asyncio.get_running_loop().create_task(self._flush(calls), name="sidelong-push")
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)

    async def _flush(self, calls: list[_Call]) -> None:
        pushes = [push for call in calls for push in call.pushes]
        try:
            troubles = await self._store(pushes)
        except BaseException as fault:
            for call in calls:
                jids = [push.jid for push in call.pushes]
                _end(call, EnqueueUncertain(f"the push was broken off: {fault!r}", jids))
            raise
        for call in calls:
            _end(call, _error_of(call.pushes, troubles) if troubles else None)

    async def _store(self, pushes: list[Push]) -> dict[int, Refused | ReplyLost | Unavailable]:
        """Send the pushes and return what went wrong, by the identity of the push."""
        troubles = await self._send(pushes)
        again = [p for p in pushes if _may_ask_again(troubles.get(id(p)))]
        if again:
            # The server refused because it is no longer the master: the link has dropped it.
            for push in again:
                del troubles[id(push)]
            troubles |= await self._send(again)
        return troubles

    async def _send(self, pushes: list[Push]) -> dict[int, Refused | ReplyLost | Unavailable]:
        chunks = list(_chunks(pushes))
        queues = list(dict.fromkeys(push.queue for push in pushes if push.at is None))
        commands: list[Sequence[Word]] = [("SADD", keys.QUEUES, *queues)] if queues else []
        commands += [_command(chunk) for chunk in chunks]
        try:
            answers = await self._link.pipeline(commands)
        except Unavailable as error:
            return {id(push): error for push in pushes}
        if queues:
            # A queue that could not be listed is still served: only its push decides.
            answers = answers[1:]
        return {
            id(push): answer
            for chunk, answer in zip(chunks, answers, strict=True)
            if isinstance(answer, Refused | ReplyLost)
            for push in chunk
        }


def _end(call: _Call, error: PushError | None) -> None:
    if call.done.done():
        return
    if error is None:
        call.done.set_result(None)
    else:
        call.done.set_exception(error)


def _may_ask_again(trouble: Exception | None) -> bool:
    return isinstance(trouble, Refused) and trouble.code in _ASK_AGAIN


def _chunks(pushes: list[Push]) -> list[list[Push]]:
    """Part pushes by destination, in order, into commands of bounded size."""
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


def _command(chunk: list[Push]) -> Sequence[Word]:
    if chunk[0].at is None:
        return ("LPUSH", keys.queue(chunk[0].queue), *[push.raw for push in chunk])
    members: list[Word] = []
    for push in chunk:
        members += (repr(push.at), push.raw)
    return ("ZADD", keys.SCHEDULE, *members)


def _error_of(pushes: Sequence[Push], troubles: dict[int, Refused | ReplyLost | Unavailable]) -> PushError | None:
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
