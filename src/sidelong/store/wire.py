"""One connection to Redis, from opening to the end: commands out, replies back in the same order."""

import asyncio
import re
import select
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol, cast

import hiredis

from sidelong.errors import Refused, ReplyLost, StoreError, Unavailable
from sidelong.store.connect_faults import NO_PROTOCOL

Word = str | bytes | int | float
Command = Sequence[Word]
Deliver = Callable[[list[Any]], None]
"""Takes the answers to commands that went out together: what Redis said, errors included, or `ReplyLost`."""

_TICKS = 4
_IN_A_SCRIPT = re.compile(r" script: [0-9a-f]{40}, on @\S+:\d+\.?$")

_TCP_OPTIONS = {
    # A load balancer forgets an idle connection, some without a word: it is kept in memory, or found dead in a minute.
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    # The system would hide megabytes of a slow upload in its own buffer, where nobody sees whether they move.
    "TCP_NOTSENT_LOWAT": 131_072,
}
"""Set where the platform has them; seconds, but for the last."""

_BYTES_ACKED = slice(120, 128)
"""Where Linux, in its `struct tcp_info`, says how many bytes the other side has confirmed (tcpi_bytes_acked)."""


class Owner(Protocol):
    """Whom a connection belongs to; see `Link` for the counts."""

    sent: int
    finished: int
    cuts: int

    def released(self, wire: "Wire") -> None:
        """Take note that the connection has ended."""


class _Exchange:
    """Commands that went out together, and the answers that have come so far."""

    __slots__ = ("answers", "count", "deliver")

    def __init__(self, count: int, deliver: Deliver) -> None:
        self.count = count
        self.answers: list[Any] = []
        self.deliver = deliver


