"""`sidelong web`: the pages for operators, served by themselves."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import tell_failure
from sidelong.cli.http_serving import FOR_PAGES, address_of, bound, is_loopback, new_server
from sidelong.cli.loading import TargetError, load_app
from sidelong.cli.logs import configure_logging
from sidelong.core.display import shown
from sidelong.core.redaction import redacted
from sidelong.errors import ConfigurationError, StoreError
from sidelong.settings import log_format, prefer, web_credentials

if TYPE_CHECKING:
    from sidelong.web.security.credentials import BasicAuth

logger = logging.getLogger("sidelong.cli")

_PATIENCE = 2
"""Seconds that open connections have at a stop."""


@dataclass(frozen=True)
class WebOptions:
    """What the command line asks for.

    Attributes:
        target: where the app is; without one, the settings say where Redis is.
        redis: another Redis than the app's own.
        host: the address to listen on.
        port: the port; 0 for any that is free.
        allowed_hosts: names under which the pages may be asked for.
        read_only: allow nothing but looking.
        is_open: serve whoever can reach the address, without credentials.
        exporter: also answer Prometheus and autoscalers.
        title: what the pages are called.
        config_file: the settings file.
        environment: the section of it.
    """

    target: str | None
    redis: str | None
    host: str
    port: int
    allowed_hosts: Sequence[str] = ()
    read_only: bool = False
    is_open: bool = False
    exporter: bool = False
    title: str = "Sidelong"
    config_file: Path | None = None
    environment: str | None = None


def serve_web(options: WebOptions) -> ExitStatus:
    """Serve the pages until a signal ends it, and return the exit status."""
    prefer(file=options.config_file, environment=options.environment)
    configure_logging(False, log_format())
    try:
        web, uvicorn = _extras()
        app = load_app(options.target) if options.target else Sidelong()
        if options.redis:
            app.use_redis(options.redis)
        if app.config.redis_url.startswith("memory://"):
            raise ConfigurationError(
                "memory:// lives inside another process, and cannot be reached from here: use a real Redis"
            )
        auth = _credentials(options)
        pages = web.dashboard(
            app,
            auth=auth,
            read_only=options.read_only,
            exporter=options.exporter,
            title=options.title,
            environment=options.environment,
            allowed_hosts=list(options.allowed_hosts) or (["*"] if options.is_open and auth is None else None),
        )
        with bound(options.host, options.port) as listener:
            logger.info("Serving %s on %s", shown(redacted(app.store.address)), address_of(listener))
            asyncio.run(_serve(uvicorn, pages, app, listener))
    except (TargetError, ConfigurationError, StoreError) as error:
        return tell_failure(error)
    except OSError as error:
        sys.stderr.write(f"sidelong: cannot listen on {options.host}:{options.port}: {error.strerror or error}\n")
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _extras() -> tuple[ModuleType, ModuleType]:
    try:
        import uvicorn

        from sidelong import web
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the pages need {error.name}, which is not installed: pip install 'sidelong[web]'"
        ) from None
    return web, uvicorn


def _credentials(options: WebOptions) -> "BasicAuth | None":
    """Return who is let in.

    Raises:
        ConfigurationError: others could reach the pages, and there are no credentials.
    """
    from sidelong.web.security.credentials import BasicAuth

    if any(web_credentials()):
        return BasicAuth.from_environment()
    if not is_loopback(options.host) and not options.is_open:
        raise ConfigurationError(
            f"others can reach {options.host}: set SIDELONG_WEB_USERNAME and SIDELONG_WEB_PASSWORD"
            " (or say --insecure-no-auth, which lets everybody in)"
        )
    return None


async def _serve(uvicorn: Any, pages: Any, app: Sidelong, listener: socket.socket) -> None:
    server = new_server(uvicorn, pages, access_log=False, timeout_graceful_shutdown=_PATIENCE, **FOR_PAGES)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        await app.close()
