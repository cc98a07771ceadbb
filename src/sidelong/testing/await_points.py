"""Where the awaits of a job end: the points after which a worker may die.

Python has no hook for the end of an `await`. Where it waits for a future, whoever drives the coroutine sees it; but
most of what tests put in the place of services never waits, and then the awaiting function goes on within the same
step. So every coroutine function that code of the user's awaits is found by a first run, and in the next ones lets the
driver know when it has ended, while its caller still awaits it: its code is replaced for as long as the job runs.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Container, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import CO_COROUTINE
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any, Final

from sidelong.testing.user_code import UserCode

_FILE: Final = "<sidelong.testing>"
_THROUGH: Final = "<go through>"
_ORIGINAL: Final = "<the function itself>"


class Point:
    """Yielded to the driver of a job where an await of the user's code has ended.

    Attributes:
        place: where that is, for people.
    """

    def __init__(self, place: str) -> None:
        self.place = place

    def __await__(self) -> Generator["Point", None, None]:
        yield self


class Survey:
    """Finds the coroutine functions that code of the user's awaits.

    Args:
        users: tells which code that is.
    """

    def __init__(self, users: UserCode) -> None:
        self._users = users
        self._codes: set[CodeType] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at all that runs in this thread in this block of a `with` statement."""
        before: Any = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before if callable(before) else None)
            if hasattr(before, "enable"):
                # A profiler written in C, such as cProfile before Python 3.12.
                before.enable()

    def found(self) -> list[FunctionType]:
        """Return the functions."""
        if not self._codes:
            return []
        # A frame knows its code, but not its function, of which there may be several.
        referrers = gc.get_referrers(*self._codes)
        return [each for each in referrers if isinstance(each, FunctionType) and each.__code__ in self._codes]

    def _see(self, frame: FrameType, event: str, argument: object) -> None:
        caller = frame.f_back
        if event == "call" and frame.f_code.co_flags & CO_COROUTINE and caller and self._users.has(caller.f_code):
            self._codes.add(frame.f_code)


@contextmanager
def telling(functions: Iterable[FunctionType], is_point: Callable[[CodeType], bool]) -> Iterator[None]:
    """Let coroutine functions yield a `Point` when they have ended, in this block of a `with` statement.

    No two of these blocks may overlap: the second would take the code of the first for that of the functions.

    Args:
        functions: what `Survey` has found.
        is_point: tells whether the running task can take one, for the code that awaits.
    """
    before = [(function, function.__code__) for function in functions]

    def point() -> Point | None:
        # Above this function and `go_through` is what they were called through, then the code that awaits.
        caller = sys._getframe(3)
        return Point(place_of(caller)) if is_point(caller.f_code) else None

    async def go_through(original: Callable[..., Coroutine[Any, Any, Any]], args: Any, kwargs: Any) -> Any:
        try:
            result = await original(*args, **kwargs)
        except GeneratorExit:
            raise
        except BaseException:
            if (reached := point()) is not None:
                await reached
            raise
        if (reached := point()) is not None:
            await reached
        return result

    try:
        for function, code in before:
            original = FunctionType(
                code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
            )
            original.__kwdefaults__ = function.__kwdefaults__
            function.__code__ = _filled_in(len(code.co_freevars), {_THROUGH: go_through, _ORIGINAL: original})
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def awaiting_frame(coroutine: Coroutine[Any, Any, Any], users: UserCode) -> FrameType | None:
    """Return the code of the user's that awaits something which will not yield a `Point`; None if there is none.

    Args:
        coroutine: the outermost of those that are suspended.
        users: tells which code is the user's.
    """
    found: FrameType | None = None
    inner: object = coroutine
    while True:
        match inner:
            case CoroutineType():
                frame, inner = inner.cr_frame, inner.cr_await
            case GeneratorType():
                frame, inner = inner.gi_frame, inner.gi_yieldfrom
            case AsyncGeneratorType():
                frame, inner = inner.ag_frame, inner.ag_await
            case _:
                return found
        if frame is not None and users.has(frame.f_code):
            is_telling = isinstance(inner, CoroutineType) and inner.cr_code.co_filename == _FILE
            found = None if is_telling else frame


def is_driven(tasks: Container[asyncio.Task[Any] | None]) -> bool:
    """Tell whether the running task is one of these."""
    try:
        return asyncio.current_task() in tasks
    except RuntimeError:  # no event loop runs in this thread
        return False


def place_of(frame: FrameType) -> str:
    """Return where a frame is, for people: file, line and function."""
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _filled_in(cells: int, constants: Mapping[str, object]) -> CodeType:
    """Return code that calls through `_THROUGH`, and fits a function with so many cells."""
    code = _template(cells)
    return code.replace(
        co_consts=tuple(constants.get(each, each) if isinstance(each, str) else each for each in code.co_consts)
    )


@cache
def _template(cells: int) -> CodeType:
    names = [f"cell_{number}" for number in range(cells)]
    # A function keeps its cells, whatever its code: the new one must have as many, though it uses none.
    source = "\n".join(
        (
            f"def surroundings({', '.join(names)}):",
            "    async def trampoline(*args, **kwargs):",
            *(f"        if 0: {name}" for name in names),
            f"        through = {_THROUGH!r}",
            f"        original = {_ORIGINAL!r}",
            "        return await through(original, args, kwargs)",
        )
    )
    module = compile(source, _FILE, "exec", dont_inherit=True)
    (surroundings,) = (each for each in module.co_consts if isinstance(each, CodeType))
    (trampoline,) = (each for each in surroundings.co_consts if isinstance(each, CodeType))
    return trampoline
