"""What commands print: for people on a terminal, for programs as JSON, and unabridged wherever it is kept."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

from sidelong.cli.exit_status import ExitStatus
from sidelong.settings import log_surroundings

_WIDTH_OF_OLD: Final = 80
_BOLD: Final = "\x1b[1m{}\x1b[0m"


class OutputFailed(Exception):  # noqa: N818 - reads as what happened
    """What was asked for cannot be printed."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the output cannot be written: {error.strerror}")
        self._is_unread = isinstance(error, BrokenPipeError)

    def tell(self) -> ExitStatus:
        """Say so, unless the reader has left because it has seen enough; and return the exit status."""
        if self._is_unread:
            return ExitStatus.DONE
        tell(str(self))
        return ExitStatus.FAILED


class Output:
    """Where a command prints.

    Args:
        stream: usually standard output; None where the command was started without one.

    Attributes:
        width: characters in a line of the terminal; None where the output goes elsewhere and must be whole.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        is_terminal = stream is not None and stream.isatty()
        self.width = shutil.get_terminal_size((_WIDTH_OF_OLD, 24)).columns if is_terminal else None
        colours = log_surroundings().colours
        self._is_bright = is_terminal if colours is None else colours
        if stream is not None and hasattr(stream, "reconfigure"):
            # Not every terminal knows every letter, and a listing must not end for it.
            stream.reconfigure(errors="backslashreplace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads along."""
        return self.width is not None

    def line(self, text: str = "") -> None:
        """Print a line, which is expected to be free of control characters.

        Raises:
            OutputFailed: nobody reads, or the disk is full.
        """
        if self._stream is None:
            return
        try:
            self._stream.write(f"{text}\n")
        except OSError as error:
            raise self._given_up(error) from None

    def heading(self, text: str) -> None:
        """Print a line that stands out where that is possible."""
        self.line(_BOLD.format(text) if self._is_bright else text)

    def raw(self, value: bytes) -> None:
        """Print bytes as they are, and a line end.

        Raises:
            OutputFailed: as `line`.
        """
        self.flush()
        if self._stream is None:
            return
        try:
            self._stream.buffer.write(value + b"\n")
            self._stream.buffer.flush()
        except OSError as error:
            raise self._given_up(error) from None

    def document(self, value: Any) -> None:
        """Print one JSON document on several lines."""
        self.line(json.dumps(value, indent=2, allow_nan=False))

    def record(self, value: Mapping[str, Any]) -> None:
        """Print one JSON document on one line, as one of many."""
        self.line(json.dumps(value, allow_nan=False))

    def flush(self) -> None:
        """Let all that was printed be read.

        Raises:
            OutputFailed: as `line`.
        """
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError as error:
            raise self._given_up(error) from None

    def _given_up(self, error: OSError) -> OutputFailed:
        if self._stream is not None:
            # Python would fail at its end, when it flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._stream = None
        return OutputFailed(error)


def tell(sentence: str) -> None:
    """Write a sentence for the operator to stderr, if there is one."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"sidelong: {sentence}\n")
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
