"""A TCP proxy between a program and Redis that loses replies, cuts connections, delays, and goes silent.

It runs in a thread with an event loop of its own: a test whose loop is blocked, and processes started by a
test, are served all the same. It knows just enough of the protocol to tell one reply from the next.
"""

import asyncio
import random
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeVar

from tests.support.resp import PUSH, Splitter, words

T = TypeVar("T")

Direction = Literal["both", "replies", "requests"]

_HOST = "127.0.0.1"
# Closing with a linger time of zero sends RST, not FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """What is known of one connection that a program made.

    Attributes:
        number: 0 for the first since the proxy started.
        opened_at: seconds on the monotonic clock.
        requests: how many whole requests were forwarded.
        replies: how many whole replies were forwarded.
        is_open: false once either side has closed it.
    """

    number: int
    opened_at: float
    requests: int
    replies: int
    is_open: bool


class Proxy:
    """Forwards connections to a server on this machine, faithfully until told otherwise.

    Faults apply to open connections and to later ones, add up, and last until `heal`. All methods may be
    called from any thread, and have taken effect when they return.

    Args:
        upstream_port: where the server listens.
        seed: makes the random choices repeatable.
    """

    def __init__(self, upstream_port: int, *, seed: int = 0) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._faults = _Faults(random.Random(seed))
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._connections: list[_Connection] = []
        self._attempts: list[float] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=10)

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def url(self, database: int = 0) -> str:
        """Return the URL that leads through the proxy."""
        return f"redis://{_HOST}:{self.port}/{database}"

    # What it can be told to do.

    def heal(self) -> None:
        """Undo every fault; what was held back is delivered now."""
        self._do(self._heal)

    def cut_after_replies(self, least: int, most: int) -> None:
        """Let each connection live for a random number of replies; the last one is swallowed, then RST.

        The request was forwarded and the server has acted on it: the program cannot know.
        """
        self._do(lambda: self._set_reply_limits(least, most))

    def drop_reply_to(self, pattern: bytes | re.Pattern[bytes], *, times: int = 1) -> None:
        """Swallow the reply to the next request that matches, then reset that connection.

        Args:
            pattern: bytes that occur in, or an expression found in, the request's words parted by spaces.
            times: how many matching requests suffer so.
        """
        compiled = pattern if isinstance(pattern, re.Pattern) else re.compile(re.escape(pattern))
        self._do(lambda: self._faults.drops.append(_Drop(compiled, times)))

    def cut_after_request_bytes(self, count: int, *, times: int = 1) -> None:
        """Forward `count` more bytes of requests on a connection, then cut it: half a command arrives.

        Args:
            count: bytes, counted from now or from the connection's begin.
            times: how many connections suffer so.
        """
        self._do(lambda: self._set_byte_limits(count, times))

    def blackhole(self, direction: Direction = "both") -> None:
        """Forward nothing, and close nothing, until `heal`; then it arrives late, as TCP would have it."""
        self._do(lambda: self._set_blackhole(direction))

    def delay(self, seconds: float) -> None:
        """Deliver everything later by `seconds`, each way."""
        self._do(lambda: setattr(self._faults, "latency", seconds))

    def refuse(self) -> None:
        """Reset every new connection at once; open ones live on."""
        self._do(lambda: setattr(self._faults, "is_refusing", True))

    def close_all(self) -> None:
        """Reset every open connection."""
        self._do(self._close_all)

    # What it has seen.

    @property
    def connections(self) -> list[ConnectionRecord]:
        """Every connection so far, in the order in which they were made."""
        return self._do(lambda: [connection.record() for connection in self._connections])

    @property
    def attempts(self) -> list[float]:
        """When connections were attempted, refused ones included: seconds on the monotonic clock."""
        return self._do(lambda: list(self._attempts))

    @property
    def replies_dropped(self) -> int:
        """How many replies were swallowed."""
        return self._do(lambda: self._faults.replies_dropped)

    @property
    def cuts(self) -> int:
        """How many connections were cut by `cut_...` and `drop_...`."""
        return self._do(lambda: self._faults.cuts)

    # In the thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._accept, _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        self._close_all()
        while tasks := [task for c in self._connections if (task := c.connecting) and not task.done()]:
            await asyncio.wait(tasks)
        # Transports close in later turns of the loop.
        while any(connection.has_transports for connection in self._connections):
            await asyncio.sleep(0)

    def _do(self, action: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            return action()

        async def in_loop() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result(timeout=10)

    def _accept(self) -> asyncio.Protocol:
        self._attempts.append(time.monotonic())
        connection = _Connection(len(self._connections), self._upstream_port, self._faults)
        self._connections.append(connection)
        return connection.client

    def _heal(self) -> None:
        self._faults.clear()
        for connection in self._connections:
            connection.heal()

    def _set_reply_limits(self, least: int, most: int) -> None:
        self._faults.reply_limits = (least, most)
        for connection in self._connections:
            connection.limit_replies()

    def _set_byte_limits(self, count: int, times: int) -> None:
        self._faults.request_bytes = count
        self._faults.byte_cuts_left = times
        for connection in self._connections:
            connection.limit_bytes()

    def _set_blackhole(self, direction: Direction) -> None:
        self._faults.holds_requests = direction in ("both", "requests")
        self._faults.holds_replies = direction in ("both", "replies")

    def _close_all(self) -> None:
        for connection in self._connections:
            connection.cut()


@dataclass(slots=True)
class _Drop:
    pattern: re.Pattern[bytes]
    left: int


class _Faults:
    """What is to go wrong now, shared by all connections of one proxy."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.replies_dropped = 0
        self.cuts = 0
        self.clear()

    def clear(self) -> None:
        self.reply_limits: tuple[int, int] | None = None
        self.drops: list[_Drop] = []
        self.request_bytes: int | None = None
        self.byte_cuts_left = 0
        self.holds_requests = False
        self.holds_replies = False
        self.latency = 0.0
        self.is_refusing = False

    def draw_reply_limit(self) -> int | None:
        return self.random.randint(*self.reply_limits) if self.reply_limits else None

    def wants_reply_dropped(self, request: bytes) -> bool:
        """Tell whether the reply to this request is to be lost, and count it off."""
        if not self.drops:
            return False
        text = words(request)
        for drop in self.drops:
            if drop.left and drop.pattern.search(text):
                drop.left -= 1
                return True
        return False


