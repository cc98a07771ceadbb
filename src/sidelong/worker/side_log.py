"""Logging from the thread of the heartbeat, which must never wait for whoever reads the log."""

import logging
import threading
from contextlib import suppress

from sidelong.core.logs.message import LogMessage

_PATIENCE = 0.5
"""Seconds; usually a record is written long before."""


class SideLog:
    """Writes to a logger from threads of its own, one at a time.

    A pipe that nobody reads, or a terminal that was stopped, holds up whoever writes to it. Were that the heartbeat,
    other workers would take this one for dead and run its jobs again.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._writer: threading.Thread | None = None

    def log(self, level: int, message: str | LogMessage, fault: BaseException | None = None) -> None:
        """Write a record; it is lost if the one before cannot be written yet, or no thread can be had."""
        if not self._logger.isEnabledFor(level) or (self._writer is not None and self._writer.is_alive()):
            return
        # Made here: a job that kept the interpreter lock goes on meanwhile, and what it logs next is later than this.
        cause = (type(fault), fault, fault.__traceback__) if fault is not None else None
        record = logging.LogRecord(self._logger.name, level, __file__, 0, message, None, cause)
        writer = threading.Thread(target=self._write, args=(record,), name="sidelong-log", daemon=True)
        with suppress(RuntimeError):
            writer.start()
            self._writer = writer
            writer.join(_PATIENCE)

    def _write(self, record: logging.LogRecord) -> None:
        # A handler of others that raises would have its say on stderr.
        with suppress(Exception):
            self._logger.handle(record)
