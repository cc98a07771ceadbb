"""The terminal: taken over while the view is seen, and given back as it was, whatever ends it."""

import asyncio
import os
import select
import shutil
import signal
import termios
import threading
import tty
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TextIO

from rich.console import Console
from rich.text import Text

from sidelong.cli.operator.output import OutputFailed
from sidelong.cli.top.keys import Decoder
from sidelong.settings import log_surroundings

_TAKE: Final = "\x1b[?1049h\x1b[?25l"
"""Another screen, without a cursor."""
_GIVE_BACK: Final = "\x1b[?25h\x1b[?1049l"
_ENDS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SEQUENCE_WITHIN: Final = 0.05
"""Seconds. All of a key's bytes come together; Escape is a key that others begin with."""


class Terminal:
    """Draws frames, and reads keys in a thread of its own: an event loop that polls a terminal may change its flags.

    A context manager. Ctrl-Z gives the terminal back for as long as it takes, too.

    Args:
        keyboard: where keys come from; a terminal.
        screen: where frames go; a terminal.

    Attributes:
        keys: what was pressed, all that came together at once; an empty list asks for a new frame, None is the end.
        ended_by: the signal that ended it, if one did.
    """

    def __init__(self, keyboard: TextIO, screen: TextIO) -> None:
        self.keys: asyncio.Queue[list[str] | None] = asyncio.Queue()
        self.ended_by: signal.Signals | None = None
        self._keyboard = keyboard.fileno()
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._settings: list[Any] = termios.tcgetattr(self._keyboard)
        self._wake_end, self._wake = os.pipe()
        self._reader = threading.Thread(target=self._read, name="sidelong-keys", daemon=True)

    def __enter__(self) -> Self:
        try:
            for number in _ENDS:
                self._loop.add_signal_handler(number, self._end, number)
            self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
            self._loop.add_signal_handler(signal.SIGWINCH, self.keys.put_nowait, [])
            self._take()
            self._reader.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._wake)
        if self._reader.is_alive():
            self._reader.join()
        os.close(self._wake_end)
        self._give_back()
        for number in (*_ENDS, signal.SIGTSTP, signal.SIGWINCH):
            self._loop.remove_signal_handler(number)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        size = os.terminal_size((0, 0))
        with suppress(OSError):
            size = os.get_terminal_size(self._screen.fileno())
        if 0 in size:
            size = shutil.get_terminal_size((80, 24))
        return size.columns, size.lines

    def draw(self, frame: Text) -> None:
        """Show a frame in the place of the last one.

        Raises:
            OutputFailed: the terminal is gone.
        """
        width, height = self.size
        lines = _painted(frame, width, height).split("\n")[:height]
        lines += [""] * (height - len(lines))
        # Each line is cleared before it is written: behind a full one the last letter would be.
        self._write("\x1b[H" + "\r\n".join(f"\x1b[2K{line}" for line in lines))

    def _take(self) -> None:
        tty.setcbreak(self._keyboard, termios.TCSADRAIN)
        self._write(_TAKE)

    def _give_back(self) -> None:
        # It may be gone.
        with suppress(OutputFailed):
            self._write(_GIVE_BACK)
        with suppress(termios.error):
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._settings)

    def _write(self, text: str) -> None:
        # What the terminal does not know is one question mark, and takes one column.
        data = text.encode(self._screen.encoding, "replace")
        try:
            while data:
                data = data[os.write(self._screen.fileno(), data) :]
        except OSError as error:
            raise OutputFailed(error) from None

    # Signals.

    def _end(self, number: signal.Signals) -> None:
        self.ended_by = number
        self.keys.put_nowait(None)

    def _suspend(self) -> None:
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        # The process stands still in this line.
        os.kill(os.getpid(), signal.SIGTSTP)
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._take()
        self.keys.put_nowait([])

    # The thread.

    def _read(self) -> None:
        decoder = Decoder()
        while True:
            ready, _, _ = select.select(
                [self._keyboard, self._wake_end], [], [], _SEQUENCE_WITHIN if decoder.is_waiting else None
            )
            if self._wake_end in ready:
                return
            data = b""
            with suppress(OSError):
                data = os.read(self._keyboard, 1024) if ready else b""
            is_end = bool(ready) and not data
            keys = decoder.feed(data) if ready else decoder.flush()
            self._loop.call_soon_threadsafe(self.keys.put_nowait, None if is_end else keys)
            if is_end:
                return


def _painted(frame: Text, width: int, height: int) -> str:
    """Return a frame with the escapes of its styles; it never has more columns, however a terminal counts them."""
    console = Console(
        force_terminal=True,
        width=width,
        height=height,
        no_color=log_surroundings().colours is False,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(frame, no_wrap=True, overflow="crop", crop=True, end="")
    return captured.get()
