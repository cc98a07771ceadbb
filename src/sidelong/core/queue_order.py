"""Which queue is served first: strict, random and weighted order; sharing free slots by weight."""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import accumulate
from random import Random
from typing import Literal

from sidelong.errors import ConfigurationError

Mode = Literal["strict", "random", "weighted"]


class QueueOrder:
    """Decides for each take which queue gets how many slots; a queue is told by its index in `names`."""

    def __init__(self, weights: Mapping[str, int], random: Random) -> None:
        """Take the queues of a capsule.

        Args:
            weights: queue name to weight, in the order configured; all 0 means strict, all 1 random,
                anything else weighted.
            random: source of the shares and orders.

        Raises:
            ConfigurationError: there is no queue, a weight is negative, or 0 stands beside another weight.
        """
        self.names = tuple(weights)
        self.mode: Mode = _mode(weights)
        self._random = random
        self._weights = tuple(weights.values())
        self.leave_out(())

    def leave_out(self, indices: Collection[int]) -> None:
        """Serve all queues but these, until told otherwise; the others share the slots by their weights."""
        self._indices = tuple(index for index in range(len(self.names)) if index not in indices)
        self._cumulative = tuple(accumulate(self._weights[index] for index in self._indices))
        self._is_fixed = self.mode == "strict" or len(self._indices) == 1

    @property
    def is_empty(self) -> bool:
        """True while every queue is left out."""
        return not self._indices

    def draw(self, slots: int) -> list[tuple[int, int]]:
        """Share the free slots: pairs of queue and how many slots it gets first, queues without any left out.

        Each slot is drawn by weight on its own, so that shares hold within one take, not only over many.
        """
        if slots <= 0 or not self._indices:
            return []
        if self._is_fixed:
            return [(self._indices[0], slots)]
        drawn = self._random.choices(self._indices, cum_weights=self._cumulative, k=slots)
        return list(Counter(drawn).items())

    def order(self) -> list[int]:
        """Return the queues that are served in the order in which slots that their shares left free are filled."""
        if self._is_fixed:
            return list(self._indices)
        # A race of exponential times is won by each queue in proportion to its weight: the order that
        # Sidekiq gets by shuffling a bag with each queue in it `weight` times, without the bag.
        return sorted(self._indices, key=lambda index: self._random.expovariate(self._weights[index]))


def _mode(weights: Mapping[str, int]) -> Mode:
    values = set(weights.values())
    if not values:
        raise ConfigurationError("no queue to fetch from: name at least one")
    if min(values) < 0:
        raise ConfigurationError(f"queue weights must not be negative: {_listed(weights)}")
    if values == {0}:
        return "strict"
    if 0 in values:
        raise ConfigurationError(f"queue weights must be all 0 (strict order) or all at least 1: {_listed(weights)}")
    return "random" if values == {1} else "weighted"


def _listed(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{name},{weight}" for name, weight in weights.items())
