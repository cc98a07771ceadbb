"""Run a coroutine for a thread without an event loop, which waits for what it returns."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from sidelong.client.background import Background, Close, background, running_background
from sidelong.errors import EnqueueUncertain, NotEnqueued, ReplyLost, SidelongError, StoreError, Unavailable

T = TypeVar("T")

Make = Callable[[], Coroutine[Any, Any, T]]

_LOOK_AGAIN: Final = 0.25
"""Seconds after which a waiting thread looks whether the loop still turns."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a call is for, and so how it fails where its event loop does.

    Attributes:
        not_done: raised where it did not begin.
        uncertain: raised where it did not come to its end.
        what: what is told of.
        nothing: that nothing was done.
        anything: that it may have been.
        again: what to do then.
    """

    not_done: type[SidelongError]
    uncertain: type[SidelongError]
    what: str
    nothing: str
    anything: str
    again: str


PUSHING: Final = Purpose(
    NotEnqueued, EnqueueUncertain, "push", "nothing was stored", "its jobs may or may not be stored", "enqueue again"
)
STEERING: Final = Purpose(
    Unavailable, ReplyLost, "call", "nothing was done", "it may or may not have been done", "try again"
)


@dataclass(frozen=True, slots=True)
class _Host:
    """A worker's event loop, which also works for the threads of its jobs.

    Attributes:
        loop: the event loop.
        pid: the process in which it turns.
        calls: what runs there for threads.
    """

    loop: asyncio.AbstractEventLoop
    pid: int
    calls: set[asyncio.Task[None]] = field(default_factory=set)


_host: ContextVar[_Host | None] = ContextVar("sidelong_host", default=None)


def host_calls() -> None:
    """Let the running event loop work for all threads that get a copy of this context."""
    _host.set(_Host(asyncio.get_running_loop(), os.getpid()))


def call(make: Make[T], *, close: Close, patience: float, purpose: Purpose = PUSHING) -> T:
    """Run `make()` on an event loop, in a copy of this thread's context, and return what it returns.

    The loop is that of the worker whose job runs in this thread. Where there is none, or it has ended, it is the
    background loop of this process.

    A loop that something blocks is waited for until `patience` is over: what has not begun by then is withdrawn.
    What has begun is waited for as long as the loop lives, as awaiting it would; it limits itself.

    Args:
        make: makes the coroutine.
        close: gives back what the coroutine opens on a loop; awaited when the background loop ends.
        patience: seconds for the loop to begin, or to go on after it was left.
        purpose: what it is for.

    Raises:
        RuntimeError: this thread runs an event loop, which waiting would block.
        NotEnqueued, or Unavailable where it is no push: it did not begin.
        EnqueueUncertain, or ReplyLost: it began, and the loop ended before it did.
        BaseException: what the coroutine raises.
    """
    refuse_on_event_loop()
    host = _host.get()
    # The child of a fork has a copy of the loop, but not the thread that turns it.
    if host is not None and host.pid == os.getpid():
        with contextlib.suppress(_LoopHasEnded):
            return _Call(make, host, purpose).result(patience)
    try:
        own = background()
    except (OSError, RuntimeError) as error:
        raise purpose.not_done(f"{purpose.nothing}: there can be no background event loop: {error}") from None
    own.close_at_end(close)
    try:
        return _Call(make, own, purpose).result(patience)
    except _LoopHasEnded:
        raise purpose.not_done(f"{purpose.nothing}: the background event loop does not turn") from None


def give_back(close: Close, *, patience: float) -> None:
    """Run `close()` on the background loop of this process, if there is one.

    Raises:
        RuntimeError: this thread runs an event loop, which waiting would block.
    """
    refuse_on_event_loop()
    if (own := running_background()) is None:
        return
    own.forget(close)
    # A loop that ends has given everything back by itself.
    with contextlib.suppress(_LoopHasEnded, StoreError):
        _Call(close, own, STEERING).result(patience)


def refuse_on_event_loop() -> None:
    """Refuse to make this thread wait if it runs an event loop.

    Raises:
        RuntimeError: it does.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "`.sync` would block the event loop of this thread: leave it out and await, as in `await job.enqueue(...)`, "
        "or call the function that uses it through `await asyncio.to_thread(...)`"
    )


class _LoopHasEnded(Exception):  # noqa: N818 - reads as what happened
    """The call did not begin and never will: its loop does not turn."""


class _Call(Generic[T]):
    """One coroutine on its way to an event loop, for a thread that waits for it.

    Args:
        make: makes the coroutine.
        where: the loop, and the tasks that it runs for threads.
        purpose: what it is for.
    """

    def __init__(self, make: Make[T], where: _Host | Background, purpose: Purpose) -> None:
        self._make = make
        self._purpose = purpose
        self._loop = where.loop
        self._calls = where.calls
        # Pending until the loop begins. Until then, and no longer, `cancel` withdraws the call.
        self._answer: Future[T] = Future()

    def result(self, patience: float) -> T:
        """Hand the coroutine to the loop and return what it returns; see `call`.

        Raises:
            _LoopHasEnded: the loop does not turn.
        """
        try:
            self._loop.call_soon_threadsafe(self._begin, context=copy_context())
        except RuntimeError:
            raise _LoopHasEnded from None
        latest = monotonic() + patience
        while not self._ends_soon():
            if self._answer.running() and self._loop.is_running():
                latest = monotonic() + patience
            elif self._loop.is_closed() or monotonic() > latest:
                self._give_up(patience)
                break
        return self._answer.result()

    def _ends_soon(self) -> bool:
        try:
            with contextlib.suppress(TimeoutError):
                self._answer.exception(_LOOK_AGAIN)
        except BaseException as interruption:
            purpose = self._purpose
            interruption.add_note(
                purpose.nothing
                if self._answer.cancel()
                else f"the {purpose.what} goes on without this thread: {purpose.anything}"
            )
            raise
        return self._answer.done()

    def _give_up(self, patience: float) -> None:
        """Say what is true, unless the answer has come after all."""
        if self._answer.cancel():
            if not self._loop.is_running():
                raise _LoopHasEnded
            raise self._purpose.not_done(
                f"{self._purpose.nothing}: something has blocked the event loop for {patience:g} s; "
                f"find out what it is, and {self._purpose.again}"
            )
        if not self._answer.done():
            raise self._broken_off()

    def _broken_off(self) -> SidelongError:
        purpose = self._purpose
        return purpose.uncertain(
            f"the {purpose.what} was broken off, as by the end of its event loop: {purpose.anything}"
        )

    # On the event loop.

    def _begin(self) -> None:
        if self._answer.set_running_or_notify_cancel():
            task = self._loop.create_task(self._run(), name="sidelong-call")
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _run(self) -> None:
        try:
            result = await self._make()
        except (asyncio.CancelledError, GeneratorExit):
            self._answer.set_exception(self._broken_off())
            raise
        except BaseException as error:
            # SystemExit would end the loop: here it is the caller's.
            self._answer.set_exception(error)
        else:
            self._answer.set_result(result)
