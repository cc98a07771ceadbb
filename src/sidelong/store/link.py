"""One connection to Redis, whose replies come in order.

The rule: a command is never repeated and its wait is never cut short by a timer. redis-py's clients re-send
commands whose reply is late, and a cancelled wait loses a reply that the server has already given; on the
fetch path both lose or double jobs. So the connection is driven here, and redis-py keeps what surrounds it:
addresses, credentials and TLS.
"""

import asyncio
import math
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol, cast

import hiredis

from sidelong.errors import Refused, ReplyLost, StoreError, Unavailable
from sidelong.store.connect_faults import NO_PROTOCOL, hung_up, refused
from sidelong.store.endpoint import Endpoint

Word = str | bytes | int | float
Command = Sequence[Word]

_DEMOTED = frozenset({"READONLY", "UNBLOCKED", "MASTERDOWN"})
"""Answers of a server that is no longer the master: connect anew and ask who is."""

_TICKS = 4

_TCP_OPTIONS = {
    # A load balancer forgets an idle connection, some without a word: it is kept in memory, or found dead in a minute.
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    # The system would hide megabytes of a slow upload in its own buffer, where nobody sees whether they move.
    "TCP_NOTSENT_LOWAT": 131_072,
}
"""Set where the platform has them; seconds, but for the last."""


class Link(Protocol):
    """What the rest of the store needs from a connection.

    Attributes:
        sent: how many commands were sent since the link was made.
        finished: how many of them are over: answered, or cut off.
        cuts: how often a connection broke while commands were under way.
    """

    sent: int
    finished: int
    cuts: int

    async def call(self, *command: Word) -> Any:
        """Send one command and return its answer.

        Raises:
            Unavailable: there is no connection and none could be opened; nothing was sent.
            ReplyLost: the connection broke before the answer came.
            Refused: Redis answered with an error.
        """

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their answers; `Refused` and `ReplyLost` stand in the list.

        Raises:
            Unavailable: there is no connection and none could be opened; nothing was sent.
        """
        ...

    async def unblock(self, via: "Link") -> None:
        """Make a command that blocks on this link answer at once; failing to is harmless: it ends by itself.

        Args:
            via: another link, over which the server is asked.
        """

    async def close(self) -> None:
        """Give the connection back; commands under way end as `ReplyLost`."""


class RedisLink:
    """A `Link` to a real server, opened when first used and again after it broke.

    Args:
        endpoint: where and how to connect; shared, so that links do not storm a dead server.
        name: what CLIENT LIST shows.
        answer_within: seconds for which a connection with commands under way may stay silent before it is
            dropped. Time during which the event loop was blocked does not count.
        trusted_for: seconds of silence after which a connection is asked whether it still stands before anything
            is sent over it: a load balancer may have forgotten it, and what meets that is lost without an answer.
    """

    def __init__(self, endpoint: Endpoint, *, name: str, answer_within: float, trusted_for: float = math.inf) -> None:
        self.sent = 0
        self.finished = 0
        self.cuts = 0
        self._endpoint = endpoint
        self._name = name
        self._answer_within = answer_within
        self._trusted_for = trusted_for
        self._wire: _Wire | None = None
        self._opening: asyncio.Task[_Wire] | None = None
        self._client_id: int | None = None

    async def call(self, *command: Word) -> Any:
        """See `Link.call`."""
        wire = self._wire
        if wire is None or wire.is_broken or monotonic() - wire.heard_at > self._trusted_for:
            wire = await self._ready()
        try:
            answer = await wire.send(command)
        except Unavailable:
            # It was cut while idle, and the loop had not seen that yet: nothing was sent.
            wire = await self._open()
            answer = await wire.send(command)
        if type(answer) is Refused:
            self._drop_if_demoted(wire, answer)
            raise answer
        return answer

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.pipeline`."""
        wire = self._wire
        if wire is None or wire.is_broken or monotonic() - wire.heard_at > self._trusted_for:
            wire = await self._ready()
        answers = await asyncio.gather(*map(wire.send, commands), return_exceptions=True)
        if answers and type(answers[0]) is Unavailable:
            # As in `call`; what goes out together is sent or unsent together.
            wire = await self._open()
            answers = await asyncio.gather(*map(wire.send, commands), return_exceptions=True)
        for answer in answers:
            if type(answer) is Refused:
                self._drop_if_demoted(wire, answer)
            elif isinstance(answer, BaseException) and not isinstance(answer, ReplyLost):
                raise answer
        return answers

    async def unblock(self, via: Link) -> None:
        """See `Link.unblock`."""
        if self._client_id is not None and self.finished < self.sent:
            with suppress(StoreError):
                await via.call("CLIENT", "UNBLOCK", self._client_id)

    async def close(self) -> None:
        """See `Link.close`."""
        if self._opening is not None:
            # Its connection would outlive the link; those who wait for it are told.
            self._opening.cancel()
            await asyncio.wait({self._opening})
        if self._opening is not None:
            self._opening.cancel()
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    def released(self, wire: "_Wire") -> None:
        """Take note that a connection of this link has ended."""
        self._endpoint.released(wire)

    def _drop_if_demoted(self, wire: "_Wire", answer: Refused) -> None:
        if answer.code in _DEMOTED:
            wire.abort(str(answer))

    # Opening: one attempt at a time, shared by all who wait for it.

    async def _ready(self) -> "_Wire":
        wire = self._wire
        if wire is None or wire.is_broken:
            return await self._open()
        with suppress(Unavailable, ReplyLost):
            await wire.send(("PING",))
            return wire
        # Others may have found out at the same time, and opened a new one.
        return self._wire if self._wire is not None and not self._wire.is_broken else await self._open()

    async def _open(self) -> "_Wire":
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect(), name="sidelong-connect")
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        # A caller that is cancelled leaves the attempt to the others.
        await asyncio.wait({opening})
        if opening.cancelled():
            raise Unavailable("the link was closed")
        return opening.result()

    def _opened(self, opening: "asyncio.Task[_Wire]") -> None:
        self._opening = None
        # Every caller may have been cancelled by now; then nobody else looks at the error.
        if not opening.cancelled() and opening.exception() is None:
            self._wire = opening.result()

    async def _connect(self) -> "_Wire":
        wire = _Wire(self, self._answer_within)
        self._client_id = None
        await self._endpoint.connect(lambda: wire, lambda: self._greet(wire))
        return wire

    async def _greet(self, wire: "_Wire") -> None:
        """Log in, name the connection and choose the database."""
        refusal: Refused | None = None
        try:
            for command in await self._endpoint.greeting(self._name):
                answer = await wire.send(command)
                if type(answer) is Refused:
                    refusal = answer
                    # An ACL may forbid names, numbers and roles; the rest is needed.
                    if command[0] not in ("CLIENT", "ROLE") or answer.code == "NOAUTH":
                        raise Unavailable(refused(str(command[0]), answer))
                elif command[:2] == ("CLIENT", "ID"):
                    self._client_id = answer
                elif command[0] == "ROLE" and answer[0] != b"master":
                    raise Unavailable("what the sentinels name is no master now; a failover may be under way")
        except BaseException as error:
            is_cut = isinstance(error, ReplyLost) or wire.is_broken
            wire.abort("the handshake failed")
            if is_cut and isinstance(error, StoreError):
                raise Unavailable(hung_up(error, refusal, has_tls=self._endpoint.has_tls)) from None
            raise


