"""Where the awaits of a job end: the points after which a worker may die.

Python has no hook for the end of an `await`. Where it waits for a future, whoever drives the coroutine sees it; but
most of what tests put in the place of services never waits, and then the awaiting function goes on within the same
step. So every coroutine function that code of the user's awaits is found by a first run, and in the next ones lets the
driver know when it has ended, while its caller still awaits it: its code is replaced for as long as the job runs. Async
generators let it know of each of their steps.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Container, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any, Final

from sidelong.testing.user_code import UserCode

_FILE: Final = "<sidelong.testing>"
_THROUGH: Final = "<go through>"
_ORIGINAL: Final = "<the function itself>"
_AWAITED: Final = CO_COROUTINE | CO_ASYNC_GENERATOR
_STEPS: Final = frozenset({"async_generator_asend", "async_generator_athrow", "anext_awaitable"})
"""Types of what is awaited in a step of an async generator; none of them tells which generator it is of."""

_COROUTINE: Final = "        return await through(original, args, kwargs)"
_GENERATOR: Final = """
        generator = original(*args, **kwargs)
        step = generator.__anext__()
        while (value := await through(step)) is not through:
            try:
                sent = yield value
            except GeneratorExit:
                await generator.aclose()
                raise
            except BaseException as error:
                step = generator.athrow(error)
            else:
                step = generator.asend(sent)
"""


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
    """Finds the coroutine functions, and those that make async generators, that code of the user's awaits.

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
        if event == "call" and frame.f_code.co_flags & _AWAITED and caller and self._users.has(caller.f_code):
            self._codes.add(frame.f_code)


@contextmanager
def telling(functions: Iterable[FunctionType], is_point: Callable[[CodeType], bool]) -> Iterator[None]:
    """Let functions yield a `Point` when what they were awaited for has ended, in this block of a `with` statement.

    No two of these blocks may overlap: the second would take the code of the first for that of the functions.

    Args:
        functions: what `Survey` has found.
        is_point: tells whether the running task can take one, for the code that awaits.
    """
    before = [(function, function.__code__) for function in functions]

    def point() -> Point | None:
        # Above this function and `go_through` or `step` is what they were called through, then the code that awaits.
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

    async def step(taken: Awaitable[Any]) -> Any:
        try:
            result = await taken
        except GeneratorExit:
            raise
        except StopAsyncIteration:
            result = step  # which no generator yields
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
            through = step if code.co_flags & CO_ASYNC_GENERATOR else go_through
            function.__code__ = _filled_in(code, {_THROUGH: through, _ORIGINAL: original})
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
        while type(inner).__name__ in _STEPS:
            # The generator comes first, then what is sent.
            inner = next(iter(gc.get_referents(inner)), None)
        if frame is not None and users.has(frame.f_code):
            found = None if _is_telling(inner) else frame


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


def _is_telling(awaited: object) -> bool:
    """Tell whether something that is awaited will yield a `Point` at its end."""
    match awaited:
        case CoroutineType():
            return awaited.cr_code.co_filename == _FILE
        case AsyncGeneratorType():
            return awaited.ag_code.co_filename == _FILE
    return False


def _filled_in(code: CodeType, constants: Mapping[str, object]) -> CodeType:
    """Return code that calls through `_THROUGH`, and fits the function that has this one."""
    template = _template(len(code.co_freevars), is_generator=bool(code.co_flags & CO_ASYNC_GENERATOR))
    return template.replace(
        co_consts=tuple(constants.get(each, each) if isinstance(each, str) else each for each in template.co_consts)
    )


@cache
def _template(cells: int, *, is_generator: bool) -> CodeType:
    names = [f"cell_{number}" for number in range(cells)]
    # A function keeps its cells, whatever its code: the new one must have as many, though it uses none.
    source = "\n".join(
        (
            f"def surroundings({', '.join(names)}):",
            "    async def trampoline(*args, **kwargs):",
            *(f"        if 0: {name}" for name in names),
            f"        through = {_THROUGH!r}",
            f"        original = {_ORIGINAL!r}",
            _GENERATOR if is_generator else _COROUTINE,
        )
    )
    module = compile(source, _FILE, "exec", dont_inherit=True)
    (surroundings,) = (each for each in module.co_consts if isinstance(each, CodeType))
    (trampoline,) = (each for each in surroundings.co_consts if isinstance(each, CodeType))
    return trampoline
