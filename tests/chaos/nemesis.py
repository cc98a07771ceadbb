"""What goes wrong on purpose: one named fault that strikes, lasts a while, and is healed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.needs import Need

if TYPE_CHECKING:
    from tests.chaos.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Nemesis:
    """One sort of fault.

    Attributes:
        name: how plans call it.
        strike: does it once, and returns when it is healed; whatever it raises ends the run.
        lasts: about how many seconds one strike takes.
        times: how often it strikes in a plan that does not say.
        needs: what a site must have for it.
        kills: whether workers die of it, so that a job may be blamed for deaths that it has not caused.
    """

    name: str
    strike: "Callable[[Site, random.Random], object]"
    lasts: float = 0.5
    times: int = 5
    needs: frozenset[Need] = frozenset()
    kills: bool = False
