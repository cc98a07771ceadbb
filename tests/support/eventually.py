"""Wait for what must become true; a test that sleeps instead is either slow or flaky."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

_PAUSE = 0.005


async def eventually(predicate: Callable[[], T | Awaitable[T]], within: float = 20.0) -> T:
    """Call `predicate` until it returns something true, and return that.

    Args:
        predicate: a plain or async function without arguments; an AssertionError in it means "not yet".
        within: seconds; give at least three times what is expected.

    Raises:
        AssertionError: it did not become true; the message shows what it returned last.
    """
    deadline = time.monotonic() + within
    while True:
        last: Any
        try:
            last = predicate()
            if inspect.isawaitable(last):
                last = await last
        except AssertionError as error:
            last = error
        else:
            if last:
                return last  # type: ignore[no-any-return]
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(predicate, within, last))
        await asyncio.sleep(_PAUSE)


def eventually_sync(predicate: Callable[[], T], within: float = 20.0) -> T:
    """Do what `eventually` does, for a plain predicate and without an event loop."""
    deadline = time.monotonic() + within
    while True:
        last: Any
        try:
            last = predicate()
        except AssertionError as error:
            last = error
        else:
            if last:
                return last  # type: ignore[no-any-return]
        if time.monotonic() > deadline:
            raise AssertionError(_complaint(predicate, within, last))
        time.sleep(_PAUSE)


def _complaint(predicate: Callable[[], Any], within: float, last: Any) -> str:
    name = getattr(predicate, "__qualname__", repr(predicate))
    return f"{name} did not become true within {within:g} s; its last value: {last!r}"
