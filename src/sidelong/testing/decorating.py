"""Lets what is made for `with` statements be put around a whole test, as a decorator."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from types import FunctionType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class BlockOfCode(AbstractContextManager[T], Generic[T]):
    """What a `with` statement enters; also a decorator of functions, which run in a block of their own each time.

    What `contextlib` makes leaves the block of an `async def` before any of that runs.

    Args:
        make: returns what is entered, anew each time.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._entered: list[AbstractContextManager[T]] = []

    def __enter__(self) -> T:
        """Enter the block."""
        block = self._make()
        value = block.__enter__()
        self._entered.append(block)
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Leave it."""
        return self._entered.pop().__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Put the block around each call of a function, `async` or not.

        Raises:
            TypeError: it is a class or a generator, of which nothing would run within the block.
        """
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if not isinstance(function, FunctionType) or is_generator:
            raise TypeError(f"only a function can have this block around it: use `with` in {function!r}")

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._make():
                return function(*args, **kwargs)

        @wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with self._make():
                return await function(*args, **kwargs)

        return cast("F", run_async if inspect.iscoroutinefunction(function) else run)


def block_of_code(function: Callable[P, Iterator[T]]) -> Callable[P, BlockOfCode[T]]:
    """Make a block of code from a function that yields once, as `contextlib.contextmanager` does."""
    entered = contextmanager(function)

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> BlockOfCode[T]:
        return BlockOfCode(lambda: entered(*args, **kwargs))

    return make
