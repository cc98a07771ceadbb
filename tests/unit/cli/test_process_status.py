import asyncio
import os
import socket
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from sidelong.cli.process_status import ProcessStatus, process_status
from sidelong.cli.systemd import Systemd

NAME = f"sidelong {version('sidelong')}"


class StubWorker:
    """Is whatever a test says."""

    is_ready = is_quiet = is_stopping = False

    def __init__(self, tag="shop"):
        self.config = SimpleNamespace(tag=tag)
        self.capsules = [SimpleNamespace(concurrency=8), SimpleNamespace(concurrency=2)]
        self.running = []


class Shown:
    """What was shown so far."""

    def __init__(self, worker, watchdog=None):
        self.told, self.title, self.is_heard = [], "", True
        self.status = ProcessStatus(worker, self._tell, self._set_title, watchdog=watchdog)

    def _tell(self, *lines):
        self.told.append(lines)
        return self.is_heard

    def _set_title(self, title):
        self.title = title

    def refresh(self):
        self.told.clear()
        self.status.refresh()
        return self.told


def test_systemd_hears_of_each_change_once():
    worker = StubWorker()
    shown = Shown(worker)

    assert shown.refresh() == [("STATUS=starting",)]
    assert shown.refresh() == []
    worker.is_ready = True
    assert shown.refresh() == [("READY=1", "STATUS=0 of 10 busy")]
    worker.running = [object()] * 3
    assert shown.refresh() == [("STATUS=3 of 10 busy",)]
    worker.is_quiet, worker.is_ready = True, False
    assert shown.refresh() == [("STATUS=3 of 10 busy quiet",)]
    worker.is_stopping = True
    assert shown.refresh() == [("STOPPING=1", "STATUS=3 of 10 busy stopping")]
    assert shown.refresh() == []
    shown.status.end()
    assert shown.told == []


def test_what_systemd_has_not_taken_is_told_again_with_the_latest_status():
    worker = StubWorker()
    shown = Shown(worker, watchdog=30)
    shown.refresh()
    worker.is_ready, shown.is_heard = True, False
    shown.refresh()
    worker.running = [object()]
    shown.refresh()

    shown.is_heard = True

    assert shown.refresh() == [("READY=1", "STATUS=1 of 10 busy", "WATCHDOG=1")]
    assert shown.refresh() == [("WATCHDOG=1",)]


def test_a_stop_that_was_over_at_once_is_told_as_well():
    worker = StubWorker()
    shown = Shown(worker)
    worker.is_ready = True
    shown.refresh()

    shown.status.end()

    assert shown.told[-1] == ("STOPPING=1",)


def test_one_that_was_told_to_be_quiet_as_it_started_is_ready():
    worker = StubWorker()
    worker.is_quiet = True

    assert Shown(worker).refresh() == [("READY=1", "STATUS=0 of 10 busy quiet")]


def test_the_title_has_the_tag_and_how_many_jobs_run():
    worker = StubWorker()
    shown = Shown(worker)

    shown.refresh()
    assert shown.title == f"{NAME} shop starting"
    worker.is_ready, worker.running = True, [object()] * 2
    shown.refresh()
    assert shown.title == f"{NAME} shop [2 of 10 busy]"
    worker.is_stopping = True
    shown.refresh()
    assert shown.title == f"{NAME} shop [2 of 10 busy] stopping"


def test_no_tag_can_spoil_the_title():
    shown = Shown(StubWorker(tag="a\x00\nb\ud800"))

    shown.refresh()

    assert shown.title == f"{NAME} a\\x00\\nb\\ud800 starting"


def test_signs_of_life_begin_with_readiness():
    worker = StubWorker()
    shown = Shown(worker, watchdog=30)

    assert shown.refresh() == [("STATUS=starting",)]
    worker.is_ready = True
    assert shown.refresh() == [("READY=1", "STATUS=0 of 10 busy", "WATCHDOG=1")]
    assert shown.refresh() == [("WATCHDOG=1",)]


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path, monkeypatch):
    """A socket on which systemd could listen."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@sidelong-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


async def heard(listener):
    async with asyncio.timeout(5):
        return (await asyncio.get_running_loop().sock_recv(listener, 4096)).decode().split("\n")


async def test_systemd_is_told_over_its_socket_for_as_long_as_the_worker_runs(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    worker = StubWorker()

    async with process_status(worker):
        assert await heard(systemd) == ["STATUS=starting"]
        worker.is_ready = True
        assert await heard(systemd) == ["READY=1", "STATUS=0 of 10 busy", "WATCHDOG=1"]
        assert await heard(systemd) == ["WATCHDOG=1"]
        assert await heard(systemd) == ["WATCHDOG=1"]

    while (last := await heard(systemd)) == ["WATCHDOG=1"]:
        pass
    assert last == ["STOPPING=1"]


@pytest.mark.parametrize("address", ["/nowhere/at/all", "@nobody", "/" + "x" * 300, "vsock:2:1234", "x"])
async def test_a_systemd_that_does_not_listen_fails_nobody(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    async with process_status(StubWorker()):
        await asyncio.sleep(0)


def test_a_systemd_that_does_not_read_holds_nobody_up_and_has_nothing(systemd):
    manager = Systemd(os.environ["NOTIFY_SOCKET"])

    assert manager.tell("WATCHDOG=1")
    # The queue of a socket has a bound, which a machine can raise.
    assert not all(manager.tell("WATCHDOG=1") for _ in range(100_000))
