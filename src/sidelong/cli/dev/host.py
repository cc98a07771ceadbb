"""The process in which all of the user's code runs: worker, pages and web app, in one event loop.

It runs one state of the code, from import to end; the next one has a process of its own.
"""

import asyncio
import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sidelong.app import Sidelong
from sidelong.cli.dev.advice import AdviceFilter
from sidelong.cli.dev.announcement import announce
from sidelong.cli.dev.host_link import HostLink
from sidelong.cli.dev.levels import Level
from sidelong.cli.dev.options import PATIENCE, HostOrder
from sidelong.cli.dev.redis_choice import choose_redis, use_everywhere
from sidelong.cli.dev.servers import HttpServer, StartFailedError, app_server, configure_server_log, pages_server
from sidelong.cli.dev.sources import DevFilter, Source, context_of_source, with_source
from sidelong.cli.dev.stopping import Stopping
from sidelong.cli.event_loop import choose_event_loop, occupy_standard_streams
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import status_of
from sidelong.cli.loading import FailedImportError, TargetError, load_app, load_web_app
from sidelong.cli.logs import configure_logging, use_log_format
from sidelong.cli.signals import tell_of_stop, tell_of_stop_now
from sidelong.core.logs.message import LogMessage
from sidelong.core.logs.repeats import REPEATS
from sidelong.errors import ConfigurationError, StoreError
from sidelong.settings import CODE, log_format
from sidelong.store.embedded_snapshot import restore_embedded, save_embedded
from sidelong.worker.worker import Worker, workers_inside_hosts

logger = logging.getLogger("sidelong.cli")

_THREADS_END_WITHIN: Final = 0.5


@dataclass(frozen=True)
class Parts:
    """What runs in the host.

    Attributes:
        app: the application.
        worker: its worker.
        servers: the pages and the web app.
        make_loop: returns the event loop for them.
    """

    app: Sidelong
    worker: Worker
    servers: Sequence[HttpServer]
    make_loop: Callable[[], asyncio.AbstractEventLoop]


def run_host(link: HostLink) -> ExitStatus:
    """Do what the supervisor orders until it, a signal or a fault ends it, and return the exit status."""
    order = link.order()
    stopping = Stopping(PATIENCE + order.timeout)
    stopping.install()
    link.listen(stopping.tell)
    occupy_standard_streams()
    _configure_logging(order, link)
    snapshot = Path(order.snapshot)
    stopping.overdue = lambda: _clear_up(link, snapshot)
    try:
        with stopping.starting():
            if snapshot.exists():
                restore_embedded(snapshot)
            parts = _prepare(order, link)
    except (TargetError, ConfigurationError, StoreError) as error:
        # Once it is to end, what fails was broken off.
        if not stopping.level:
            _tell_failure(error, link)
        return ExitStatus.FAILED
    finally:
        _clear_up(link, snapshot)
    # From here on it does not say what the stores hold; not before, while an end would leave no other.
    snapshot.unlink(missing_ok=True)
    stopping.overdue = lambda: _leave_blocked(link, snapshot)
    stopping.debugging = lambda: _tell_debugging(link)
    is_well = False
    with asyncio.Runner(loop_factory=parts.make_loop) as runner:
        try:
            is_well = runner.run(Host(parts, stopping).run())
        except Exception:
            logger.exception("The event loop has failed")
        finally:
            stopping.end()
            _keep_stores(link, snapshot)
        _leave_threads_behind()
    return ExitStatus.DONE if is_well else ExitStatus.FAILED