class _Connection:
    """One program's connection and its counterpart to the server."""

    def __init__(self, number: int, upstream_port: int, faults: _Faults) -> None:
        self.client = _End(self._client_opened, self._client_sent, self._client_gone)
        self.upstream = _End(self._upstream_opened, self._upstream_sent, self._upstream_gone)
        self.connecting: asyncio.Task[None] | None = None
        self._number = number
        self._opened_at = time.monotonic()
        self._upstream_port = upstream_port
        self._faults = faults
        self._requests = _Flow(faults, lambda: faults.holds_requests)
        self._replies = _Flow(faults, lambda: faults.holds_replies)
        self._request_splitter = Splitter()
        self._reply_splitter = Splitter()
        self._drops: deque[bool] = deque()
        self._request_count = 0
        self._reply_count = 0
        self._replies_left = faults.draw_reply_limit()
        self._bytes_left = faults.request_bytes
        self._is_cut = False

    @property
    def has_transports(self) -> bool:
        return self.client.is_open or self.upstream.is_open

    def record(self) -> ConnectionRecord:
        return ConnectionRecord(
            number=self._number,
            opened_at=self._opened_at,
            requests=self._request_count,
            replies=self._reply_count,
            is_open=self.client.is_open and not self._is_cut,
        )

    def limit_replies(self) -> None:
        self._replies_left = self._faults.draw_reply_limit()

    def limit_bytes(self) -> None:
        self._bytes_left = self._faults.request_bytes

    def heal(self) -> None:
        self._replies_left = None
        self._bytes_left = None
        self._requests.release()
        self._replies.release()

    def cut(self) -> None:
        """Reset the program's side and hang up on the server, which still sees all that was forwarded."""
        self._is_cut = True
        self.client.reset()
        self.upstream.close()

    # What the two ends report.

    def _client_opened(self) -> None:
        if self._faults.is_refusing:
            self.cut()
            return
        self.connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.upstream, _HOST, self._upstream_port)
        except OSError:
            self.cut()

    def _upstream_opened(self) -> None:
        if self._is_cut:
            self.upstream.close()

    def _client_sent(self, data: bytes) -> None:
        self._requests.carry(lambda: self._forward_requests(data))

    def _client_gone(self) -> None:
        # A server behind a black hole does not learn that its client has gone: its blocked command lives on.
        self._requests.carry(self.upstream.close)

    def _upstream_sent(self, data: bytes) -> None:
        self._replies.carry(lambda: self._forward_replies(data))

    def _upstream_gone(self) -> None:
        self._replies.carry(self.client.close)

    def _forward_requests(self, data: bytes) -> None:
        if self._is_cut:
            return
        if self._bytes_left is not None and self._faults.byte_cuts_left:
            if len(data) >= self._bytes_left:
                self._faults.byte_cuts_left -= 1
                self._faults.cuts += 1
                self.upstream.write(data[: self._bytes_left])
                self.cut()
                return
            self._bytes_left -= len(data)
        for request in self._request_splitter.feed(data):
            self._request_count += 1
            self._drops.append(self._faults.wants_reply_dropped(request))
        self.upstream.write(data)

    def _forward_replies(self, data: bytes) -> None:
        if self._is_cut:
            return
        forwarded: list[bytes] = []
        for reply in self._reply_splitter.feed(data):
            if not reply.startswith(PUSH):
                is_dropped = self._drops.popleft() if self._drops else False
                if self._replies_left is not None:
                    self._replies_left -= 1
                    is_dropped = is_dropped or self._replies_left <= 0
                if is_dropped:
                    self._faults.replies_dropped += 1
                    self._faults.cuts += 1
                    self.client.write(b"".join(forwarded))
                    self.cut()
                    return
                self._reply_count += 1
            forwarded.append(reply)
        self.client.write(b"".join(forwarded))


class _Flow:
    """One direction of a connection: steps happen in order, later by the latency, and not while held."""

    def __init__(self, faults: _Faults, is_held: Callable[[], bool]) -> None:
        self._faults = faults
        self._is_held = is_held
        self._steps: deque[Callable[[], None]] = deque()
        self._last_due = 0.0

    def carry(self, step: Callable[[], None]) -> None:
        """Do `step` when its time has come."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._last_due = max(self._last_due, now + self._faults.latency)
        self._steps.append(step)
        if self._last_due <= now:
            self.release()
        else:
            loop.call_at(self._last_due, self._release_one)

    def release(self) -> None:
        """Do every step that waits, unless the flow is held."""
        while self._steps and not self._is_held():
            self._steps.popleft()()

    def _release_one(self) -> None:
        if self._steps and not self._is_held():
            self._steps.popleft()()


class _End(asyncio.Protocol):
    """One socket of a connection; what is written before it opens waits."""

    def __init__(self, opened: Callable[[], None], received: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self.is_open = False
        self._opened = opened
        self._received = received
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True
        self._opened()
        self.write(b"".join(self._early))
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._gone()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        elif data and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Hang up once everything is written."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Hang up with RST."""
        if self._transport is None:
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
