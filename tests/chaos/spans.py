"""Stretches of time on the ledger's clock, in nanoseconds."""

from collections.abc import Iterable
from typing import NamedTuple

SECOND = 1_000_000_000
FOREVER = 1 << 62
"""Later than everything."""


class Span(NamedTuple):
    """From one instant to another, both included."""

    begins: int
    ends: int

    def overlaps(self, begins: int, ends: int) -> bool:
        """Tell whether it shares an instant with the other stretch."""
        return self.begins <= ends and self.ends >= begins


def nanoseconds(seconds: float) -> int:
    """Return a duration as the ledger measures it."""
    return int(seconds * SECOND)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same instants as spans in order, none of which overlaps another."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.begins <= found[-1].ends:
            found[-1] = Span(found[-1].begins, max(found[-1].ends, span.ends))
        else:
            found.append(span)
    return found


def end_last(spans: list[Span], ns: int) -> None:
    """Let the last of them end, if it has not."""
    if spans and spans[-1].ends == FOREVER:
        spans[-1] = Span(spans[-1].begins, ns)


def has_lasted(spans: Iterable[Span], at_least: int, begins: int, ends: int) -> bool:
    """Tell whether one that touches [begins, ends] had lasted for `at_least` when it ended, or when `ends` came.

    It may be over by `at_least` when `begins` comes: what it has done to a process shows a little later.
    """
    return any(
        span.overlaps(begins - at_least, ends) and min(span.ends, ends) - span.begins >= at_least for span in spans
    )
