"""A `redis-server` of the program's own, on a free port, with nothing persisted."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

EXECUTABLE = "redis-server"
_STARTS_WITHIN = 10.0


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
        port = _free_port()
        words = {"port": port, "bind": "127.0.0.1", "dir": directory, "save": "", "appendonly": "no"}
        process = subprocess.Popen(
            [EXECUTABLE, *(word for name, value in words.items() for word in (f"--{name}", str(value)))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _await_answer(url, process)
            yield url
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _await_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    latest = time.monotonic() + _STARTS_WITHIN
    with redis.Redis.from_url(url) as client:
        while time.monotonic() < latest and process.poll() is None:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                return
    raise NoServerError(f"{EXECUTABLE} does not answer")
