"""Middleware: code around every push (client side) and every execution (server side).

A middleware is `async def middleware(job, call_next)`. `job` is the payload as a dict, which it may change.
It awaits `call_next()` to go on, or `call_next(other)` to go on with another payload, and returns the result.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from sidelong.errors import ConfigurationError

Step = Callable[[dict[str, Any]], Awaitable[Any]]
"""What lies inside a middleware: the next one, or the push or execution itself."""


class CallNext(Protocol):
    """Goes on to the next step, with the same payload unless another is given."""

    def __call__(self, job: dict[str, Any] | None = None, /) -> Awaitable[Any]:
        """Run what lies inside and return its result."""
        ...


class Middleware(Protocol):
    """Runs around a step; not calling `call_next` stops it there."""

    def __call__(self, job: dict[str, Any], call_next: CallNext, /) -> Awaitable[Any]:
        """Do something before, after or instead of the next step."""
        ...


M = TypeVar("M", bound=Middleware)


def compose(middlewares: Iterable[Middleware], terminal: Step) -> Step:
    """Wrap `terminal` in the middlewares; the first one is the outermost."""
    step = terminal
    for middleware in reversed(tuple(middlewares)):
        step = _around(step, middleware)
    return step


def _around(inner: Step, middleware: Middleware) -> Step:
    def step(job: dict[str, Any]) -> Awaitable[Any]:
        def call_next(other: dict[str, Any] | None = None, /) -> Awaitable[Any]:
            return inner(job if other is None else other)

        return middleware(job, call_next)

    return step


class Chain:
    """An ordered list of middleware; the first added is the outermost.

    Calling the chain with a middleware adds it, so a chain also serves as a decorator. It may be changed
    while pushes and jobs run: each of them keeps the order it began with.

    Attributes:
        middlewares: as they are now, the outermost first.
    """

    def __init__(self, middlewares: Iterable[Middleware] = ()) -> None:
        self.middlewares = tuple(middlewares)

    def __call__(self, middleware: M, /) -> M:
        """Add `middleware` and return it: the decorator form of `add`."""
        self.add(middleware)
        return middleware

    def add(self, middleware: Middleware) -> None:
        """Put `middleware` innermost; one that is already there moves."""
        self.middlewares = (*self._without(_checked(middleware)), middleware)

    def prepend(self, middleware: Middleware) -> None:
        """Put `middleware` outermost; one that is already there moves."""
        self.middlewares = (_checked(middleware), *self._without(middleware))

    def insert_before(self, existing: Middleware, middleware: Middleware) -> None:
        """Put `middleware` just outside `existing`, or outermost if that is absent."""
        self._insert(existing, middleware, offset=0, otherwise=0)

    def insert_after(self, existing: Middleware, middleware: Middleware) -> None:
        """Put `middleware` just inside `existing`, or innermost if that is absent."""
        self._insert(existing, middleware, offset=1, otherwise=len(self.middlewares))

    def remove(self, middleware: Middleware) -> None:
        """Take `middleware` out; nothing happens if it is absent."""
        self.middlewares = self._without(middleware)

    def clear(self) -> None:
        """Take all middleware out."""
        self.middlewares = ()

    def copy(self) -> "Chain":
        """Return a chain with the same middleware that changes on its own."""
        return Chain(self.middlewares)

    def __contains__(self, middleware: object) -> bool:
        return middleware in self.middlewares

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self.middlewares)

    def __len__(self) -> int:
        return len(self.middlewares)

    def __repr__(self) -> str:
        return f"Chain({list(self.middlewares)!r})"

    def _insert(self, existing: Middleware, middleware: Middleware, offset: int, otherwise: int) -> None:
        if existing == middleware:
            return
        rest = list(self._without(_checked(middleware)))
        position = rest.index(existing) + offset if existing in rest else otherwise
        rest.insert(position, middleware)
        self.middlewares = tuple(rest)

    def _without(self, middleware: Middleware) -> tuple[Middleware, ...]:
        return tuple(present for present in self.middlewares if present != middleware)


def _checked(middleware: Middleware) -> Middleware:
    if isinstance(middleware, type):
        raise ConfigurationError(f"middleware {middleware.__name__} is a class: add an instance of it")
    if not callable(middleware):
        raise ConfigurationError(f"middleware must be callable as (job, call_next), not {middleware!r}")
    return middleware
