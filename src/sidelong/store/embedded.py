"""`memory://`: a store inside this process, for a first try, for tests and for demonstrations.

It speaks to fakeredis. What blocks or fails over on a real server is only imitated here: fakeredis answers a
blocking move at once, so a parked link waits for the next write of this process instead.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from sidelong.errors import ConfigurationError, Refused
from sidelong.store.link import Link
from sidelong.store.wire import Command, Deliver, Word

_SLICE = 0.1
"""Seconds after which a parked link looks again: somebody may have written with a client of his own."""

_servers: dict[str, "EmbeddedServer"] = {}
_servers_lock = threading.Lock()


def embedded_server(name: str) -> "EmbeddedServer":
    """Return the server behind `memory://name`; the same one for every caller in this process.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
    """
    with _servers_lock:
        if name not in _servers:
            _servers[name] = EmbeddedServer()
        return _servers[name]


def embedded_servers() -> dict[str, "EmbeddedServer"]:
    """Return all servers in this process by name."""
    with _servers_lock:
        return dict(_servers)


def forget_embedded_server(name: str) -> None:
    """Let go of the server behind `memory://name`; who asks for it again gets an empty one."""
    with _servers_lock:
        _servers.pop(name, None)


class EmbeddedServer:
    """One store in memory, and those who wait for a write to it."""

    def __init__(self) -> None:
        try:
            import fakeredis
            import lupa  # noqa: F401 - scripts need it
        except ImportError:
            raise ConfigurationError("memory:// needs the extra 'embedded': pip install 'sidelong[embedded]'") from None
        self._fake = fakeredis
        self._server = fakeredis.FakeServer(version=(7, 0))
        self._waiting: set[Callable[[], object]] = set()

    def client(self) -> "Redis":
        """Return a blocking client of this store; it may be used from any one thread."""
        client: Redis = self._fake.FakeRedis(server=self._server, protocol=2)
        return client

    def wait(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, from any thread, after the next write."""
        self._waiting.add(wake)

    def forget(self, wake: Callable[[], object]) -> None:
        """Do not call `wake` any more."""
        self._waiting.discard(wake)

    def wrote(self) -> None:
        """Wake all who wait for a write."""
        while self._waiting:
            try:
                wake = self._waiting.pop()
            except KeyError:  # another thread wrote at the same moment
                return
            wake()


class EmbeddedLink:
    """A `Link` to a store in this process: every command is answered before it returns to the event loop."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.sent = 0
        self.finished = 0
        self.cuts = 0
        self._server = server
        self._client = server.client()
        # Answers as a server gives them, as those of the other link are.
        self._client.response_callbacks.clear()
        self._command: Callable[..., Any] = self._client.execute_command
        self._is_unblocked = False
        self._wake: Callable[[], object] | None = None

    async def call(self, *command: Word) -> Any:
        """See `Link.call`."""
        self.sent += 1
        try:
            if command[0] == "BLMOVE":
                return await self._wait_for(("LMOVE", *command[1:-1]), float(command[-1]))
            if command[0] == "BLPOP":
                popped = await self._wait_for(("LPOP", command[1]), float(command[2]))
                return None if popped is None else [command[1], popped]
            # Answering without ever giving way would starve the loop's other tasks.
            await asyncio.sleep(0)
            answer = self._execute(command)
            self._server.wrote()
        finally:
            self.finished += 1
        return answer

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.pipeline`."""
        answers: list[Any] = []
        for command in commands:
            try:
                answers.append(await self.call(*command))
            except Refused as error:
                answers.append(error)
        return answers

    def post(self, commands: Sequence[Command], deliver: Deliver) -> bool:
        """See `Link.post`."""
        return False  # answering at once would starve the loop's other tasks

    async def unblock(self, via: Link) -> None:
        """See `Link.unblock`."""
        self._unblock()

    def _unblock(self) -> None:
        if self._wake is not None:
            self._is_unblocked = True
            self._wake()

    async def close(self) -> None:
        """See `Link.close`."""
        self._is_unblocked = True
        self._unblock()
        self._client.close()

    def _execute(self, command: Command) -> Any:
        try:
            return self._command(*command)
        except RedisError as error:
            raise Refused(_with_code(error)) from None
        except ValueError as error:
            # fakeredis lets some of its own conversions escape where a server would refuse the command.
            raise Refused(f"ERR {error}") from None

    async def _wait_for(self, command: Command, seconds: float) -> Any:
        """Repeat a command until it has brought something, as its blocking form does on a server."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        self._is_unblocked = False
        while True:
            await asyncio.sleep(0)
            if self._is_unblocked:
                return None
            # As on a server, this is refused where a key has the wrong type.
            answer = self._execute(command)
            remaining = ends_at - loop.time()
            if answer is not None or remaining <= 0:
                return answer
            await self._wait_for_write(loop, min(_SLICE, remaining))

    async def _wait_for_write(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        written = loop.create_future()

        def finish() -> None:
            if not written.done():
                written.set_result(None)

        def wake() -> None:
            # The loop may have been closed in another thread: then nobody waits there.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(finish)

        self._wake = wake
        self._server.wait(wake)
        try:
            await asyncio.wait({written}, timeout=seconds)
        finally:
            self._server.forget(wake)
            self._wake = None


def _with_code(error: RedisError) -> str:
    # redis-py takes the code off some answers and makes it a class of exception.
    text = str(error)
    if type(error).__name__ == "NoScriptError" and not text.startswith("NOSCRIPT"):
        return f"NOSCRIPT {text}"
    return text
