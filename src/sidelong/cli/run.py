"""`sidelong run`: one worker process, from the command line to its exit status."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sidelong.app import Sidelong
from sidelong.cli.banner import log_banner
from sidelong.cli.event_loop import EventLoop, choose_event_loop
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import tell_failure
from sidelong.cli.garbage import spare_the_collector
from sidelong.cli.loading import TargetError, load_app
from sidelong.cli.logs import configure_logging, use_log_format
from sidelong.cli.signals import Signals
from sidelong.core.config import Settings
from sidelong.core.logs.repeats import REPEATS
from sidelong.core.queue_names import parse_queues
from sidelong.errors import ConfigurationError, StoreError
from sidelong.settings import CODE, environment_and_file, log_format, oversights, prefer
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
        return settings


def run(options: RunOptions) -> int:
    """Import the app, run a worker until it is stopped, and return the exit status."""
    prefer(file=options.config_file, environment=options.environment)
    configure_logging(options.verbose, options.log_format or log_format())
    signals = Signals()
    signals.install()
    try:
        # Before the import, so that a wrong queue is told at once.
        parse_queues(options.queues)
        with signals.importing():
            app = load_app(options.target)
        if options.redis:
            # A flag beats what the code says, for what jobs enqueue as well.
            app.use_redis(options.redis)
        worker = app.worker(**options.settings())
        use_log_format(worker.config.log_format)
        source = app.sources["event_loop"] if options.event_loop is None else CODE
        event_loop = choose_event_loop(worker.config.event_loop, source)
        for sentence in oversights():
            logger.warning("Settings: %s", sentence)
        log_banner(app, worker, options.target, event_loop)
        _log_settings_file()
        spare_the_collector()
        _serve(app, worker, signals, event_loop)
    except (TargetError, ConfigurationError, StoreError) as error:
        if signals.stop_requested:
            # Asked to stop while it started: what failed then is of no interest.
            return ExitStatus.DONE
        return tell_failure(error)
    if stuck := worker.stuck_threads():
        _leave(f"Jobs that do not end are left behind: {', '.join(stuck)}")
    logger.info("Stopped")
    return ExitStatus.DONE


def _log_settings_file() -> None:
    environment, file = environment_and_file()
    if file is not None:
        logger.info("Settings from %s, environment %s", file, environment)


def _serve(app: Sidelong, worker: Worker, signals: Signals, event_loop: EventLoop) -> None:
    """Run the worker in an event loop of its own until it has stopped."""

    async def serve() -> None:
        signals.attach(worker, asyncio.get_running_loop())
        try:
            await worker.run()
        finally:
            signals.detach()
            # What jobs have enqueued went over a connection of the application's.
            await app.close()

    with asyncio.Runner(loop_factory=event_loop.make) as runner:
        runner.run(serve())
        # Closing the loop waits for threads of `asyncio.to_thread`, which nobody can cancel.
        patience = threading.Timer(_EXECUTOR_PATIENCE, _leave, ["Threads of asyncio.to_thread do not end."])
        patience.daemon = True
        patience.start()
    patience.cancel()


def _leave(reason: str) -> None:
    """End the process as a clean stop does, without waiting for threads that would not end."""
    logger.warning(reason)
    REPEATS.flush()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
