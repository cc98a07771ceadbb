"""What the ledger tells of Redis."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.spans import FOREVER, SECOND, Span

_UNDONE = 5 * SECOND // 2
"""How much of what it had answered a Redis that promises all but the last second may forget, with some slack."""


class Death(NamedTuple):
    """Redis, or the master, was killed.

    Attributes:
        keeps: all, second or replica.
        up: when it, or another master, was back.
    """

    ns: int
    keeps: str
    up: int

    @property
    def forgets(self) -> bool:
        """True if what it had answered may have been undone."""
        return self.keeps != "all"

    @property
    def undone(self) -> Span:
        """When what it answered may have been undone."""
        # An old master takes writes until it is gone; one that died tells of its last answers a moment later.
        ends = self.up if self.keeps == "replica" else min(self.up, self.ns + SECOND)
        return Span(self.ns - _UNDONE, ends)


@dataclass(slots=True)
class Redis:
    """Its deaths, and when it was away."""

    deaths: list[Death] = field(default_factory=list)
    away: list[Span] = field(default_factory=list)

    @property
    def is_forgetful(self) -> bool:
        """True if any of its answers may have been undone."""
        return any(death.forgets for death in self.deaths)

    def has_forgotten_by(self, ns: int) -> bool:
        """Tell whether it may have undone an answer before an instant."""
        return any(death.forgets and death.ns <= ns for death in self.deaths)

    def may_have_undone(self, ns: int) -> bool:
        """Tell whether what it answered at an instant may have been undone."""
        return any(death.forgets and death.undone.overlaps(ns, ns) for death in self.deaths)

    def was_away(self, begins: int, ends: int) -> bool:
        """Tell whether it was away at any time between two instants."""
        return any(span.overlaps(begins, ends) for span in self.away)

    def leaves(self, ns: int) -> None:
        """Note that it is away from now on."""
        if not self.away or self.away[-1].ends != FOREVER:
            self.away.append(Span(ns, FOREVER))

    def returns(self, ns: int) -> None:
        """Note that it is back."""
        if self.away and self.away[-1].ends == FOREVER:
            self.away[-1] = Span(self.away[-1].begins, ns)
        self.deaths = [death._replace(up=ns) if death.up == FOREVER else death for death in self.deaths]
