"""A connection that outlives what happens to it: opened when first used, greeted, and opened again after it broke.

The rule: a command is never repeated and its wait is never cut short by a timer. redis-py's clients re-send
commands whose reply is late, and a cancelled wait loses a reply that the server has already given; on the
fetch path both lose or double jobs. So `Wire` drives the socket, and redis-py keeps what surrounds it: addresses,
credentials and TLS.
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from sidelong.errors import Refused, ReplyLost, StoreError, Unavailable
from sidelong.store.connect_faults import hung_up, refused
from sidelong.store.endpoint import Endpoint
from sidelong.store.wire import Command, Deliver, Wire, Word

_DEMOTED = frozenset({"READONLY", "UNBLOCKED", "MASTERDOWN"})
"""Answers of a server that is no longer the master: connect anew and ask who is."""

_TLS_REFUSES_WITHIN = 0.01
"""Seconds. Best effort: a refusal that takes longer is still an outage, only without its reason."""


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

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        """Send commands at once, if the connection stands; `deliver` is called with what `pipeline` returns.

        Returns:
            False if nothing was sent: use `pipeline`, which opens a connection.
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
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None
        self._client_id: int | None = None

    async def call(self, *command: Word) -> Any:
        """See `Link.call`."""
        wire = self._standing() or await self._ready()
        try:
            answer = await wire.ask(command)
        except Unavailable:
            # It was cut while idle, and found out a moment ago: nothing was sent.
            wire = await self._open()
            answer = await wire.ask(command)
        if type(answer) is Refused:
            self._drop_if_demoted(wire, answer)
            raise answer
        return answer

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.pipeline`."""
        if not commands:
            return []
        wire = self._standing() or await self._ready()
        try:
            answers = await wire.exchange(commands)
        except Unavailable:
            wire = await self._open()
            answers = await wire.exchange(commands)
        self._heed(wire, answers)
        return answers

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        """See `Link.post`."""
        wire = self._standing()
        if wire is None:
            return False

        def heed(answers: list[Any]) -> None:
            self._heed(wire, answers)
            deliver(answers)

        wire.send(commands, heed)
        return True

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

    def released(self, wire: Wire) -> None:
        """Take note that a connection of this link has ended."""
        self._endpoint.released(wire)

    def _standing(self) -> Wire | None:
        """Return the connection if there is no doubt that it stands."""
        wire = self._wire
        if wire is None or wire.is_broken or monotonic() - wire.heard_at > self._trusted_for or wire.has_news():
            return None
        return wire

    def _heed(self, wire: Wire, answers: Sequence[Any]) -> None:
        for answer in answers:
            if type(answer) is Refused:
                self._drop_if_demoted(wire, answer)

    def _drop_if_demoted(self, wire: Wire, answer: Refused) -> None:
        if answer.code in _DEMOTED:
            wire.abort(str(answer))

    # Opening: one attempt at a time, shared by all who wait for it.

    async def _ready(self) -> Wire:
        wire = self._wire
        if wire is not None and not wire.is_broken and wire.has_news():
            # One turn of the loop in which it sees what has come, one in which it acts on it, and one more for a reset.
            for _ in range(3):
                await asyncio.sleep(0)
            if wire.has_surplus:
                wire.abort("something came that nobody had asked for")
            wire = self._wire
        if wire is None or wire.is_broken:
            return await self._open()
        if monotonic() - wire.heard_at <= self._trusted_for:
            return wire
        with suppress(Unavailable, ReplyLost):
            await wire.ask(("PING",))
            return wire
        # Others may have found out at the same time, and opened a new one.
        return self._wire if self._wire is not None and not self._wire.is_broken else await self._open()

    async def _open(self) -> Wire:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect(), name="sidelong-connect")
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        # A caller that is cancelled leaves the attempt to the others.
        await asyncio.wait({opening})
        if opening.cancelled():
            raise Unavailable("the link was closed")
        return opening.result()

    def _opened(self, opening: "asyncio.Task[Wire]") -> None:
        self._opening = None
        # Every caller may have been cancelled by now; then nobody else looks at the error.
        if not opening.cancelled() and opening.exception() is None:
            self._wire = opening.result()

    async def _connect(self) -> Wire:
        wire = Wire(self, self._answer_within)
        self._client_id = None
        await self._endpoint.connect(lambda: wire, lambda: self._greet(wire))
        return wire

    async def _greet(self, wire: Wire) -> None:
        """Log in, name the connection and choose the database."""
        refusal: Refused | None = None
        if self._endpoint.has_tls:
            # A server that takes no client without a certificate mostly says so now; what reached it first would reset
            # the connection, and its reason be lost.
            await asyncio.sleep(_TLS_REFUSES_WITHIN)
        try:
            for command in await self._endpoint.greeting(self._name):
                answer = await wire.ask(command)
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
