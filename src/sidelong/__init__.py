"""Sidekiq for asyncio: a job processor for Python on Redis."""

from sidelong.app import Sidelong
from sidelong.client.job import Job, JobRef
from sidelong.client.job_class import JobClass
from sidelong.core.config import Capsule, Config
from sidelong.core.context import Context, current_context
from sidelong.core.outcome import Discard, Kill, RetryIn
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
    StoreError,
    UnknownJobError,
)

__all__ = [
    "ArgumentError",
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
    "NotEnqueued",
    "PayloadTooLargeError",
    "PushError",
    "RetryIn",
    "Sidelong",
    "SidelongError",
    "StoreError",
    "UnknownJobError",
    "current_context",
]
