"""One life of a worker that ends in the middle of a job, as by `kill -9`: from then on nothing of the job runs.

A job cannot be killed by an exception: `except`, `finally` and the ends of `with` blocks would run, which no killed
process does. So its coroutines are left where they stand, for ever.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from types import CodeType, TracebackType
from typing import Any

from sidelong.testing.await_points import Point, Survey, awaiting_frame, is_driven, place_of
from sidelong.testing.user_code import UserCode

_life: ContextVar["Life | None"] = ContextVar("sidelong_life", default=None)


class Life:
    """Drives a job and all tasks that it starts, up to one of its awaits.

    Args:
        users: tells which code is the user's.
        ends_after: the number of the await after which it ends, from 1 up; None to go on to the job's end.
        survey: looks at what runs.

    Attributes:
        passed: how many awaits have ended.
        is_over: whether nothing runs any more.
        place: the await that ended last.
    """

    def __init__(self, users: UserCode, *, ends_after: int | None = None, survey: Survey | None = None) -> None:
        self.passed = 0
        self.is_over = False
        self.place = ""
        self.survey = survey
        self._users = users
        self._ends_after = ends_after
        self._driven: list[_Driven] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def driving_tasks(self) -> Iterator[None]:
        """Drive the tasks that the job starts, in this block of a `with` statement."""
        loop = asyncio.get_running_loop()
        before: Any = loop.get_task_factory()

        def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
            if _life.get() is self:
                # A plain one, also where tasks begin eagerly: libraries that look out for that do not see it here.
                return asyncio.Task(self.drive(coroutine), loop=loop, **options)
            return (
                asyncio.Task(coroutine, loop=loop, **options) if before is None else before(loop, coroutine, **options)
            )

        loop.set_task_factory(make)
        try:
            yield
        finally:
            if loop.get_task_factory() is make:
                loop.set_task_factory(before)

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Return what is to run in the place of a coroutine of the job."""
        driven = _Driven(coroutine, self)
        self._driven.append(driven)
        return driven

    async def end(self) -> None:
        """Let nothing of the job run any more, and wait until its tasks have ended."""
        self._die()
        if tasks := {task for task in self._tasks if not task.done()}:
            await asyncio.wait(tasks)

    # What the coroutines tell.

    def takes_step(self) -> None:
        """A task of the job goes on."""
        _life.set(self)
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)

    def takes_point(self, code: CodeType) -> bool:
        """Tell whether an await that ends now, in this code, can be told of."""
        return not self.is_over and _life.get() is self and self._users.has(code) and is_driven(self._tasks)

    def passes(self, place: str) -> None:
        """An await has ended."""
        self.passed += 1
        self.place = place
        if self.passed == self._ends_after:
            self._die()

    def place_awaiting(self, coroutine: Coroutine[Any, Any, Any]) -> str | None:
        """Return where code of the user's awaits something whose end only the next step shows."""
        frame = awaiting_frame(coroutine, self._users)
        return None if frame is None else place_of(frame)

    def _die(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        for driven in self._driven:
            driven.bury()
        for task in self._tasks:
            # What it waits for must not wake it in the next life. Its code does not see the cancellation.
            task.cancel()


class _Driven(Coroutine[Any, Any, Any]):
    """Stands between a task and a coroutine of the job, and stops handing steps on when the life is over."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], life: Life) -> None:
        self._coroutine = coroutine
        self._life = life
        self._has_ended = False
        self._awaited_at: str | None = None

    def send(self, value: Any) -> Any:
        """Take a step."""
        return self._step(lambda: self._coroutine.send(value))

    def throw(self, kind: Any, value: object = None, traceback: TracebackType | None = None) -> Any:
        """Take a step that begins with an exception."""
        return self._step(lambda: self._coroutine.throw(kind))

    def close(self) -> None:
        """End the coroutine, unless it is to stay as it is."""
        if not self._life.is_over:
            self._coroutine.close()

    def bury(self) -> None:
        """Keep the coroutine as it is, also beyond the end of the interpreter, which would run its `finally` blocks."""
        if not self._has_ended:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._coroutine))

    def _step(self, take: Callable[[], Any]) -> Any:
        life = self._life
        self._stop_if_over()
        life.takes_step()
        if self._awaited_at is not None:
            self._pass(self._awaited_at)
        yielded = self._watched(take)
        while type(yielded) is Point:
            self._pass(yielded.place)
            yielded = self._watched(lambda: self._coroutine.send(None))
        self._awaited_at = life.place_awaiting(self._coroutine)
        return yielded

    def _watched(self, take: Callable[[], Any]) -> Any:
        survey = self._life.survey
        first_iteration = sys.get_asyncgen_hooks().firstiter
        # The event loop closes at its end all async generators that it knows of: it must not know of these.
        sys.set_asyncgen_hooks(firstiter=None)
        try:
            with survey.watching() if survey is not None else nullcontext():
                return take()
        except BaseException:
            self._has_ended = True
            raise
        finally:
            sys.set_asyncgen_hooks(firstiter=first_iteration)

    def _pass(self, place: str) -> None:
        self._awaited_at = None
        self._life.passes(place)
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self._life.is_over:
            raise asyncio.CancelledError

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        # What looks at the coroutines of tasks, such as anyio, looks at the real one.
        return getattr(self._coroutine, name)
