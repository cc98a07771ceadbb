"""Testing what enqueues, and what is enqueued, without a worker."""

from sidelong.errors import EmptyQueueError
from sidelong.testing.crashes import Crash, crash_after_each_await
from sidelong.testing.database import own_database
from sidelong.testing.enqueued import EnqueuedJob
from sidelong.testing.jobs import Jobs
from sidelong.testing.modes import fake, inline

__all__ = [
    "Crash",
    "EmptyQueueError",
    "EnqueuedJob",
    "Jobs",
    "crash_after_each_await",
    "fake",
    "inline",
    "own_database",
]
