"""What the pages need to speak HTTP: a server that answers, and curl."""

import os
import shutil
import socket

import pytest

from tests.support.server_required import REQUIRED


def answers(port: int) -> bool:
    """Tell whether somebody listens on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def require_curl() -> None:
    """Skip the running test, and say why, where curl is not installed; fail it where it must be."""
    if shutil.which("curl"):
        return
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"curl is not on PATH, and {REQUIRED}=1 says that it must be", pytrace=False)
    pytest.skip("curl is not on PATH")
