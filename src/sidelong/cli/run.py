"""`sidelong run`: one worker process, from the command line to its exit status."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidelong.app import Sidelong
from sidelong.cli.banner import log_banner
from sidelong.cli.event_loop import EventLoop, choose_event_loop, occupy_standard_streams
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import tell_failure
from sidelong.cli.garbage import spare_the_collector
from sidelong.cli.health_server import health_server
from sidelong.cli.loading import FailedImportError, TargetError, load_app
from sidelong.cli.logs import configure_logging, use_log_format
from sidelong.cli.pidfile import Pidfile, PidfileTakenError
from sidelong.cli.process_status import process_status
from sidelong.cli.signals import Signals
from sidelong.core.config import Settings
from sidelong.core.logs.message import LogMessage
from sidelong.core.logs.repeats import REPEATS
from sidelong.core.queue_names import parse_queues
from sidelong.errors import ConfigurationError, StoreError
from sidelong.settings import (
    CODE,
    environment_and_file,
    log_format,
    oversights,
    prefer,
    refuse_several_processes,
    resque_queues,
)
from sidelong.worker.worker import Worker

logger = logging.getLogger("sidelong.cli")

_EXECUTOR_PATIENCE = 0.5
"""Seconds for the threads of `asyncio.to_thread` to end after the worker has stopped."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks for; what is None or empty stays as the app has it."""

    target: str
    concurrency: int | None
    queues: Sequence[str]
    timeout: float | None
    redis: str | None
    verbose: bool
    tag: str | None = None
    labels: Sequence[str] = ()
    event_loop: str | None = None
    log_format: str | None = None
    health: str | None = None
    pidfile: Path | None = None
    logfile: Path | None = None
    config_file: Path | None = None
    environment: str | None = None

    def settings(self) -> Settings:
        """Return the settings that flags give; the address is not among them."""
        settings = Settings()
        if self.concurrency is not None:
            settings["concurrency"] = self.concurrency
        if self.queues:
            settings["queues"] = self.queues
        if self.timeout is not None:
            settings["timeout"] = self.timeout
        if self.tag is not None:
            settings["tag"] = self.tag
        if self.labels:
            settings["labels"] = self.labels
        if self.event_loop is not None:
            settings["event_loop"] = self.event_loop
        if self.log_format is not None:
            settings["log_format"] = self.log_format
        if self.health is not None:
            settings["health"] = self.health
        return settings


def run(options: RunOptions) -> int:
    """Import the app, run a worker until it is stopped, and return the exit status."""
    prefer(file=options.config_file, environment=options.environment)
    occupy_standard_streams()
    try:
        configure_logging(options.verbose, options.log_format or log_format(), options.logfile)
    except ConfigurationError as error:
        return tell_failure(error)
    signals = Signals()
    signals.install()
    try:
        pidfile = None if options.pidfile is None else Pidfile(options.pidfile)
    except (ConfigurationError, PidfileTakenError) as error:
        return _failed(error, options)
    give_up = _nothing if pidfile is None else pidfile.remove
    try:
        return _run(options, signals, give_up)
    finally:
        give_up()


def choose_queues(settings: Settings, app: Sidelong) -> str | None:
    """Add the queues that Resque's variables name, unless something stronger does; return the variable that did."""
    if "queues" in settings or (found := resque_queues(app.sources["queues"])) is None:
        return None
    variable, settings["queues"] = found
    return variable


def _run(options: RunOptions, signals: Signals, give_up: Callable[[], None]) -> int:
    """Import the app and run a worker.

    Args:
        options: what the command line asks for.
        signals: are installed, and get the worker.
        give_up: called before the process ends in any other way than by returning from here.
    """
    try:
        # Before the import, so that a wrong queue is told at once.
        parse_queues(options.queues)
        refuse_several_processes()
        with signals.importing():
            app = load_app(options.target)
        if options.redis:
            # A flag beats what the code says, for what jobs enqueue as well.
            app.use_redis(options.redis)
        settings = options.settings()
        if (variable := choose_queues(settings, app)) is not None:
            logger.info("Queues from %s", variable)
        worker = app.worker(**settings)
        use_log_format(worker.config.log_format)
        source = app.sources["event_loop"] if options.event_loop is None else CODE
        event_loop = choose_event_loop(worker.config.event_loop, source)
        for sentence in oversights():
            logger.warning("Settings: %s", sentence)
        log_banner(app, worker, options.target, event_loop)
        _log_settings_file()
        spare_the_collector()
        # Before anything asks Redis: a worker that cannot reach it yet is live, and not ready.
        with health_server(worker.config.health, worker):
            _serve(app, worker, signals, event_loop, give_up)
    except (TargetError, ConfigurationError, StoreError) as error:
        if signals.stop_requested:
            # Asked to stop while it started: what failed then is of no interest.
            return ExitStatus.DONE
        return _failed(error, options)
    if stuck := worker.stuck_threads():
        _leave(f"Jobs that do not end are left behind: {', '.join(stuck)}", give_up)
    logger.info("Stopped")
    return ExitStatus.DONE


def _failed(error: Exception, options: RunOptions) -> ExitStatus:
    """Tell of a failure; also where those look who have given it a log."""
    if options.logfile is not None:
        lines = error.traceback.rstrip() if isinstance(error, FailedImportError) else ""
        logger.critical(LogMessage(str(error), lines=lines))
    return tell_failure(error)


def _nothing() -> None:
    """Give nothing up."""


def _log_settings_file() -> None:
    environment, file = environment_and_file()
    if file is not None:
        logger.info("Settings from %s, environment %s", file, environment)


def _serve(app: Sidelong, worker: Worker, signals: Signals, event_loop: EventLoop, give_up: Callable[[], None]) -> None:
    """Run the worker in an event loop of its own until it has stopped."""

    async def serve() -> None:
        signals.attach(worker, asyncio.get_running_loop())
        try:
            async with process_status(worker):
                await worker.run()
        finally:
            signals.detach()
            # What jobs have enqueued went over a connection of the application's.
            await app.close()

    with asyncio.Runner(loop_factory=event_loop.make) as runner:
        runner.run(serve())
        # Closing the loop waits for threads of `asyncio.to_thread`, which nobody can cancel.
        patience = threading.Timer(_EXECUTOR_PATIENCE, _leave, ["Threads of asyncio.to_thread do not end.", give_up])
        patience.daemon = True
        patience.start()
    patience.cancel()


def _leave(reason: str, give_up: Callable[[], None]) -> None:
    """End the process as a clean stop does, without waiting for threads that would not end."""
    logger.warning(reason)
    REPEATS.flush()
    give_up()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
