"""What a worker process shows of itself on its machine: to systemd, and in the list of processes.

The event loop tells it, so that one that is blocked is noticed by systemd's watchdog.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sidelong.cli.systemd import Systemd
from sidelong.core.display import shown
from sidelong.settings import service_manager
from sidelong.worker.worker import Worker

_LOOKS_EVERY: Final = 1.0
_UNTIL_READY: Final = 0.05

Tell = Callable[..., bool]
"""Takes lines for systemd, and says whether it has them."""
SetTitle = Callable[[str], object]
"""Takes the title of the process."""


@asynccontextmanager
async def process_status(worker: Worker) -> AsyncIterator[None]:
    """Show what the worker does for as long as the block runs."""
    manager = service_manager()
    tell = Systemd(manager.notify_socket).tell if manager.notify_socket else None
    set_title = _title_setter()
    if tell is None and set_title is None:
        yield
        return
    status = ProcessStatus(worker, tell or _nowhere, set_title or _nowhere, watchdog=manager.watchdog)
    task = asyncio.get_running_loop().create_task(status.run(), name="sidelong-status")
    try:
        yield
    finally:
        task.cancel()
        status.end()


class ProcessStatus:
    """Tells how many jobs run, when the worker is ready and when it stops; and that the event loop turns.

    Args:
        worker: whose state is told.
        tell: takes lines for systemd.
        set_title: takes the title of the process.
        watchdog: seconds within which systemd wants a sign of life; None if it does not.
    """

    def __init__(self, worker: Worker, tell: Tell, set_title: SetTitle, *, watchdog: float | None) -> None:
        self._worker = worker
        self._tell = tell
        self._set_title = set_title
        self._sign_of_life = [] if watchdog is None else ["WATCHDOG=1"]
        self._interval = min(_LOOKS_EVERY, _LOOKS_EVERY if watchdog is None else watchdog / 2)
        self._slots = sum(capsule.concurrency for capsule in worker.capsules)
        self._name = f"sidelong {importlib.metadata.version('sidelong')} {shown(worker.config.tag)}".rstrip()
        self._status = ""
        # What systemd has not taken yet. Busy as the machine starts, it takes nothing for a while, and would wait for
        # a READY=1 that is lost until it gives the worker up.
        self._news: dict[str, str] = {}
        self._is_ready = False
        self._is_stopping = False

    async def run(self) -> None:
        """Tell until this is cancelled."""
        while True:
            self.refresh()
            await asyncio.sleep(self._interval if self._is_ready else min(self._interval, _UNTIL_READY))

    def refresh(self) -> None:
        """Tell what has changed, and what could not be told before."""
        # One that was told to be quiet as it started has nothing to wait for.
        if not self._is_ready and (self._worker.is_ready or self._worker.is_quiet):
            self._is_ready = True
            self._news["READY"] = "1"
        if not self._is_stopping and self._worker.is_stopping:
            self._is_stopping = True
            self._news["STOPPING"] = "1"
        busy = f"{len(self._worker.running)} of {self._slots} busy"
        state = " stopping" if self._is_stopping else " quiet" if self._worker.is_quiet else ""
        status = f"{busy}{state}" if self._is_ready else "starting"
        if status != self._status:
            self._status = status
            self._news["STATUS"] = status
            self._set_title(f"{self._name} [{busy}]{state}" if self._is_ready else f"{self._name} starting")
        self._tell_news(*(self._sign_of_life if self._is_ready else ()))

    def end(self) -> None:
        """Tell that the worker ends, if that was not told before; systemd is asked no more than once."""
        if not self._is_stopping:
            self._is_stopping = True
            self._news["STOPPING"] = "1"
        self._tell_news()

    def _tell_news(self, *more: str) -> None:
        lines = [*(f"{name}={value}" for name, value in self._news.items()), *more]
        if lines and self._tell(*lines):
            self._news.clear()


def _title_setter() -> SetTitle | None:
    try:
        # Here, so that only a worker loads it.
        from setproctitle import setproctitle
    except ImportError:
        return None
    set_title: SetTitle = setproctitle
    return set_title


def _nowhere(*_: str) -> bool:
    """Take what nobody wants to know."""
    return True