class _Wire(asyncio.Protocol):
    """One connection, from opening to the end: commands out, replies back in the same order."""

    def __init__(self, link: RedisLink, answer_within: float) -> None:
        self.is_broken = False
        self.heard_at = monotonic()
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._reader = hiredis.Reader(replyError=Refused, protocolError=StoreError)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._outbox: list[bytes] = []
        self._tick = answer_within / _TICKS
        self._ticks = 0
        self._watch: asyncio.TimerHandle | None = None
        self._is_heard = False
        self._written = 0
        self._passed_on: int | None = None

    def send(self, command: Command) -> asyncio.Future[Any]:
        """Send a command and return the future of its answer; errors from Redis are answers."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.is_broken:
            future.set_exception(Unavailable("the connection to Redis broke before the command was sent"))
            return future
        if not self._outbox:
            # The writes of one turn of the loop go out together.
            self._loop.call_soon(self._flush)
        self._outbox.append(hiredis.pack_command(cast("Any", tuple(command))))
        self._waiting.append(future)
        self._link.sent += 1
        if self._watch is None:
            self._ticks = 0
            self._is_heard = False
            self._passed_on = None
            self._watch = self._loop.call_later(self._tick, self._look)
        return future

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
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _TCP_OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Hand each reply to the command that waits for it."""
        self._is_heard = True
        self.heard_at = monotonic()
        self._reader.feed(data)
        try:
            while self._waiting:
                reply = self._reader.gets()
                if reply is False:
                    return
                future = self._waiting.popleft()
                self._link.finished += 1
                if not future.done():
                    future.set_result(reply)
        except StoreError as error:
            self.abort(f"{NO_PROTOCOL} ({error})")

    def eof_received(self) -> None:
        """Take the end for what it is at once: `connection_lost` comes a turn of the loop later."""
        self._break("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """End every command that still waits."""
        self._break(str(exc) if exc else "it closed the connection")
        if not self._gone.done():
            self._gone.set_result(None)

    def _flush(self) -> None:
        if self._outbox and self._transport is not None:
            data = b"".join(self._outbox)
            self._written += len(data)
            self._transport.write(data)
        self._outbox.clear()

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
        # The buffer of a TLS transport is empty as soon as all is encrypted; what counts is that of the one below.
        below = getattr(getattr(self._transport, "_ssl_protocol", None), "_transport", None) or self._transport
        before, now = self._passed_on, self._written - below.get_write_buffer_size()
        self._passed_on = now
        return before is not None and now > before

    def _break(self, reason: str) -> None:
        self.is_broken = True
        self._link.released(self)
        unsent = len(self._outbox)
        self._outbox.clear()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._waiting:
            self._link.cuts += 1
        while self._waiting:
            future = self._waiting.popleft()
            self._link.finished += 1
            if not future.done():
                was_sent = len(self._waiting) >= unsent
                future.set_exception(
                    ReplyLost(f"no answer from Redis: {reason}")
                    if was_sent
                    else Unavailable(f"the connection to Redis broke before the command was sent: {reason}")
                )
                future.exception()  # whoever was cancelled will not look at it
