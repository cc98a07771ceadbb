"""How jobs reach what remembers their steps: from the event loop, from threads, and while they are being cancelled."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from sidelong.client.background import Close
from sidelong.client.calls import STEERING, call
from sidelong.core.display import shown

T = TypeVar("T")

logger = logging.getLogger("sidelong")

_AFTER_CANCELLATION: Final = 2.0
"""Seconds that a record may take once its job is to end: a stop waits for three."""
_TURN: Final = 0.1
"""Of these seconds one turn of the loop counts at most: while something blocks it, no answer is read."""
_BLOCKED_FOR: Final = 60.0
"""Seconds that a thread waits for an event loop that something blocks."""


class Memory(Protocol):
    """Remembers steps; see `core.steps.StepKeeper`."""

    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        """Return what is remembered of a step; None if it has not finished."""
        ...

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool) -> bytes:
        """Remember that a step has finished, and return what is remembered of it."""
        ...


class Steps:
    """A `core.steps.StepKeeper`.

    Args:
        memory: remembers.
        close: gives back what it opens on a loop; awaited when the background loop ends.
    """

    def __init__(self, memory: Memory, close: Close) -> None:
        self._memory = memory
        self._close = close
        self._recording: dict[asyncio.Task[bytes], tuple[str, bytes]] = {}

    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        """See `StepKeeper.look`.

        What is still being recorded, after a cancellation, is waited for: nothing else knows that it has finished.
        """
        loop = asyncio.get_running_loop()
        under_way = {task for task, of in tuple(self._recording.items()) if of == (jid, step)}
        # Each thread may have a loop of its own.
        if under_way := {task for task in under_way if task.get_loop() is loop}:
            await asyncio.wait(under_way)
        return await self._memory.look(jid, step, ttl)

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool) -> bytes:
        """See `StepKeeper.record`.

        The work is done: a cancellation must not make it be forgotten. One that comes meanwhile is raised once it is
        remembered, or after two seconds. What is not answered by then goes on by itself.
        """
        loop = asyncio.get_running_loop()
        recording = self._memory.record(jid, step, record, ttl, replaces=replaces)
        task = loop.create_task(recording, name="sidelong-step")
        # Held: the loop has weak references only, and nobody may be waiting at the end.
        self._recording[task] = (jid, step)
        task.add_done_callback(self._recorded)
        cancelled: asyncio.CancelledError | None = None
        room = _AFTER_CANCELLATION
        while not task.done() and room > 0:
            began = loop.time()
            try:
                await asyncio.wait({task}, timeout=None if cancelled is None else min(_TURN, room))
            except asyncio.CancelledError as error:
                if cancelled is None:
                    began = loop.time()
                cancelled = error
            if cancelled is not None:
                room -= min(_TURN, loop.time() - began)
        if cancelled is None:
            return task.result()
        task.add_done_callback(lambda task: _tell_failure(task, jid, step))
        raise cancelled

    def _recorded(self, task: "asyncio.Task[bytes]") -> None:
        del self._recording[task]

    def wait(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """See `StepKeeper.wait`."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return call(make, close=self._close, patience=_BLOCKED_FOR, purpose=STEERING)
        raise RuntimeError("`with context.once(...)` would block the event loop: write `async with context.once(...)`")


def _tell_failure(task: "asyncio.Task[bytes]", jid: str, step: bytes) -> None:
    """Say what no exception can say: the job was cancelled, and has ended by that."""
    error = "it was broken off" if task.cancelled() else task.exception()
    if error is not None:
        logger.error(
            "step %s of job %s has finished and may not be remembered: it may run again: %s",
            shown(step),
            shown(jid),
            error,
        )
