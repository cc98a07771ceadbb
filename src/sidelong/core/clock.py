"""Time as a dependency: nothing inside asks the system for it but through a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """The two times a component may need; they must never be mixed."""

    def now(self) -> float:
        """Return the time of day in epoch seconds: what payloads and scores hold, and what may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed point: what durations are measured with; it never jumps."""
        ...


class SystemClock:
    """The clock of this machine."""

    # The system's own function: a job asks twice, and a method around it would double the price.
    monotonic = staticmethod(time.monotonic)

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        # Looked up at each call, so that tests may replace it.
        return time.time()
