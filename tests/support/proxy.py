"""A TCP proxy between a program and Redis: loses replies, cuts connections, delays, slows down, and goes silent.

It runs in a thread with an event loop of its own: a test whose loop is blocked, and processes started by a
test, are served all the same. It knows just enough of the protocol to tell one reply from the next.
"""

import asyncio
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, Self, TypeVar

from tests.support.proxy_connection import HOST, Connection, ConnectionRecord
from tests.support.proxy_faults import Drop, Faults

__all__ = ["ConnectionRecord", "Direction", "Proxy"]

T = TypeVar("T")

Direction = Literal["both", "replies", "requests"]

_SHUT_SECONDS = 1


class Proxy:
    """Forwards connections to a server on this machine, faithfully until told otherwise.

    Faults apply to open connections and to later ones, add up, and last until `heal`; `strand` and `close_all`
    apply to open ones only, and are for good. All methods may be called from any thread, and have taken effect
    when they return.

    Args:
        upstream_port: where the server listens.
        seed: makes the random choices repeatable.
        keep: how many closed connections, and how many attempts, are remembered: the last ones.
    """

    def __init__(self, upstream_port: int, *, seed: int = 0, keep: int = 10_000) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._faults = Faults(random.Random(seed))
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._next_number = 0
        self._connections: dict[int, Connection] = {}
        self._closed: deque[ConnectionRecord] = deque(maxlen=keep)
        self._attempts: deque[float] = deque(maxlen=keep)

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
        return f"redis://{HOST}:{self.port}/{database}"

    # What it can be told to do.

    def heal(self) -> None:
        """Undo every fault; what was held back is delivered now, but nothing on connections that were stranded."""
        self._do(self._heal)

    def cut_after_replies(self, least: int, most: int) -> None:
        """Let each connection live for a random number of replies; the last one is swallowed, then RST.

        The request was forwarded and the server has acted on it: the program cannot know.
        """
        self._do(lambda: self._set_reply_limits(least, most))

    def cut_after_reply_bytes(self, least: int, most: int) -> None:
        """Let each connection live for a random number of bytes of replies, then RST, in the middle of a reply.

        The request was forwarded and the server has acted on it: the program cannot know.
        """
        self._do(lambda: self._set_reply_byte_limits(least, most))

    def reset_share(self, share: float) -> None:
        """Reset a connection at each reply with a probability, either after delivering the reply or losing it.

        Args:
            share: between 0 and 1.
        """
        self._do(lambda: setattr(self._faults, "reset_share", share))

    def drop_reply_to(self, pattern: bytes | re.Pattern[bytes], *, times: int = 1) -> None:
        """Swallow the reply to the next request that matches, then reset that connection.

        Args:
            pattern: bytes that occur in, or an expression found in, the request's words parted by spaces.
            times: how many matching requests suffer so.
        """
        compiled = pattern if isinstance(pattern, re.Pattern) else re.compile(re.escape(pattern))
        self._do(lambda: self._faults.drops.append(Drop(compiled, times)))

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

    def limit_bandwidth(self, bytes_per_second: float) -> None:
        """Deliver at most so much on each connection, each way; whoever sends faster is left unread after a while."""
        self._do(lambda: setattr(self._faults, "bandwidth", bytes_per_second))

    def strand(self) -> int:
        """Let every open connection go silent for good, as if a load balancer between had forgotten it.

        Nothing is forwarded, not even after `heal`, and nothing is closed until the program or the server closes
        its side; then the other side is closed as well. New connections work.

        Returns:
            How many connections were stranded.
        """
        return self._do(self._strand)

    def refuse(self) -> None:
        """Reset every new connection at once; open ones live on."""
        self._do(lambda: setattr(self._faults, "is_refusing", True))

    def close_all(self) -> None:
        """Reset every open connection."""
        self._do(self._close_all)

    # What it has seen.

    @property
    def connections(self) -> list[ConnectionRecord]:
        """Every connection so far, in the order in which they were made; of closed ones only the last."""
        return self._do(self._records)

    @property
    def attempts(self) -> list[float]:
        """When connections were attempted, refused ones included: seconds on the monotonic clock; only the last."""
        return self._do(lambda: list(self._attempts))

    @property
    def drops_to_come(self) -> int:
        """How many requests `drop_reply_to` still waits for; the replies to those it has met may be under way."""
        return self._do(lambda: sum(drop.left for drop in self._faults.drops))

    @property
    def replies_dropped(self) -> int:
        """How many replies were swallowed, wholly or in part."""
        return self._do(lambda: self._faults.replies_dropped)

    @property
    def cuts(self) -> int:
        """How many connections were reset by a fault; those that `refuse` turned away never were connections."""
        return self._do(lambda: self._faults.cuts)

    # In the thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        patient_until = self._loop.time() + _SHUT_SECONDS
        # Sockets close in later turns of the loop.
        while self._connections:
            for connection in tuple(self._connections.values()):
                connection.cut(is_fault=False)
                if self._loop.time() > patient_until:
                    # A frozen server does not take what was forwarded to it.
                    connection.upstream.reset()
            await asyncio.sleep(0)

    def _do(self, action: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            return action()

        async def in_loop() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result(timeout=10)

    def _accept(self) -> asyncio.Protocol:
        self._attempts.append(time.monotonic())
        number = self._next_number
        self._next_number += 1
        connection = self._connections[number] = Connection(number, self._upstream_port, self._faults, self._retire)
        return connection.client

    def _retire(self, connection: Connection) -> None:
        # The connection itself holds buffers: a long run makes thousands of them.
        if self._connections.pop(connection.number, None) is not None:
            self._closed.append(connection.record())

    def _records(self) -> list[ConnectionRecord]:
        records = [*self._closed, *(connection.record() for connection in self._connections.values())]
        return sorted(records, key=lambda record: record.number)

    def _heal(self) -> None:
        self._faults.clear()
        for connection in tuple(self._connections.values()):
            connection.heal()

    def _set_reply_limits(self, least: int, most: int) -> None:
        self._faults.reply_limits = (least, most)
        for connection in self._connections.values():
            connection.allowance.draw_replies()

    def _set_reply_byte_limits(self, least: int, most: int) -> None:
        self._faults.reply_byte_limits = (least, most)
        for connection in self._connections.values():
            connection.allowance.draw_reply_bytes()

    def _set_byte_limits(self, count: int, times: int) -> None:
        self._faults.request_bytes = count
        self._faults.byte_cuts_left = times
        for connection in self._connections.values():
            connection.allowance.draw_request_bytes()

    def _set_blackhole(self, direction: Direction) -> None:
        self._faults.holds_requests |= direction in ("both", "requests")
        self._faults.holds_replies |= direction in ("both", "replies")

    def _strand(self) -> int:
        stranded = sum(connection.is_open for connection in self._connections.values())
        for connection in tuple(self._connections.values()):
            connection.strand()
        return stranded

    def _close_all(self) -> None:
        for connection in tuple(self._connections.values()):
            connection.cut()
