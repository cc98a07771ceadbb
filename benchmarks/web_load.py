"""Start a web application and put it under load: keep-alive connections that each send a request after the answer.

The application has a process of its own, uvicorn with its defaults: on uvloop where that is installed, and with an
access log, which goes nowhere here. The client reads no more of HTTP than it must: it has to cost far less than what it
measures.
"""

import asyncio
import os
import socket
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from benchmarks.workload import Measures, Settings

_REDIS = "BENCHMARK_REDIS_URL"
_HOST = "127.0.0.1"
_STARTS_WITHIN = 10.0
_REQUEST = f"POST /jobs HTTP/1.1\r\nHost: {_HOST}\r\nContent-Length: 0\r\n\r\n".encode()
_EXPECTED = b"HTTP/1.1 202 "
_BODILESS = b"content-length: 0\r\n"


def redis_url() -> str:
    """Return the Redis that an application, started by `measure`, is to use."""
    return os.environ[_REDIS]


def application(store_a_job: Callable[[], Awaitable[object]], lifespan: Any = None) -> Any:
    """Return an application with one endpoint, which stores a job and says that it did.

    Args:
        store_a_job: awaited for each request.
        lifespan: as Starlette takes it.
    """
    # An extra: the other workloads do without it.
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def endpoint(request: Request) -> Response:
        await store_a_job()
        return Response(status_code=202)

    return Starlette(routes=[Route("/jobs", endpoint, methods=["POST"])], lifespan=lifespan)


async def measure(settings: Settings, factory: str) -> Measures:
    """Run an application under load and return how it answered; the first tenth of the requests is warm-up.

    Args:
        settings: those of the workload.
        factory: what builds the application, as `module:function`.
    """
    load = _Load(settings["jobs"])
    loop = asyncio.get_running_loop()
    async with _running(factory, settings["url"]) as port:
        opened = [
            await loop.create_connection(lambda: _Connection(load), _HOST, port) for _ in range(settings["connections"])
        ]
        for _, connection in opened:
            connection.request()
        seconds = await load.done
        for transport, _ in opened:
            transport.close()
    cuts = statistics.quantiles(load.waits[load.warm_up :], n=100)
    counted = load.requests - load.warm_up
    return {"requests/s": counted / seconds, "p50 ms": cuts[49] * 1e3, "p99 ms": cuts[98] * 1e3}


class _Load:
    """The requests of all connections together."""

    def __init__(self, requests: int) -> None:
        self.requests, self.warm_up = requests, requests // 10
        self.waits: list[float] = []
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._sent = 0
        self._began = 0.0

    def may_send(self) -> bool:
        """Count a request, if any is left."""
        self._sent += 1
        return self._sent <= self.requests

    def note(self, wait: float, now: float) -> None:
        """Note an answer."""
        self.waits.append(wait)
        if len(self.waits) == self.warm_up:
            self._began = now
        elif len(self.waits) == self.requests:
            self.done.set_result(now - self._began)

    def fail(self, reason: str) -> None:
        """End the run."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


class _Connection(asyncio.Protocol):
    """One keep-alive connection, with one request under way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._answer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: those of uvloop are none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def request(self) -> None:
        """Send a request, if any is left."""
        if self._load.may_send():
            self._answer = b""
            self._sent_at = time.perf_counter()
            self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"\r\n\r\n"):
            return
        if not self._answer.startswith(_EXPECTED) or _BODILESS not in self._answer:
            self._load.fail(f"the application answered {self._answer!r}")
            return
        now = time.perf_counter()
        self._load.note(now - self._sent_at, now)
        self.request()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail(f"the application closed a connection: {error}")


@asynccontextmanager
async def _running(factory: str, url: str) -> AsyncIterator[int]:
    """Run an application for as long as the block lasts; gives its port."""
    # It is given the socket: a port that is only looked for may be somebody else's by the time it listens.
    with socket.create_server((_HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "--factory", factory, "--fd", str(listening.fileno())),
            env={**os.environ, _REDIS: url},
            pass_fds=[listening.fileno()],
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
    try:
        await _await_answer(port)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _await_answer(port: int) -> None:
    """Send a request, which is answered once the application has started, or when nobody holds the socket any more."""
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            reader, writer = await asyncio.open_connection(_HOST, port)
            writer.write(_REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
    except (OSError, EOFError) as error:
        raise RuntimeError("uvicorn does not answer: are starlette and uvicorn installed?") from error
