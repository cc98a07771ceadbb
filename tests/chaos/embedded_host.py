"""A program that runs a worker in its own event loop: a web server, or a bare loop where uvicorn is not installed."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from importlib.util import find_spec

from sidelong.core.config import Settings
from tests.chaos.worker_app import app


def is_web_server_installed() -> bool:
    """Tell whether the host is uvicorn."""
    return find_spec("uvicorn") is not None and find_spec("starlette") is not None


def serve(*, concurrency: int, queues: Sequence[str], timeout: float | None) -> int:
    """Run the host until SIGTERM and return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings(concurrency=concurrency)
    if queues:
        settings["queues"] = queues
    if timeout is not None:
        settings["timeout"] = timeout
    if is_web_server_installed():
        return _serve_web(settings)
    return asyncio.run(_serve_bare(settings))


def _serve_web(settings: Settings) -> int:
    import uvicorn
    from starlette.applications import Starlette

    server = uvicorn.Server(
        uvicorn.Config(Starlette(lifespan=app.lifespan(worker=settings)), port=0, log_level="warning")
    )
    # uvicorn raises the signal that has ended it once more, for the handler that was there before its own.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    server.run()
    return 0 if server.started else 1


async def _serve_bare(settings: Settings) -> int:
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with app, app.worker(**settings):
        await asked.wait()
    return 0
