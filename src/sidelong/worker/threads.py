"""Threads for `def` jobs."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

Call = Callable[[], Any]
_Work = tuple[Call, Callable[[Any, BaseException | None], None], str]


class JobThreads:
    """A pool of threads that grows to as many as there are jobs at once.

    They are daemons of our own: the interpreter joins the threads of an executor at its end, so that one stuck
    job would keep a stopped process alive.

    Args:
        prefix: begins the names of the threads.
    """

    def __init__(self, prefix: str = "sidelong-job") -> None:
        self._prefix = prefix
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._made = 0
        self._running: dict[str, str] = {}

    def start(self, call: Call, name: str) -> "asyncio.Future[tuple[Any, BaseException | None]]":
        """Run `call` in a thread, in a copy of the current context.

        Args:
            call: what to run.
            name: what `running` shows meanwhile.

        Returns:
            A future of the result and the exception: any exception, which asyncio could not all carry.

        Raises:
            RuntimeError: the system refuses another thread; `call` was not run.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        context = copy_context()

        def finish(result: Any, error: BaseException | None) -> None:
            if not future.done():
                future.set_result((result, error))

        def deliver(result: Any, error: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(finish, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        # A thread first, and then the work: where the system refuses another thread, the job has not begun.
        if not self._idle.acquire(blocking=False):
            title = f"{self._prefix}-{self._made + 1}"
            threading.Thread(target=self._serve, name=title, daemon=True).start()
            self._made += 1
        self._work.put((lambda: context.run(call), deliver, name))
        return future

    def running(self) -> list[str]:
        """Return what is running now, one entry per busy thread."""
        return [f"{name} in thread {thread}" for thread, name in list(self._running.items())]

    def close(self) -> None:
        """Let the threads end as they become idle."""
        for _ in range(self._made):
            self._work.put(None)

    def _serve(self) -> None:
        thread = threading.current_thread().name
        while (work := self._work.get()) is not None:
            call, deliver, name = work
            self._running[thread] = name
            result: Any = None
            failure: BaseException | None = None
            try:
                result = call()
            except BaseException as error:
                failure = error
            finally:
                del self._running[thread]
            # First: who is told of the end may start the next job, and needs no other thread for it.
            self._idle.release()
            deliver(result, failure)
            # Nothing of a finished job may live on while the thread waits for the next.
            del work, call, deliver, result, failure
