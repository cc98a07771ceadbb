"""What the plan of a run says, and its ledger does not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The settings of the workers, and the limits that the run is held to.

    Attributes:
        lease_ttl: seconds without a beat after which a worker's lease is gone.
        recovery_grace: seconds for which it must be missing then.
        recovery_interval: seconds between two looks at the leases.
        concurrency: slots of each worker.
        recovers_within: seconds from a death until its jobs run elsewhere; None: only reported.
        resumes_within: seconds from the election of another master until pushes return and jobs begin.
        kills_at_random: an innocent job may have met three deaths.
        log_bytes_per_second: the most that one worker may log, on average over its life.
    """

    lease_ttl: float
    recovery_grace: float
    recovery_interval: float
    concurrency: int
    recovers_within: float | None
    resumes_within: float = 15.0
    kills_at_random: bool = True
    log_bytes_per_second: float = 200_000.0
