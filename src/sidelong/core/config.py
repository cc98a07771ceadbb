"""Every setting with its default, frozen once the application is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sidelong.errors import ConfigurationError

Queues = tuple[tuple[str, int], ...]
"""Queue names with their weights, in order; all weights 0 means strict order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capsule:
    """Queues that are served together with a concurrency of their own.

    Args:
        name: how logs and the process record call it.
        concurrency: how many of its jobs run at once.
        queues: names with weights, in order.
    """

    name: str
    concurrency: int
    queues: Queues

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ConfigurationError(f"capsule {self.name!r}: concurrency must be at least 1")
        if not self.queues:
            raise ConfigurationError(f"capsule {self.name!r} has no queues")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one application and its workers; durations are in seconds, sizes in bytes."""

    redis_url: str = "redis://localhost:6379/0"

    # What a worker serves.
    concurrency: int = 10
    queues: Queues = ()
    """Empty: the queues of all registered jobs, and `default`."""
    capsules: tuple[Capsule, ...] = ()
    """Served beside the default capsule, which `concurrency` and `queues` describe."""
    timeout: float = 25.0
    """How long a stopping worker waits for running jobs before it cancels them."""
    cancel_grace: float = 3.0
    """How long a cancelled job may clean up."""

    # What jobs do unless they say otherwise.
    max_retries: int = 25
    default_job_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    payload_warn: int = 100_000
    payload_limit: int = 10_000_000

    # The dead set keeps at most `dead_max_jobs - 1` entries, as Sidekiq's does.
    dead_max_jobs: int = 10_000
    dead_timeout: float = 15_552_000.0

    # How often a worker looks, and how long it waits.
    block_time: float = 2.0
    poll_interval: float = 1.0
    beat_interval: float = 5.0
    lease_ttl: float = 20.0
    process_ttl: float = 60.0
    recovery_interval: float = 5.0
    recovery_grace: float = 15.0
    lag_threshold: float = 1.0
    batch_limit: int = 200
    """The most entries one take-and-settle call handles."""

    # When a job that was running in crashed processes is buried.
    crash_limit: int = 3
    crash_window: float = 259_200.0

    # Talking to Redis.
    connect_timeout: float = 3.0
    answer_timeout: float = 5.0

    # How the process record names this worker.
    hostname: str | None = None
    tag: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("concurrency", "dead_max_jobs", "crash_limit", "batch_limit"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1")
        if self.max_retries < 0:
            raise ConfigurationError("max_retries must not be negative")
        if self.timeout < 0:
            raise ConfigurationError("timeout must not be negative")
        if self.lease_ttl <= 2 * self.beat_interval:
            raise ConfigurationError("lease_ttl must be more than two beat intervals")
        if self.block_time < 0.01:
            # Redis before 7.0.8 takes a block time of 1 ms for ever.
            raise ConfigurationError("block_time must be at least 0.01 seconds")
        names = [capsule.name for capsule in self.capsules]
        if "default" in names or len(set(names)) != len(names):
            raise ConfigurationError("capsules need names of their own, other than 'default'")

    def all_capsules(self, registered: tuple[str, ...] = ()) -> tuple[Capsule, ...]:
        """Return the default capsule, then the others.

        Args:
            registered: queues of the registered jobs, served when `queues` is empty.
        """
        queues = self.queues
        if not queues:
            elsewhere = {name for capsule in self.capsules for name, _ in capsule.queues}
            names = dict.fromkeys((*registered, "default"))
            queues = tuple((name, 1) for name in names if name not in elsewhere) or (("default", 0),)
            if len(queues) == 1:
                queues = ((queues[0][0], 0),)
        return (Capsule(name="default", concurrency=self.concurrency, queues=queues), *self.capsules)