class Wire(asyncio.Protocol):
    """A connection; what is sent over it goes out at once and together.

    Args:
        owner: counts commands, and is told of the end.
        answer_within: seconds of silence, while commands are under way, after which it is dropped.

    Attributes:
        is_broken: whether it has ended.
        heard_at: when something came over it last, on the monotonic clock.
    """

    def __init__(self, owner: Owner, answer_within: float) -> None:
        self.is_broken = False
        self.heard_at = monotonic()
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._reader = hiredis.Reader(replyError=_refused, protocolError=StoreError)
        self._waiting: deque[_Exchange] = deque()
        self._probe = select.poll()
        self._tick = answer_within / _TICKS
        self._ticks = 0
        self._watch: asyncio.TimerHandle | None = None
        self._is_heard = False
        self._written = 0
        self._passed_on: int | None = None
        self._why_broken = ""

    def send(self, commands: Sequence[Command], deliver: Deliver) -> None:
        """Send commands, and call `deliver` once with their answers; for no commands, at once.

        Raises:
            Unavailable: the connection has ended; nothing was sent.
        """
        if not commands:
            deliver([])
            return
        if self.is_broken or self._transport is None:
            raise Unavailable(f"the connection to Redis broke before the command was sent: {self._why_broken}")
        data = b"".join([hiredis.pack_command(cast("Any", tuple(command))) for command in commands])
        self._waiting.append(_Exchange(len(commands), deliver))
        self._owner.sent += len(commands)
        self._written += len(data)
        try:
            self._transport.write(data)
        except Exception as fault:
            # How much of it went out, nobody knows: an answer to come may be the next command's.
            self.abort(f"writing failed: {type(fault).__name__}: {fault}")
            return
        if self._watch is None:
            self._ticks = 0
            self._is_heard = False
            self._passed_on = None
            self._watch = self._loop.call_later(self._tick, self._look)

    async def ask(self, command: Command) -> Any:
        """Send one command and return its answer; an error from Redis is an answer.

        Raises:
            Unavailable: the connection has ended; nothing was sent.
            ReplyLost: it ended before the answer came.
        """
        (answer,) = await self.exchange((command,))
        if type(answer) is ReplyLost:
            raise answer
        return answer

    def exchange(self, commands: Sequence[Command]) -> "asyncio.Future[list[Any]]":
        """Send commands and return the future of their answers; see `send`."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def deliver(answers: list[Any]) -> None:
            if not future.done():
                future.set_result(answers)

        self.send(commands, deliver)
        return future

    def has_news(self) -> bool:
        """Tell whether something has come, although nothing is under way: most likely the end of the connection.

        The event loop may not know of it yet. What is sent now would be lost without an answer.
        """
        return not self._waiting and (self._reader.has_data() or bool(self._probe.poll(0)))

    @property
    def has_surplus(self) -> bool:
        """True when a reply was read that answers nothing: it would be taken for that of the next command."""
        return not self._waiting and self._reader.has_data()

    def abort(self, reason: str) -> None:
        """End the connection at once; what waits for an answer will not get one."""
        if self._transport is not None:
            self._transport.abort()
        self._break(reason)

    async def close(self) -> None:
        """End the connection and wait until the transport is gone."""
        if self._transport is None:
            return
        if self._waiting:
            self._transport.abort()
        else:
            self._transport.close()
        self._break("the link was closed")
        # A TLS peer may never say good-bye.
        await asyncio.wait({self._gone}, timeout=1.0)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            self._probe.register(connection.fileno(), select.POLLIN)
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _TCP_OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Hand each reply to the commands that wait for it."""
        self._is_heard = True
        self.heard_at = monotonic()
        self._reader.feed(data)
        self._hand_over()

    def eof_received(self) -> None:
        """Take the end for what it is at once: `connection_lost` comes a turn of the loop later."""
        self._break("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """End every command that still waits."""
        self._break(str(exc) if exc else "it closed the connection")
        if not self._gone.done():
            self._gone.set_result(None)

    def _hand_over(self) -> None:
        """Deliver what has come: all of it, although one answer may be the reason to end the connection."""
        complete: list[_Exchange] = []
        fault: StoreError | None = None
        try:
            while self._waiting and self._is_answered(self._waiting[0]):
                complete.append(self._waiting.popleft())
        except StoreError as error:
            fault = error
        for exchange in complete:
            self._deliver(exchange, exchange.answers)
        if fault is not None:
            self.abort(f"{NO_PROTOCOL} ({fault})")

    def _deliver(self, exchange: _Exchange, answers: list[Any]) -> None:
        try:
            exchange.deliver(answers)
        except Exception as fault:
            # Whoever fails here must not take the answers of the others with it.
            self._loop.call_exception_handler({"message": "an answer of Redis was not taken", "exception": fault})

    def _is_answered(self, exchange: _Exchange) -> bool:
        answers = exchange.answers
        while len(answers) < exchange.count:
            reply = self._reader.gets()
            if reply is False:
                return False
            answers.append(reply)
            self._owner.finished += 1
        return True

    def _look(self) -> None:
        """Drop the connection when nothing was heard for `_TICKS` turns of this timer.

        Turns are counted, not seconds: after a job has blocked the loop, this timer and the answer are ready
        at the same moment, and the answer must win. A part of an answer counts, and so does a part of what is to be
        sent: large payloads take their time.
        """
        self._watch = None
        if not self._waiting:
            return
        self._ticks = 0 if self._is_heard or self._is_uploading() else self._ticks + 1
        self._is_heard = False
        if self._ticks >= _TICKS:
            self.abort("no answer in time")
        else:
            self._watch = self._loop.call_later(self._tick, self._look)

    def _is_uploading(self) -> bool:
        """Tell whether the network took some of what waits to be sent since the last look."""
        if self._transport is None:
            return False
        before, now = self._passed_on, _passed_on(self._transport, self._written)
        self._passed_on = now
        return before is not None and now > before

    def _break(self, reason: str) -> None:
        if not self.is_broken:
            self.is_broken, self._why_broken = True, reason
            # A server with too many clients answers before it is asked.
            self._hand_over()
        self._owner.released(self)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._waiting:
            self._owner.cuts += 1
        while self._waiting:
            exchange = self._waiting.popleft()
            missing = exchange.count - len(exchange.answers)
            self._owner.finished += missing
            lost = [ReplyLost(f"no answer from Redis: {reason}") for _ in range(missing)]
            self._deliver(exchange, exchange.answers + lost)


def _refused(text: str) -> Refused:
    """Return what Redis said, without the place in a script: nobody outside can look that up."""
    return Refused(_IN_A_SCRIPT.sub("", text))


def _passed_on(transport: asyncio.Transport, written: int) -> int:
    """Return a number of bytes that grows as the network takes what was written."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX and sys.platform == "linux":
        with suppress(OSError):  # a connection that has just ended
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
            if len(state) == _BYTES_ACKED.stop:
                return int.from_bytes(state[_BYTES_ACKED], sys.byteorder)
    # The buffer of a TLS transport is empty as soon as all is encrypted; what counts is that of the one below.
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None) or transport
    return written - int(below.get_write_buffer_size())
