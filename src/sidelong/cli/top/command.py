"""`sidelong top`: once, or until it is told to end."""

import logging
import shutil
import signal
import sys
from dataclasses import dataclass

from rich.console import Console

from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.site import MisuseError
from sidelong.cli.top.frame import frame, unreadable
from sidelong.cli.top.session import Session
from sidelong.cli.top.snapshot import Look
from sidelong.cli.top.terminal import Terminal


@dataclass(frozen=True)
class TopCommand:
    """What the command line asks for.

    Attributes:
        every: seconds between two looks at Redis.
        is_once: whether to print one frame and end.
    """

    every: float
    is_once: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Show it."""
        if self.is_once:
            size = shutil.get_terminal_size((80, 24))
            snapshot = await Look(app).take()
            for sentence in unreadable(snapshot):
                tell(sentence)
            seen = frame(snapshot, None, app.store.address, size.columns, size.lines)
            for line in seen.plain.split("\n"):
                output.line(line.rstrip())
            return ExitStatus.DONE
        if not output.is_terminal or sys.stdin is None or not sys.stdin.isatty():
            raise MisuseError("top needs a terminal to draw on and to take keys from; --once prints what it would show")
        if Console().is_dumb_terminal:
            raise MisuseError("this terminal cannot move its cursor (TERM); --once prints what top would show")
        # What is logged meanwhile would be written over the view.
        logging.getLogger().addHandler(logging.NullHandler())
        with Terminal(sys.stdin, sys.stdout) as terminal:
            await Session(app, terminal, self.every).run()
        if terminal.ended_by is not None:
            # By now it does what it does to any program.
            signal.raise_signal(terminal.ended_by)
        return ExitStatus.DONE
