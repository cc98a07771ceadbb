"""Keeps one host running: starts another one when the code has changed, and ends it when all is to end."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidelong.cli.dev.changes import Changes
from sidelong.cli.dev.host_process import HostProcess, Report
from sidelong.cli.dev.levels import Level, counted_with, level_after, signals_to_take
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.dev.redis_choice import EMBEDDED
from sidelong.cli.exit_status import ExitStatus

logger = logging.getLogger("sidelong.cli")

_MOST_NAMES: Final = 3
MakeOrder = Callable[[Report], HostOrder]
"""Returns what a host is told, from what the last one that worked has reported."""


class Supervisor:
    """Keeps a host running.

    Args:
        make_order: says what each host is told.
        descriptors: what each inherits.
        changes: says what has changed; None to start no other host.
        patience: seconds that a host has to end before it is killed; it ends itself before, unless it cannot.
    """

    def __init__(
        self, make_order: MakeOrder, descriptors: list[int], changes: Changes | None, *, patience: float
    ) -> None:
        self._make_order = make_order
        self._descriptors = descriptors
        self._changes = changes
        self._patience = patience
        self._signals = 0
        self._last_signal = 0
        self._stop = asyncio.Event()
        self._host: HostProcess | None = None
        self._known = Report()

    async def run(self) -> int:
        """Keep a host running until a signal ends it, and return the exit status."""
        loop = asyncio.get_running_loop()
        for number in signals_to_take():
            loop.add_signal_handler(number, self._signalled, number)
        watching = None
        if self._changes is not None:
            watching = loop.create_task(self._changes.watch())
            # Before any code is read, which may change while it is.
            await self._changes.begun.wait()
        try:
            return await self._keep_running()
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.wait({watching})
            # All has ended: one Ctrl-C more must not make a death of it.
            _ignore_signals(loop)

    async def _keep_running(self) -> int:
        is_first = True
        while True:
            if not _is_here():
                logger.error("The current directory is gone: change to the one that is in its place, and start again")
                return ExitStatus.FAILED
            host, status, is_reload = await self._run_host()
            if self._stop.is_set():
                return 128 + self._last_signal if self._level is Level.LEAVE else ExitStatus.DONE
            if not is_reload:
                if is_first and host.report.refused is not None:
                    sys.stderr.write(f"sidelong: {host.report.sentence}\n")
                    return host.report.refused
                self._tell_end(host, status)
                if self._changes is None:
                    return ExitStatus.FAILED
                logger.info("Waiting for a change")
                if not await self._has_changed():
                    return ExitStatus.DONE
            self._tell_changes()
            is_first = False

    async def _run_host(self) -> tuple[HostProcess, int, bool]:
        """Run a host until it ends; return it, its status, and whether a change has ended it."""
        order = self._make_order(self._known)
        host = self._host = await HostProcess.start(order, self._descriptors)
        # A signal that came while it was started.
        if self._level:
            host.tell(self._level)
        ended = asyncio.get_running_loop().create_task(host.wait())
        if is_reload := await self._has_changed(ended):
            self._tell_changes()
            host.tell(Level.RELOAD)
        if not ended.done():
            await self._until_ended(host, ended)
        self._host = None
        if host.report.is_serving:
            self._known = host.report
            # At the end it is lost in any case.
            if not self._stop.is_set():
                _tell_loss(host.report, Path(order.snapshot))
        return host, ended.result(), is_reload

    async def _until_ended(self, host: HostProcess, ended: "asyncio.Task[int]") -> None:
        done, _ = await asyncio.wait({ended}, timeout=self._patience)
        if not done and host.report.is_debugging:
            await asyncio.wait({ended})
        elif not done:
            logger.error("It does not end within %g s: killing it", self._patience)
            host.kill()
            await asyncio.wait({ended})

    async def _has_changed(self, ended: "asyncio.Task[int] | None" = None) -> bool:
        """Wait for a change, until all is to end or a host has ended; return whether there was one."""
        loop = asyncio.get_running_loop()
        stop = loop.create_task(self._stop.wait())
        change = None if self._changes is None else loop.create_task(self._changes.wait())
        try:
            await asyncio.wait({each for each in (stop, change, ended) if each}, return_when=asyncio.FIRST_COMPLETED)
            return change is not None and change.done() and not stop.done()
        finally:
            stop.cancel()
            if change is not None:
                change.cancel()

    def _signalled(self, number: int) -> None:
        self._signals = counted_with(number, self._signals)
        self._last_signal = number
        if self._host is not None:
            self._host.tell(self._level)
            if self._level is Level.LEAVE:
                self._host.kill()
        self._stop.set()

    @property
    def _level(self) -> Level:
        return level_after(self._signals)

    def _tell_end(self, host: HostProcess, status: int) -> None:
        if host.report.refused is not None:
            logger.error("%s", host.report.sentence)
        elif status < 0:
            logger.error("The process was killed by %s", signal.Signals(-status).name)
        elif status not in (ExitStatus.DONE, ExitStatus.FAILED):
            logger.error("The process ended with status %d", status)

    def _tell_changes(self) -> None:
        if self._changes is not None and (names := self._changes.take()):
            others = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            logger.info("Changed: %s%s", ", ".join(names[:_MOST_NAMES]), others)


def _ignore_signals(loop: asyncio.AbstractEventLoop) -> None:
    for number in signals_to_take():
        while signal.getsignal(number) is not signal.SIG_IGN:
            # Between the two lines, an interrupt is an exception, as it is in a program that handles none.
            with suppress(KeyboardInterrupt):
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)


def _is_here() -> bool:
    """Tell whether the current directory exists; one that has come in its place under its name is another."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _tell_loss(report: Report, snapshot: Path) -> None:
    """Say so if a host has ended without leaving what its embedded store held."""
    if (report.redis or "").startswith(EMBEDDED) and not snapshot.exists():
        logger.error("What the embedded store held is lost: all jobs, also those that were scheduled")
