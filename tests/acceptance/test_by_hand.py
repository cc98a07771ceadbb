"""Workers that are run without Redis' help: by a pidfile, by signals, by systemd."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import redis

from tests.support.eventually import eventually_sync
from tests.support.processes import environment
from tests.support.redis_server import Database

APP = """
import os, time

from sidelong import Sidelong

app = Sidelong(timeout=0.2, cancel_grace=0.2, beat_interval=0.2, lease_ttl=2.0, lag_threshold=5.0, block_time=0.2)


@app.job(queue="a")
async def block(gate: str):
    while not os.path.exists(gate):
        time.sleep(0.01)


@app.job(queue="a")
def stick():
    time.sleep(60)
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path, redis_server: Database) -> Iterator[Start]:
    """Starts a worker with a pidfile and a log, in a directory of its own."""
    (tmp_path / "shop.py").write_text(APP)
    processes: list[subprocess.Popen[bytes]] = []

    def start(**variables: str) -> subprocess.Popen[bytes]:
        words = ["run", "shop:app", "--pidfile", "worker.pid", "--logfile", "worker.log"]
        process = subprocess.Popen(
            [sys.executable, "-m", "sidelong", *words],
            cwd=tmp_path,
            env=environment(REDIS_URL=redis_server.url, SIDELONG_REDIS_URL="", **variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@dataclass(frozen=True)
class Systemd:
    """Hears what a service says."""

    listener: socket.socket
    name: str

    def hears(self, line: str) -> None:
        """Wait until a line is said."""
        while line not in self.listener.recv(4096).decode().split("\n"):
            pass

    def hears_nothing_for(self, seconds: float, within: float) -> None:
        """Wait for a time in which nothing is said."""
        ends_at = time.monotonic() + within
        patience = self.listener.gettimeout()
        self.listener.settimeout(seconds)
        with suppress(TimeoutError):
            while time.monotonic() < ends_at:
                self.listener.recv(4096)
            pytest.fail(f"there was no silence of {seconds} s within {within} s", pytrace=False)
        self.listener.settimeout(patience)


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    name = f"sidelong-by-hand-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(20)
        yield Systemd(listener, f"@{name}")


def control(directory: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sidelong", "ctl", *words, "--pidfile", "worker.pid"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_worker_is_run_by_hand_from_its_start_to_its_end(start: Start, systemd: Systemd, tmp_path: Path) -> None:
    pidfile, log = tmp_path / "worker.pid", tmp_path / "worker.log"
    log.write_text("yesterday\n")
    worker = start(NOTIFY_SOCKET=systemd.name, QUEUE="a,b")
    systemd.hears("READY=1")
    assert pidfile.read_text() == f"{worker.pid}\n"
    assert "Queues from QUEUE" in log.read_text()
    assert "Serving 10 jobs at once from queues a, b (in this order)" in log.read_text()

    second = start()
    assert second.wait(timeout=30) == 1
    sentence = f"a worker runs already, with pid {worker.pid}: {pidfile} is its pidfile"
    assert second.communicate()[1].decode() == f"sidelong: {sentence}\n"
    assert sentence in log.read_text()

    assert control(tmp_path, "dump") == (0, f"pid {worker.pid} is told to log its stacks\n", "")
    eventually_sync(lambda: "Stacks, as asked by TTIN:" in log.read_text())
    rotated = log.rename(tmp_path / "worker.log.1")

    worker.send_signal(signal.SIGUSR1)
    systemd.hears("STATUS=0 of 10 busy quiet")

    assert control(tmp_path, "stop", "--wait", "20") == (0, f"pid {worker.pid} is told to stop\n", "")
    systemd.hears("STOPPING=1")
    assert not pidfile.exists()
    assert worker.wait(timeout=20) == 0
    assert worker.communicate()[1] == b""
    assert rotated.read_text().startswith("yesterday\n")
    assert log.read_text().endswith(" INFO sidelong.cli: Stopped\n")


def test_neither_a_killed_worker_nor_one_with_a_stuck_job_keeps_another_from_its_place(
    start: Start, tmp_path: Path, redis_client: redis.Redis
) -> None:
    worker = start()
    pidfile, log = tmp_path / "worker.pid", tmp_path / "worker.log"
    eventually_sync(lambda: log.exists() and "Serving" in log.read_text(), 20)
    worker.kill()
    worker.wait()
    assert pidfile.read_text() == f"{worker.pid}\n"
    assert control(tmp_path, "stop")[0] == 1

    # Another may have its number by now.
    pidfile.write_text(f"{os.getpid()}\n")
    heir = start()
    eventually_sync(lambda: pidfile.read_text() == f"{heir.pid}\n", 20)

    redis_client.lpush("queue:a", '{"class": "shop.stick", "args": [], "jid": "1", "queue": "a"}')
    eventually_sync(lambda: "class=shop.stick jid=1: start" in log.read_text(), 20)
    heir.send_signal(signal.SIGTERM)
    assert heir.wait(timeout=20) == 0
    assert "Jobs that do not end are left behind: shop.stick" in log.read_text()
    assert not pidfile.exists()


def test_the_title_shows_the_worker_and_a_blocked_loop_gives_no_sign_of_life(
    start: Start, systemd: Systemd, redis_client: redis.Redis, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    worker = start(NOTIFY_SOCKET=systemd.name, WATCHDOG_USEC="400000", QUEUES="*", SIDELONG_TAG="books")
    systemd.hears("READY=1")
    systemd.hears("WATCHDOG=1")
    if (title := Path(f"/proc/{worker.pid}/cmdline")).exists():
        expected = f"sidelong {version('sidelong')} books [0 of 10 busy]"
        assert title.read_bytes().rstrip(b"\0").decode() == expected

    job = {"class": "shop.block", "args": [str(gate)], "jid": "1", "queue": "a"}
    redis_client.lpush("queue:a", json.dumps(job))

    # Otherwise there is one every 0.2 s.
    systemd.hears_nothing_for(1.0, within=20)
    assert redis_client.get("stat:processed") is None
    gate.touch()
    systemd.hears("WATCHDOG=1")
    eventually_sync(lambda: redis_client.get("stat:processed") == b"1")


def test_a_command_that_asks_for_several_processes_is_refused(start: Start, tmp_path: Path) -> None:
    worker = start(COUNT="2")

    assert worker.wait(timeout=20) == 2
    assert worker.communicate()[1].decode().startswith("sidelong: COUNT is 2, but a command is one worker process here")
    assert not (tmp_path / "worker.pid").exists()