class Host:
    """Runs the parts until they are to end.

    Args:
        parts: what runs.
        stopping: says when.
    """

    def __init__(self, parts: Parts, stopping: Stopping) -> None:
        self._parts = parts
        self._stopping = stopping
        self._asked = asyncio.Event()

    async def run(self) -> bool:
        """Run; worker and servers end at the same time, so that no request is answered by old code any more.

        Returns:
            Whether it ended because it was told to.
        """
        loop = asyncio.get_running_loop()
        worker, servers = self._parts.worker, self._parts.servers
        self._stopping.attach(loop, self._reached)
        work = loop.create_task(worker.run(), context=context_of_source(Source.WORKER))
        serving = [server.start() for server in servers]
        asked = loop.create_task(self._asked.wait())
        try:
            await asyncio.wait({work, asked, *serving}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not asked.done() and work.exception() is None:
                logger.info("The worker was told to stop, and has. Pages and web app go on; a change starts it again")
                await asyncio.wait({asked, *serving}, return_when=asyncio.FIRST_COMPLETED)
            is_well = asked.done()
            # Those inside the web app as well, not after its requests: what this one hands back is not for them.
            for each in self._workers():
                each.stop_soon()
            for server in servers:
                server.stop()
            await asyncio.wait({work, *serving})
            # Where a web app was broken off as it started, nobody has waited for its own.
            await asyncio.gather(*(each.wait() for each in workers_inside_hosts()), return_exceptions=True)
        finally:
            asked.cancel()
            # What jobs and requests have enqueued went over a connection of the application's.
            await self._parts.app.close()
        for task in (work, *serving):
            is_well = _tell_fault(task) and is_well
        return is_well

    def _reached(self, level: Level) -> None:
        workers = self._workers()
        if level >= Level.NOW:
            tell_of_stop_now(*workers)
            for worker in workers:
                worker.stop_now()
            for server in self._parts.servers:
                server.hurry()
        elif not self._parts.worker.is_stopping:
            if level is Level.SOON or any(worker.running for worker in workers):
                tell_of_stop(*workers, by_signal=level is Level.SOON)
            for worker in workers:
                worker.stop_soon()
        self._asked.set()

    def _workers(self) -> "list[Worker]":
        """Return the worker, and those that run inside the web app."""
        return [self._parts.worker, *workers_inside_hosts()]


def _configure_logging(order: HostOrder, link: HostLink) -> None:
    configure_logging(order.run.verbose, order.run.log_format or log_format(), dress=with_source)
    advice = AdviceFilter(order.advice, link.advised)
    for handler in logging.getLogger().handlers:
        handler.addFilter(DevFilter())
        handler.addFilter(advice)
    configure_server_log()


def _prepare(order: HostOrder, link: HostLink) -> Parts:
    """Import the user's code and make all that is to run.

    Raises:
        TargetError, ConfigurationError, StoreError: it cannot run.
    """
    app = load_app(order.run.target)
    settings = order.run.settings()
    settings["timeout"] = order.timeout
    # For a worker inside the web app as well. A thread cannot be cancelled: to wait for it is to wait in vain.
    app.config = replace(app.config, timeout=order.timeout, cancel_grace=min(app.config.cancel_grace, order.timeout))
    event_loop = choose_event_loop(
        order.run.event_loop or app.config.event_loop,
        app.sources["event_loop"] if order.run.event_loop is None else CODE,
    )
    before = app.store.address
    choice = choose_redis(app, order, event_loop.make)
    web_app = load_web_app(order.web_app, is_factory=order.is_factory) if order.web_app else None
    use_everywhere(app, before)
    worker = app.worker(**settings)
    use_log_format(worker.config.log_format, dress=with_source)
    web = None if order.web is None else app_server(web_app, order.web, patience=order.timeout)
    pages = pages_server(app, order, None if web is None else web.address)
    servers = [pages] if web is None else [pages, web]
    announce(order, app, worker, choice, servers, event_loop)
    link.serving(redis=choice.address, missing_redis=choice.missing)
    return Parts(app, worker, servers, event_loop.make)


def _tell_failure(error: Exception, link: HostLink) -> None:
    if isinstance(error, FailedImportError):
        logger.error(LogMessage(error.summary, lines=error.traceback.rstrip()))
    else:
        link.refuse(status_of(error), str(error))


def _tell_fault(task: "asyncio.Task[None]") -> bool:
    """Log what has ended a task; return whether nothing did."""
    if (fault := task.exception()) is None:
        return True
    if isinstance(fault, StartFailedError):
        logger.error("The web app did not start")
    elif isinstance(fault, StoreError):
        logger.error("The worker has ended: %s", fault)
    else:
        logger.error("It has ended by a fault", exc_info=fault)
    return False


def _keep_stores(link: HostLink, snapshot: Path) -> None:
    """Write down what the stores inside this process hold, if there is somebody to go on with it."""
    if not link.is_cut:
        save_embedded(snapshot)
    _clear_up(link, snapshot)


def _clear_up(link: HostLink, snapshot: Path) -> None:
    """Remove what the supervisor has left: nobody else does, and nobody reads it."""
    if link.is_cut:
        shutil.rmtree(snapshot.parent, ignore_errors=True)


def _leave_blocked(link: HostLink, snapshot: Path) -> None:
    """End a process whose event loop is blocked; what runs stays with it until others take it for dead."""
    logger.error("The event loop is blocked, or what runs does not end: leaving it; its jobs run again in a minute")
    _keep_stores(link, snapshot)
    REPEATS.flush()
    logging.shutdown()


def _tell_debugging(link: HostLink) -> None:
    logger.warning("A debugger waits for you: let it go on, or press Ctrl-C three times")
    link.debugging()


def _leave_threads_behind() -> None:
    """End the process soon, also if there are threads of the user's that do not end."""
    REPEATS.flush()
    timer = threading.Timer(_THREADS_END_WITHIN, os._exit, [ExitStatus.DONE])
    timer.daemon = True
    timer.start()
