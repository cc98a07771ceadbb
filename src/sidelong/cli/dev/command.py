"""`sidelong dev`: from what was typed to a supervisor that runs, and its exit status."""

import asyncio
import importlib.util
import logging
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sidelong.cli.dev.changes import Changes
from sidelong.cli.dev.host_process import Report
from sidelong.cli.dev.options import PATIENCE, DevOptions, HostOrder
from sidelong.cli.dev.ports import listen
from sidelong.cli.dev.servers import pages_host
from sidelong.cli.dev.sources import with_source
from sidelong.cli.dev.supervisor import MakeOrder, Supervisor
from sidelong.cli.dev.terminal_state import kept_terminal
from sidelong.cli.dev.watched import Watched
from sidelong.cli.event_loop import occupy_standard_streams
from sidelong.cli.failures import tell_failure
from sidelong.cli.logs import configure_logging
from sidelong.core.queue_names import parse_queues
from sidelong.errors import ConfigurationError
from sidelong.settings import environment_and_file, log_format, prefer

logger = logging.getLogger("sidelong.cli")

_WEB_PORT: Final = 8000
_PAGES_PORT: Final = 8080
_MORE_PATIENCE: Final = 3.0
"""Seconds by which the supervisor is more patient than the host, which can tell better what hangs."""


def run_dev(options: DevOptions) -> int:
    """Run all of it until a signal ends it, and return the exit status."""
    prefer(file=options.run.config_file, environment=options.run.environment)
    occupy_standard_streams()
    configure_logging(options.run.verbose, options.run.log_format or log_format(), dress=with_source)
    with ExitStack() as stack:
        try:
            parse_queues(options.run.queues)
            _require(options)
            changes = _changes(options) if options.reloads else None
            port = options.port if options.web_app else None
            pages = stack.enter_context(listen(pages_host(options.host), options.web_port, _PAGES_PORT, spared=port))
            web = stack.enter_context(listen(options.host, port, _WEB_PORT)) if options.web_app else None
        except ConfigurationError as error:
            return tell_failure(error)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sidelong-dev-")))
        supervisor = Supervisor(
            _order_maker(options, pages, web, directory / "snapshot", changes),
            [listener.fileno() for listener in (pages, web) if listener is not None],
            changes,
            patience=PATIENCE + options.timeout + _MORE_PATIENCE,
        )
        stack.enter_context(kept_terminal())
        return asyncio.run(supervisor.run())


def _order_maker(
    options: DevOptions, pages: socket.socket, web: socket.socket | None, snapshot: Path, changes: Changes | None
) -> MakeOrder:
    def order(known: Report) -> HostOrder:
        return HostOrder(
            run=options.run,
            web_app=options.web_app,
            is_factory=options.is_factory,
            pages=pages.fileno(),
            web=None if web is None else web.fileno(),
            snapshot=str(snapshot),
            known_redis=known.redis,
            missing_redis=known.missing_redis,
            watches="" if changes is None else f"Watching {changes.watched}",
            is_first=not known.is_serving,
            advice=known.advice,
        )

    return order


def _require(options: DevOptions) -> None:
    """Look for what is needed, without loading it.

    Raises:
        ConfigurationError: something is not installed.
    """
    needed = ["uvicorn", "starlette", "jinja2", *(["watchfiles"] if options.reloads else [])]
    for name in needed:
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(f"dev needs {name}, which is not installed: pip install 'sidelong[dev]'")


def _changes(options: DevOptions) -> Changes:
    """Return what watches.

    Raises:
        SettingSourceError: the settings file cannot be read.
    """
    _, settings_file = environment_and_file()
    return Changes(Watched(options.watched or [Path.cwd()], settings_file))
