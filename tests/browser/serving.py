"""The pages, served over HTTP as `sidelong web` serves them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn

from sidelong import Sidelong
from sidelong.web import dashboard

HOST = "127.0.0.1"


@asynccontextmanager
async def serving(redis_url: str, **arguments: Any) -> AsyncIterator[str]:
    """Serve the pages of a Redis for as long as the block lasts; gives their address.

    Args:
        redis_url: where the data are.
        arguments: those of `dashboard`.
    """
    app = Sidelong(redis_url)
    pages = dashboard(app, **{"auth": None, "interval": 0.2, **arguments})
    with socket.create_server((HOST, 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                pages, lifespan="off", log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
            )
        )
        # Signals are for the tests.
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            await app.close()
