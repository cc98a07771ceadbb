"""How payloads ended, added up over batches."""

import time
from collections import Counter
from collections.abc import Iterator

_AT_ONCE = 5000


class Figures:
    """Adds up how payloads ended, and prints it in one line.

    Args:
        place: where they were.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()

    def add(self, counts: Counter[str]) -> None:
        """Add those of one batch."""
        self._counts += counts

    def print(self) -> None:
        """Write the line; pytest shows it with `-s`."""
        counts = ", ".join(f"{count:,} {end}" for end, count in sorted(self._counts.items()))
        seconds = time.monotonic() - self._began
        print(f"\n{self._counts.total():,} hostile payloads {self._place}: {counts}; {seconds:.1f} s")


def batches(raws: list[bytes], at_once: int = _AT_ONCE) -> Iterator[list[bytes]]:
    """Cut payloads into lists that fit into a store beside everything that becomes of them."""
    for first in range(0, len(raws), at_once):
        yield raws[first : first + at_once]
