"""A real `redis-server` of one's own: on a free port, in a directory of its own."""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SERVER = "SIDELONG_REDIS_SERVER"
"""Environment variable: another program that does what `redis-server` does, such as `valkey-server`."""
EXECUTABLE = os.environ.get(SERVER) or "redis-server"

_HOST = "127.0.0.1"
# Below the range from which the system takes the ports of outgoing connections: none of those can take our
# port while the server is down, nor connect to itself there.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()
_ATTEMPTS = 20

AppendOnly = Literal["no", "everysec", "always"]


def is_installed() -> bool:
    """Tell whether there is a server to start."""
    return shutil.which(EXECUTABLE) is not None


class Database:
    """One numbered database of a running server: its URL, and clients for it.

    Attributes:
        url: what a program under test is given.
        server: the server it lives on.
    """

    def __init__(self, server: "RedisServer", number: int) -> None:
        self.server = server
        self.number = number
        self.url = f"redis://{_HOST}:{server.port}/{number}"

    def client(self) -> redis.Redis:
        """Return a blocking client that speaks bytes and never repeats a command; close it, or use `with`."""
        return redis.Redis.from_url(self.url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=30)


class RedisServer:
    """A server that a test may configure, freeze, kill and start again on the same port with the same data.

    Nothing is persisted unless asked for: by `appendonly`, or by `stop(save=True)`.

    Args:
        appendonly: whether, and how often flushed, an append-only file is kept.
        maxmemory: as in Redis' configuration, for instance `"10mb"`; the policy is `noeviction`.
        config: further directives of `redis.conf` with their values.
    """

    def __init__(
        self,
        *,
        appendonly: AppendOnly = "no",
        maxmemory: str | None = None,
        config: Mapping[str, str | int] | None = None,
    ) -> None:
        self.port = 0
        self.directory = Path(tempfile.mkdtemp(prefix="sidelong-redis-"))
        self._config = {
            "bind": _HOST,
            "dir": str(self.directory),
            "logfile": str(self.directory / "redis.log"),
            # A worker warns of a server that keeps nothing; this one would in an hour.
            "save": "3600 1000000",
            "shutdown-on-sigterm": "nosave",
            "databases": 16,
            "enable-debug-command": "yes",
            "appendonly": "no" if appendonly == "no" else "yes",
            "appendfsync": "everysec" if appendonly == "no" else appendonly,
            **({"maxmemory": maxmemory, "maxmemory-policy": "noeviction"} if maxmemory else {}),
            **(config or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return self.database().url

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """True while the process exists, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def database(self, number: int = 0) -> Database:
        """Return one of the sixteen databases."""
        return Database(self, number)

    def client(self) -> redis.Redis:
        """Return a blocking client for database 0."""
        return self.database().client()

    def start(self) -> None:
        """Start the process and wait until it answers, its data loaded."""
        if self.is_running:
            return
        atexit.register(self.close)
        if self.port:
            self._launch(self.port)
            return
        for _ in range(_ATTEMPTS):
            port = free_port()
            try:
                self._launch(port)
            except _DiedAtStartError:
                # Another process took the port between the look and the start.
                continue
            self.port = port
            return
        raise RuntimeError(f"{EXECUTABLE} does not start: {self.log()[-1000:]}")

    def stop(self, *, kill: bool = False, save: bool = False) -> None:
        """End the process; its data are kept if they were persisted.

        Args:
            kill: use SIGKILL instead of an orderly shutdown.
            save: write a snapshot first, so that the next start has the data back.
        """
        if not self.is_running:
            return
        process = self._running()
        if save:
            with self.client() as client:
                client.save()
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        # A frozen process acts on a signal only when it is woken.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, *, kill: bool = False, keep_data: bool = True) -> None:
        """Stop and start on the same port.

        With `kill`, only what an append-only file holds survives. Without, everything does.

        Args:
            kill: use SIGKILL.
            keep_data: false to begin with an empty server.
        """
        persists = self._config["appendonly"] == "yes"
        self.stop(kill=kill, save=keep_data and not kill and not persists)
        if not keep_data:
            self._remove_data()
        self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nobody answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """Return what the server has logged."""
        path = self.directory / "redis.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End the process and remove its directory."""
        self.stop(kill=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    def _arguments(self, port: int) -> list[str]:
        directives = {"port": port, **self._config}.items()
        return [word for name, value in directives for word in (f"--{name}", str(value))]

    def _launch(self, port: int) -> None:
        self._process = subprocess.Popen(
            [EXECUTABLE, *self._arguments(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C at the terminal is for the tests, not for their servers.
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not _answers(port):
            if self._process.poll() is not None:
                raise _DiedAtStartError(self.log()[-1000:])
            if time.monotonic() > deadline:
                raise RuntimeError(f"{EXECUTABLE} does not answer: {self.log()[-1000:]}")
            time.sleep(0.002)

    def _remove_data(self) -> None:
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".rdb":
                path.unlink()


class _DiedAtStartError(RuntimeError):
    """The process ended before it answered."""


def free_port() -> int:
    """Return a port on which nobody listens at this moment, and which nobody else in this run of the tests is given.

    Each process of the run has ports of its own, and gives each of them once: what will listen may be slow to start.
    """
    own = _own_ports()
    if len(_given) > len(own) // 2:
        _given.clear()
    for _ in range(1000):
        port = random.SystemRandom().choice(own)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise RuntimeError("no free port")


def _own_ports() -> range:
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(_PORTS) // count
    return _PORTS[place % count * share :][:share]


def _answers(port: int) -> bool:
    """Tell whether the server has loaded its data and answers PING."""
    try:
        with socket.create_connection((_HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            # `-NOAUTH` is an answer too; `-LOADING` is not yet.
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
