import subprocess
import sys

import pytest

import sidelong


def test_exports_exactly_the_public_names():
    assert sidelong.__all__ == sorted(
        {
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
        }
    )
    assert all(hasattr(sidelong, name) for name in sidelong.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sidelong' has no attribute 'Wroker'"):
        _ = sidelong.Wroker


def test_importing_loads_neither_extras_nor_the_command_line_nor_the_worker():
    # `cryptography` is not looked for: redis-py imports it by itself where it is installed.
    extras = ["fakeredis", "starlette", "jinja2", "uvicorn", "uvloop"]
    unwanted = [*extras, "typer", "rich", "sidelong.cli", "sidelong.worker.worker"]
    program = f"import sidelong, sys; print(*(set({unwanted!r}) & set(sys.modules)))"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.split() == []
