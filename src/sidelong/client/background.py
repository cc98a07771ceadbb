"""The event loop that pushes for threads which have none: one per process, in a daemon thread."""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

logger = logging.getLogger("sidelong")

Close = Callable[[], Coroutine[Any, Any, None]]

_CALLS_END_WITHIN: Final = 1.0
_END_WITHIN: Final = 3.0
"""Seconds that the end of a program may take."""


class Background:
    """An event loop in a thread of its own, from construction to `end`.

    Attributes:
        loop: the event loop.
        calls: what runs there for other threads.

    Raises:
        OSError: the system refuses another event loop.
        RuntimeError: the system refuses another thread.
    """

    def __init__(self) -> None:
        self.calls: set[asyncio.Task[None]] = set()
        self._closes: set[Close] = set()
        self._ended = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        # A daemon: a thread that must be joined would keep a program alive that has reached its end.
        self._thread = threading.Thread(target=self._run, name="sidelong-sync", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    def close_at_end(self, close: Close) -> None:
        """Await `close()` on the loop before the loop ends."""
        self._closes.add(close)

    def forget(self, close: Close) -> None:
        """Undo `close_at_end`."""
        self._closes.discard(close)

    def end(self) -> None:
        """Let calls end that are under way, give the connections back, and end the thread; a few seconds at most."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_END_WITHIN)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._ended.wait()
        if self.calls:
            await asyncio.wait(self.calls, timeout=_CALLS_END_WITHIN)
        for close in tuple(self._closes):
            try:
                await close()
            except Exception:
                logger.warning("connections were not given back in order", exc_info=True)


# Reentrant: a signal handler may enqueue while its thread is in the middle of enqueuing.
_lock = threading.RLock()
_background: Background | None = None


def running_background() -> Background | None:
    """Return the background loop of this process if there is one."""
    return _background


def background() -> Background:
    """Return the background loop of this process; it begins when first asked for.

    Raises:
        OSError: the system refuses another event loop.
        RuntimeError: the system refuses another thread.
    """
    global _background
    with _lock:
        if _background is None or _background.loop.is_closed():
            _background = Background()
        return _background


def end_background() -> None:
    """End the background loop if there is one; the next push begins another."""
    global _background
    with _lock:
        ending, _background = _background, None
    if ending is not None:
        ending.end()


def _forget_parent_process() -> None:
    """Leave the loop to the parent: a fork has its sockets, but not its thread."""
    global _lock, _background
    # Another thread of the parent may have held the lock at that moment.
    _lock = threading.RLock()
    _background = None


os.register_at_fork(after_in_child=_forget_parent_process)
# Registered at the import, so that it runs after the handlers of programs, which may enqueue.
atexit.register(end_background)
