"""How durations are sorted into the 26 buckets that Sidekiq's pages draw (wire-format §11.2)."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BOUNDS_MS: Final = (
    *(20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1100, 1700, 2500, 3800),
    *(5750, 8500, 13_000, 20_000, 30_000, 45_000, 65_000, 100_000, 150_000, 225_000, 335_000),
)
"""Upper bounds in milliseconds, exclusive; what is longer than all of them has a last bucket to itself."""
BUCKETS: Final = len(BOUNDS_MS) + 1
_BOUNDS: Final = tuple(bound / 1000 for bound in BOUNDS_MS)


def sort_into(histogram: list[int], durations: Sequence[float]) -> None:
    """Count durations into a histogram.

    Args:
        histogram: `BUCKETS` counts, which are added to.
        durations: seconds; at least one.
    """
    if max(durations) < _BOUNDS[0]:
        # The jobs that come by the thousand are those that take next to no time.
        histogram[0] += len(durations)
        return
    ordered = sorted(durations)
    start, total = 0, len(ordered)
    for bucket, bound in enumerate(_BOUNDS):
        end = bisect_left(ordered, bound, start)
        histogram[bucket] += end - start
        if end == total:
            return
        start = end
    histogram[-1] += total - start
