"""What a test says that needs a `redis-server`."""

import os

import pytest

from tests.support.redis_server import EXECUTABLE, is_installed

REQUIRED = "SIDELONG_REQUIRE_SERVERS"
"""Environment variable: `1` turns "skipped because the server is missing" into a failure."""


def require_server() -> None:
    """Skip the running test, and say why, where no server is installed; fail it where one must be."""
    if is_installed():
        return
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{EXECUTABLE} is not on PATH, and {REQUIRED}=1 says that it must be", pytrace=False)
    pytest.skip(f"{EXECUTABLE} is not on PATH")
