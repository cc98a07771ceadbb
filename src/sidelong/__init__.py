"""Sidekiq for asyncio: a job processor for Python on Redis."""

from typing import TYPE_CHECKING, Any

from sidelong.app import Sidelong
from sidelong.client.cancelling import CancelOutcome, CancelResult
from sidelong.client.job import Job
from sidelong.client.job_class import JobClass
from sidelong.client.job_ref import JobRef
from sidelong.core.config import Capsule, Config
from sidelong.core.context import Context, current_context
from sidelong.core.middleware import CallNext, Middleware
from sidelong.core.outcome import Discard, Kill, RetryIn
from sidelong.core.steps import Step, SyncStep
from sidelong.errors import (
    ArgumentError,
    ConfigurationError,
    EnqueueUncertain,
    InvalidPayloadError,
    JobDefinitionError,
    JobTimeoutError,
    NotEnqueued,
    PayloadTooLargeError,
    PushError,
    SidelongError,
    StepError,
    StoreError,
    UnknownJobError,
)

if TYPE_CHECKING:
    from sidelong.worker.worker import Worker
else:
    # Hidden from type checkers, which would take any name for one that exists.
    def __getattr__(name: str) -> Any:
        if name == "Worker":
            # A process that only enqueues has no use for the engine.
            from sidelong.worker.worker import Worker

            return Worker
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ArgumentError",
    "CallNext",
    "CancelOutcome",
    "CancelResult",
    "Capsule",
    "Config",
    "ConfigurationError",
    "Context",
    "Discard",
    "EnqueueUncertain",
    "InvalidPayloadError",
    "Job",
    "JobClass",
    "JobDefinitionError",
    "JobRef",
    "JobTimeoutError",
    "Kill",
    "Middleware",
    "NotEnqueued",
    "PayloadTooLargeError",
    "PushError",
    "RetryIn",
    "Sidelong",
    "SidelongError",
    "Step",
    "StepError",
    "StoreError",
    "SyncStep",
    "UnknownJobError",
    "Worker",
    "current_context",
]
