"""What is counted of the executions of one job class, or of one queue."""

from dataclasses import dataclass, field

from sidelong.core.durations import BUCKETS


@dataclass(slots=True)
class JobFigures:
    """Sums over some time.

    Attributes:
        executed: executions that ended and are settled, failed ones included; of what `stat:processed` counts,
            only jobs that were called off are left out.
        failed: those that failed.
        retried: those of the failed that wait for another attempt.
        dead: those that went to the dead set.
        discarded: those that failed and are kept nowhere.
        milliseconds: what the successful ones took together.
        waits: how many are known to have waited in their queue.
        waited_ms: for how long, together.
        histogram: the successful ones by duration: see `core.durations`.
    """

    executed: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    discarded: int = 0
    milliseconds: int = 0
    waits: int = 0
    waited_ms: int = 0
    histogram: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    @property
    def succeeded(self) -> int:
        """Executions that did not fail."""
        return max(self.executed - self.failed, 0)

    @property
    def mean_ms(self) -> float | None:
        """How long a successful execution took on average, in milliseconds; None if there was none."""
        return self.milliseconds / self.succeeded if self.succeeded else None

    @property
    def mean_wait_ms(self) -> float | None:
        """How long a job waited in its queue on average, in milliseconds; None if nothing is known of it."""
        return self.waited_ms / self.waits if self.waits else None

    def add(self, other: "JobFigures") -> None:
        """Add the figures of another job or time."""
        # One by one, not in a loop over `COUNTS`: reports add hundreds of thousands of these.
        self.executed += other.executed
        self.failed += other.failed
        self.retried += other.retried
        self.dead += other.dead
        self.discarded += other.discarded
        self.milliseconds += other.milliseconds
        self.waits += other.waits
        self.waited_ms += other.waited_ms
        if any(other.histogram):
            self.histogram = [sum(pair) for pair in zip(self.histogram, other.histogram, strict=True)]


COUNTS = ("executed", "failed", "retried", "dead", "discarded", "milliseconds", "waits", "waited_ms")
"""The attributes of `JobFigures` that are numbers."""
