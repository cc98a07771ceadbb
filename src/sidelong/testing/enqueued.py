"""A job that was enqueued in a test, and the ways to say which one is meant."""

from sidelong.api.records import JobRecord
from sidelong.client.job import Job
from sidelong.client.job_class import JobClass, job_of
from sidelong.client.registry import AnyJob, Registry
from sidelong.client.validation import Enqueueable
from sidelong.core.clock import Clock

Target = str | Enqueueable
"""A job or a `JobClass`, or its wire name."""


class EnqueuedJob(JobRecord):
    """One job as Redis would hold it: `job_class`, `args`, `queue`, `jid`, `tags`, `item` and the rest.

    Args:
        value: the bytes that would be stored.
        queue: the queue it was enqueued to.
        at: the time it was enqueued for, in epoch seconds; None for at once.
        is_scheduled: whether it waits for this time.
        clock: source of time for `latency`.

    Attributes:
        at: the time it was enqueued for, in epoch seconds; None for at once.
        is_scheduled: whether it waits for this time.
        has_run: whether the test has run it, to whatever end.
    """

    def __init__(self, value: bytes, queue: str, at: float | None, *, is_scheduled: bool, clock: Clock) -> None:
        super().__init__(value, queue, clock=clock)
        self.at = at
        self.is_scheduled = is_scheduled
        self.has_run = False


def name_of(target: Target, registry: Registry) -> str:
    """Return the wire name of what is meant; an alias is that of its job."""
    name: str = target if isinstance(target, str) else target.payload_head()["class"]
    return registry.get(name).name if name in registry else name


def job_meant(target: Target, registry: Registry) -> AnyJob | None:
    """Return the job that is meant; None if nothing is known of it but a name."""
    if isinstance(target, str):
        return registry.get(target) if target in registry else None
    if isinstance(target, type) and issubclass(target, JobClass):
        return job_of(target)
    return target if isinstance(target, Job) else None
