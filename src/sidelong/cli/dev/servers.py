"""The two HTTP servers of the host: the pages, and the web app."""

import asyncio
import logging
import math
import socket
from typing import Any

from sidelong.app import Sidelong
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.dev.sources import Source, context_of_source
from sidelong.cli.http_serving import FOR_PAGES, address_of, is_loopback, new_server
from sidelong.settings import environment_and_file, web_credentials


class StartFailedError(Exception):
    """A web app did not start; what it raised is in the log."""


class HttpServer:
    """Serves an ASGI application.

    Args:
        application: what it serves.
        source: what its log lines are marked with.
        descriptor: of a socket that listens already, and goes on after this process.
        patience: whole seconds that open requests have at the end.
        settings: as `uvicorn.Config` takes them.

    Attributes:
        source: see above.
        address: the URL at which it can be reached.
    """

    def __init__(self, application: Any, source: Source, descriptor: int, *, patience: int, **settings: Any) -> None:
        import uvicorn

        # What the user's code starts must not hold the port.
        self._listener = socket.socket(fileno=descriptor)
        self._listener.set_inheritable(False)
        self._server = new_server(uvicorn, application, timeout_graceful_shutdown=patience, **settings)
        self._serving: asyncio.Task[None] | None = None
        self.source = source
        self.address = address_of(self._listener)

    def start(self) -> "asyncio.Task[None]":
        """Return a task in which it serves; it ends after `stop`.

        The task raises StartFailedError if the application does not start.
        """
        loop = asyncio.get_running_loop()
        self._serving = loop.create_task(self._serve(), context=context_of_source(self.source))
        return self._serving

    def stop(self) -> None:
        """Take no more requests, and end; an application that still starts has the time of a request."""
        self._server.should_exit = True
        if not self._server.started:
            asyncio.get_running_loop().call_later(self._server.config.timeout_graceful_shutdown, self._break_off_start)

    def hurry(self) -> None:
        """Give open requests no time at the end, nor any more of it."""
        self._server.config.timeout_graceful_shutdown = 0
        if self._server.should_exit:
            self._break_off_start()
            for request in self._server.server_state.tasks:
                request.cancel()

    def _break_off_start(self) -> None:
        if self._serving is not None and not self._server.started:
            self._serving.cancel()

    async def _serve(self) -> None:
        try:
            with self._listener:
                await self._server.serve(sockets=[self._listener])
        except SystemExit:
            # So uvicorn says it.
            raise StartFailedError from None
        except asyncio.CancelledError:
            if not self._server.should_exit:
                raise
            return
        if not self._server.started:
            raise StartFailedError


def pages_server(app: Sidelong, order: HostOrder, app_url: str | None) -> HttpServer:
    """Return the server of the pages."""
    from sidelong.web import dashboard
    from sidelong.web.security.credentials import BasicAuth

    environment, _ = environment_and_file()
    pages = dashboard(
        app,
        auth=BasicAuth.from_environment() if any(web_credentials()) else None,
        environment=environment,
        app_url=app_url,
    )
    # A browser that shows them listens for figures all the time: it is not waited for.
    return HttpServer(pages, Source.WEB, order.pages, patience=0, **FOR_PAGES)


def app_server(web_app: Any, descriptor: int, *, patience: float) -> HttpServer:
    """Return the server of the web app."""
    return HttpServer(web_app, Source.APP, descriptor, patience=max(1, math.ceil(patience)))


def pages_host(host: str) -> str:
    """Return the address for the pages: without credentials, nobody but this machine can reach them."""
    return host if is_loopback(host) or any(web_credentials()) else "127.0.0.1"


def configure_server_log() -> None:
    """Leave out what a server says of its own starts and ends."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
