"""A `redis-server` of the program's own, on a free port, with nothing persisted."""

import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

EXECUTABLE = "redis-server"
_STARTS_WITHIN = 10.0
# Below the range from which the system takes the ports of outgoing connections: none of those can take one of ours
# between the look and the start.
_PORTS = range(12_000, 20_000)
_ATTEMPTS = 20


class NoServerError(Exception):
    """There is no Redis to measure with."""


@contextmanager
def running_server() -> Iterator[str]:
    """Run a server for as long as the block lasts; gives its URL.

    Raises:
        NoServerError: none is installed, or it does not start.
    """
    if shutil.which(EXECUTABLE) is None:
        raise NoServerError(f"{EXECUTABLE} is not on PATH")
    with tempfile.TemporaryDirectory(prefix="sidelong-benchmark-") as directory:
        process, url = _started(directory)
        try:
            yield url
        finally:
            process.terminate()
            process.wait()


def _started(directory: str) -> "tuple[subprocess.Popen[bytes], str]":
    """Start a server and return its process and its URL, once it answers."""
    for _ in range(_ATTEMPTS):
        port = _free_port()
        words = {"port": port, "bind": "127.0.0.1", "dir": directory, "save": "", "appendonly": "no"}
        process = subprocess.Popen(
            [EXECUTABLE, *(word for name, value in words.items() for word in (f"--{name}", str(value)))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"redis://127.0.0.1:{port}/0"
        if _answers(url, process):
            return process, url
        if process.poll() is None:
            process.kill()
            process.wait()
            raise NoServerError(f"{EXECUTABLE} does not answer")
        # Another program took the port between the look and the start.
    raise NoServerError(f"{EXECUTABLE} does not start")


def _free_port() -> int:
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server answers; false if it ends instead, or takes too long."""
    latest = time.monotonic() + _STARTS_WITHIN
    with redis.Redis.from_url(url) as client:
        while time.monotonic() < latest and process.poll() is None:
            try:
                # Somebody else's server may be at that port, and ours about to find out.
                if client.info("server")["process_id"] == process.pid:
                    return True
            except redis.ConnectionError:
                pass
            time.sleep(0.01)
    return False
