"""The log of a worker process: one line per record, to stderr or to a file."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from sidelong.core.logs.json_lines import JsonFormatter
from sidelong.core.logs.levels import JobLevelFilter
from sidelong.core.logs.text import PlainFormatter, PrettyFormatter
from sidelong.errors import ConfigurationError
from sidelong.settings import LogSurroundings, log_surroundings

Dress = Callable[[logging.Formatter], logging.Formatter]
"""Adds something to what a formatter writes."""


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream; what it cannot write is lost, and nobody hears of it but this stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._flushes_itself = getattr(stream, "line_buffering", False)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one that belongs to a line-buffered stream is on its way by then."""
        try:
            self.stream.write(f"{self.format(record)}\n")
            if not self._flushes_itself:
                self.stream.flush()
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Tell of a failure where that is possible; a log must never cost a job."""
        with suppress(Exception):
            super().handleError(record)


class LogFileHandler(LogHandler):
    """Appends to a file; once it is moved away, as logrotate does, a new one is begun under its name.

    Args:
        path: where it is.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        # The application may change the directory.
        self._path = path.absolute()
        super().__init__(self._open())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the file that has the name now."""
        if self._was_moved():
            # While none can be opened, it goes on in the old one.
            with suppress(OSError):
                old, self.stream = self.stream, self._open()
                old.close()
        super().emit(record)

    def close(self) -> None:
        """Close the file."""
        super().close()
        with suppress(OSError):
            self.stream.close()

    def _open(self) -> TextIO:
        stream = self._path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
        self._opened = os.fstat(stream.fileno())
        return stream

    def _was_moved(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), self._opened)
        except FileNotFoundError:
            return True
        except OSError:
            return False


def configure_logging(
    verbose: bool, log_format: str = "auto", file: Path | None = None, dress: Dress | None = None
) -> None:
    """Send all records from INFO up to a file or to stderr, and Sidelong's own from DEBUG up if `verbose`.

    Called before user code is imported, so that an application's own `dictConfig` still has the last word.

    Args:
        verbose: whether details are wanted.
        log_format: one of `LOG_FORMATS`.
        file: where it goes; None for stderr.
        dress: what is added to each line.

    Raises:
        ConfigurationError: the file cannot be opened.
    """
    surroundings = log_surroundings()
    handler = _handler(file)
    handler.addFilter(JobLevelFilter())
    handler.setFormatter(_formatter(log_format, handler.stream, surroundings, dress))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if verbose or surroundings.wants_debug:
        logging.getLogger("sidelong").setLevel(logging.DEBUG)


def use_log_format(log_format: str, dress: Dress | None = None) -> None:
    """Go on in another format, unless the application has put handlers of its own in place of ours."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogHandler):
            handler.setFormatter(_formatter(log_format, handler.stream, log_surroundings(), dress))


def _handler(file: Path | None) -> LogHandler:
    stderr = _stderr()
    if file is None:
        return LogHandler(stderr)
    try:
        return LogFileHandler(file)
    except OSError as error:
        raise ConfigurationError(f"the log file {file} cannot be opened: {error.strerror or error}") from None


def _formatter(
    log_format: str, stream: TextIO, surroundings: LogSurroundings, dress: Dress | None
) -> logging.Formatter:
    formatter = _bare_formatter(log_format, stream, surroundings)
    return formatter if dress is None else dress(formatter)


def _bare_formatter(log_format: str, stream: TextIO, surroundings: LogSurroundings) -> logging.Formatter:
    is_terminal = stream.isatty()
    if log_format == "json":
        return JsonFormatter()
    if log_format == "pretty" or (log_format == "auto" and is_terminal):
        colours = is_terminal if surroundings.colours is None else surroundings.colours
        return PrettyFormatter(colours=colours, timestamps=surroundings.timestamps)
    return PlainFormatter(timestamps=surroundings.timestamps)


def _stderr() -> TextIO:
    if sys.stderr is None:
        # The process was started without one. The next descriptor to be opened would take its number, and with it
        # whatever libraries write there: better this one than a connection to Redis.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    return sys.stderr
