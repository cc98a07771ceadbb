"""Clocks that tests set."""

from sidelong.core.clock import SystemClock


class ManualClock:
    """Stands still until it is set; the time of day and the monotonic time are the same.

    Attributes:
        seconds: what it shows.
    """

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        """Return what it shows."""
        return self.seconds

    def monotonic(self) -> float:
        """Return what it shows."""
        return self.seconds


class StoppedClock(SystemClock):
    """Shows one time of day for ever, so that no minute ends in the middle of a test; durations are real.

    Args:
        at: the time of day, in epoch seconds.
    """

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        """Return the time of day."""
        return self._at


class SkewedClock(SystemClock):
    """The clock of a machine that is wrong about the time of day.

    Args:
        ahead: seconds by which it is ahead.
    """

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> float:
        """Return the wrong time of day."""
        return super().now() + self._ahead
