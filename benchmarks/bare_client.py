"""The least possible client of Redis on an event loop: one connection, one command at a time."""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis


class BareClient(asyncio.Protocol):
    """Sends one command and waits for its answer."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._answer: asyncio.Future[Any] | None = None
        self._lost: ConnectionError | None = None

    @classmethod
    async def connect(cls, url: str) -> "BareClient":
        """Return a client with a connection."""
        address = urlsplit(url)
        _, client = await asyncio.get_running_loop().create_connection(cls, address.hostname or "", address.port or 0)
        return client

    async def call(self, *words: str | int | bytes) -> Any:
        """Return the answer to one command; the one before must have been answered.

        Raises:
            hiredis.ReplyError: Redis refused the command.
            ConnectionError: the connection was closed, before or meanwhile.
        """
        if self._lost is not None:
            raise self._lost
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(hiredis.pack_command(cast("Any", words)))
        answer = await self._answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what commands are written to."""
        # Not asserted: those of uvloop are none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the call."""
        self._reader.feed(data)
        if (answer := self._reader.gets()) is not False and self._answer is not None:
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """End the call that waits, which would hang."""
        self._lost = ConnectionError(f"Redis closed the connection: {error}")
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._lost)
