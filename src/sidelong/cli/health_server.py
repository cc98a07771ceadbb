"""`sidelong run --health HOST:PORT`: says over HTTP whether the worker is live, and whether it is ready.

It runs in a thread with an event loop of its own: that the worker's is blocked is what it has to tell of. Clients are
served side by side, so that none waits for another, and no more of them than a bound.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from sidelong.core.address import parse_address
from sidelong.errors import ConfigurationError
from sidelong.worker.worker import Worker

_CLIENT_MAY_TAKE: Final = 1.0
"""Seconds for a request and its answer."""
_MOST_CLIENTS: Final = 50
"""So many are served at a time. For one more the one is cut off that has been there for longest: a probe that asks at
once is answered whoever else dawdles."""
_LONGEST_REQUEST: Final = 16_384


@contextmanager
def health_server(address: str, worker: Worker) -> Iterator[None]:
    """Serve `/live` and `/ready` while the block runs; nothing if the address is empty.

    Args:
        address: HOST:PORT.
        worker: whom it asks. Neither question asks Redis anything.

    Raises:
        ConfigurationError: nothing can listen there.
    """
    if not address:
        yield
        return
    host, port = parse_address(address, called="health")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_MOST_CLIENTS)
    except OSError as error:
        raise ConfigurationError(f"the probes cannot listen on {address}: {error.strerror or error}") from None
    server = _Server(listener, {"/live": lambda: _live(worker), "/ready": lambda: _ready(worker)})
    server.start()
    try:
        yield
    finally:
        server.end()


def _live(worker: Worker) -> str:
    return "" if worker.is_live else "the event loop is blocked"


def _ready(worker: Worker) -> str:
    return "" if worker.is_ready else "it does not fetch, or Redis does not answer"


class _Server:
    """Answers probes until its end, at which whoever is being served is cut off.

    Args:
        listener: takes clients; it is closed at the end.
        probes: by path, each says what is wrong, or nothing.
    """

    def __init__(self, listener: socket.socket, probes: Mapping[str, Callable[[], str]]) -> None:
        self._listener = listener
        self._probes = probes
        # In the order in which they came.
        self._clients: dict[asyncio.StreamWriter, None] = {}
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sidelong-health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._greet, sock=self._listener, limit=_LONGEST_REQUEST)
        await self._ended.wait()
        server.close()
        for client in self._clients:
            client.transport.abort()
        # Broken off in their midst, they would complain on stderr.
        if serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._ended.is_set():
            writer.transport.abort()
            return
        if len(self._clients) >= _MOST_CLIENTS:
            slowest = next(iter(self._clients))
            del self._clients[slowest]
            slowest.transport.abort()
        self._clients[writer] = None
        try:
            async with asyncio.timeout(_CLIENT_MAY_TAKE):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # It hung up, took too long or said too much: nobody has to know.
            pass
        finally:
            self._clients.pop(writer, None)
            writer.transport.abort()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", headers="Allow: GET, HEAD\r\n")
        if path not in self._probes:
            status, text = HTTPStatus.NOT_FOUND, "there are /live and /ready"
        elif trouble := self._probes[path]():
            status, text = HTTPStatus.SERVICE_UNAVAILABLE, trouble
        else:
            status, text = HTTPStatus.OK, "ok"
        return _response(status, text, has_body=method == b"GET")


def _response(status: HTTPStatus, text: str, *, headers: str = "", has_body: bool = True) -> bytes:
    body = f"{text}\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n{headers}\r\n"
    )
    return (head + (body if has_body else "")).encode()
