"""Tells client middleware whether a job enters its queue once more, or is pushed for the first time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

_NOTHING: Final = object()
_promoted: ContextVar[object] = ContextVar("sidelong_promoted", default=_NOTHING)
"""The jid of the job that is promoted; pushes that its middleware makes have others."""


@contextmanager
def promoting(job: Mapping[str, Any]) -> Iterator[None]:
    """Let a job that is stored already pass client middleware in this block of a `with` statement."""
    token = _promoted.set(job.get("jid"))
    try:
        yield
    finally:
        # A push that is torn down with its event loop ends in another context.
        with suppress(ValueError):
            _promoted.reset(token)


def is_promoted(job: Mapping[str, Any]) -> bool:
    """Tell whether client middleware runs for a job that was stored before: what surrounds it is not its origin."""
    return job.get("jid") == _promoted.get()
