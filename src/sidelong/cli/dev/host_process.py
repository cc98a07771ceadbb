"""The host as the supervisor sees it: a process that is told levels and that reports."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from sidelong.cli.dev.levels import SIGNALS, Level
from sidelong.cli.dev.options import HostOrder

_LAST_WORDS_WITHIN: Final = 1.0


@dataclass
class Report:
    """What a host has told of itself.

    Attributes:
        is_serving: whether it got as far as to work.
        redis: the address that it used.
        missing_redis: the one that did not answer, for which the embedded store stood in.
        refused: the exit status, if it could not work as it was told.
        sentence: why.
        is_debugging: whether a debugger holds up its end.
        advice: of what kinds it, or a host before it, has told advice.
    """

    is_serving: bool = False
    redis: str | None = None
    missing_redis: str | None = None
    refused: int | None = None
    sentence: str = ""
    is_debugging: bool = False
    advice: Sequence[str] = ()


class HostProcess:
    """A host that runs; made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, link: socket.socket, report: Report) -> None:
        self.report = report
        self._process = process
        self._link = link
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def start(cls, order: HostOrder, descriptors: Sequence[int]) -> Self:
        """Start a host.

        Args:
            order: what it is told.
            descriptors: what it inherits, besides the standard streams: it may need the terminal for a debugger.
        """
        link, theirs = socket.socketpair()
        with theirs:
            # A Ctrl-C that comes before the host can take it waits for it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    # Not the current directory before all else, where a file may be called as a module of ours.
                    "-P",
                    "-m",
                    "sidelong.cli.dev",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(), *descriptors),
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        link.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(link, order.as_json() + b"\n")
        return cls(process, link, Report(advice=order.advice))

    def tell(self, level: Level) -> None:
        """Tell it how urgently it is to end."""
        # It may have ended.
        with suppress(OSError):
            self._link.send(bytes([level]))

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        """Wait until it has ended, and return its status: minus the number of the signal that killed it."""
        status = await self._process.wait()
        # What it has started may hold the other end of the link open.
        await asyncio.wait({self._listening}, timeout=_LAST_WORDS_WITHIN)
        self._listening.cancel()
        await asyncio.wait({self._listening})
        self._link.close()
        return status

    async def _listen(self) -> None:
        loop, unread = asyncio.get_running_loop(), b""
        with suppress(OSError):
            while received := await loop.sock_recv(self._link, 4_096):
                *lines, unread = (unread + received).split(b"\n")
                for line in lines:
                    self._heard(json.loads(line))

    def _heard(self, values: dict[str, Any]) -> None:
        self.report = replace(self.report, **values)
