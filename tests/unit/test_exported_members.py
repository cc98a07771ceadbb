import subprocess
import sys

import sidelong


def test_exports_exactly_the_public_names():
    assert sidelong.__all__ == sorted(
        {
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
        }
    )
    assert all(hasattr(sidelong, name) for name in sidelong.__all__)


def test_importing_loads_neither_extras_nor_the_command_line_nor_the_worker():
    # `cryptography` is not looked for: redis-py imports it by itself where it is installed.
    extras = ["fakeredis", "starlette", "jinja2", "uvicorn", "uvloop"]
    unwanted = [*extras, "typer", "rich", "sidelong.cli", "sidelong.worker.worker"]
    program = f"import sidelong, sys; print(*(set({unwanted!r}) & set(sys.modules)))"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.split() == []
