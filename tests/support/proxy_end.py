"""One socket of a connection that goes through a proxy."""

import asyncio
import socket
import struct
from collections.abc import Callable

# Closing with a linger time of zero sends RST, not FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class End(asyncio.Protocol):
    """A socket to the program or to the server; what is asked of it before it opens is done then."""

    def __init__(self, opened: Callable[[], None], received: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self.is_open = False
        self.is_gone = False
        self._opened = opened
        self._received = received
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True
        self._opened()
        self.write(b"".join(self._early))
        self._early.clear()
        if self._is_closed:
            transport.close()

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.is_gone = True
        self._gone()

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the socket is open."""
        if self._transport is None:
            self._early.append(data)
        elif data and not self._transport.is_closing():
            self._transport.write(data)

    def forget_early(self) -> None:
        """Never send what waits for the socket to open."""
        self._early.clear()

    def set_reading(self, is_reading: bool) -> None:
        """Take what arrives, or leave it with the system, whose buffers then fill up to the sender."""
        if self._transport is None:
            return
        if is_reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """Hang up once everything is written."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Hang up with RST."""
        self._is_closed = True
        if self._transport is None:
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
