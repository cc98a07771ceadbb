"""The probes answer whoever asks, whatever other clients do."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from sidelong.cli.health_server import health_server
from sidelong.errors import ConfigurationError
from tests.support.redis_server import free_port


@dataclass
class Worker:
    is_live: bool = True
    is_ready: bool = True


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client has a minute instead of a second: whoever waits for one of them is noticed, and none is cut off."""
    monkeypatch.setattr("sidelong.cli.health_server._CLIENT_MAY_TAKE", 60.0)


@pytest.fixture
def address(worker: Worker) -> Iterator[tuple[str, int]]:
    """Where the probes of the worker answer."""
    port = free_port()
    with health_server(f"127.0.0.1:{port}", worker):
        yield "127.0.0.1", port


def ask(address: tuple[str, int], request: str) -> str:
    """Return the whole answer to a request."""
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(request.encode())
        return b"".join(iter(lambda: client.recv(4096), b"")).decode()


def get(address: tuple[str, int], path: str) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    head, _, body = ask(address, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").partition("\r\n\r\n")
    return int(head.split()[1]), body.strip()


def test_each_probe_says_what_is_wrong(worker: Worker, address: tuple[str, int]) -> None:
    assert get(address, "/live") == get(address, "/ready?x=1") == (200, "ok")

    worker.is_ready = False
    assert get(address, "/live") == (200, "ok")
    assert get(address, "/ready") == (503, "it does not fetch, or Redis does not answer")

    worker.is_live = False
    assert get(address, "/live") == (503, "the event loop is blocked")


def test_what_is_no_probe_is_not_found(address: tuple[str, int]) -> None:
    assert get(address, "/")[0] == get(address, "/metrics")[0] == get(address, "/live/x")[0] == 404


def test_head_has_no_body_and_other_methods_are_refused(address: tuple[str, int]) -> None:
    head = ask(address, "HEAD /live HTTP/1.0\r\n\r\n")

    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert head.endswith("\r\n\r\n")
    assert ask(address, "POST /live HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 405 ")


@pytest.mark.usefixtures("endless_patience")
@pytest.mark.parametrize("number", [1, 40, 300])
def test_clients_that_say_nothing_hold_up_no_probe(address: tuple[str, int], number: int) -> None:
    with ExitStack() as silent:
        for _ in range(number):
            client = silent.enter_context(socket.create_connection(address))
            client.sendall(b"GET /li")
        asked_at = time.monotonic()

        assert get(address, "/live") == (200, "ok")

        # One by one, each would have its minute.
        assert time.monotonic() - asked_at < 15


@pytest.mark.usefixtures("endless_patience")
def test_no_more_clients_are_kept_than_the_bound(address: tuple[str, int]) -> None:
    with ExitStack() as silent:
        clients = [silent.enter_context(socket.create_connection(address)) for _ in range(120)]

        assert get(address, "/live") == (200, "ok")
        clients[0].settimeout(10)
        clients[-1].settimeout(0.2)

        # Those that came first were cut off for those that came later, long before their time was over.
        assert is_cut_off(clients[0])
        assert not is_cut_off(clients[-1])


def is_cut_off(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_a_client_has_a_second_for_all_it_says(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"GET /live HTTP/1.1\r\n")

        assert is_cut_off(client)


@pytest.mark.parametrize(
    "said", [b"\xff" * 100_000, b"\r\n\r\n", b"GET\r\n\r\n", b"\x00\r\n\r\n", b"GET /\xff X\r\n\r\n"]
)
def test_nonsense_is_refused_and_harms_nobody(address: tuple[str, int], said: bytes) -> None:
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(said)
        try:
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        except ConnectionResetError:
            answer = b""

    assert answer == b"" or answer.startswith(b"HTTP/1.1 40")
    assert get(address, "/live") == (200, "ok")


@pytest.mark.usefixtures("endless_patience")
def test_at_the_end_everybody_is_cut_off_and_nothing_is_left(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    address = "127.0.0.1", free_port()
    with ExitStack() as silent:
        with health_server("{}:{}".format(*address), worker):
            clients = [silent.enter_context(socket.create_connection(address, timeout=10)) for _ in range(30)]
            assert get(address, "/live") == (200, "ok")
            ends_at = time.monotonic()

        assert time.monotonic() - ends_at < 15
        assert all(map(is_cut_off, clients))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert not [thread for thread in threading.enumerate() if thread.name == "sidelong-health"]
    assert capfd.readouterr() == ("", "")


def test_an_address_that_is_taken_is_an_error_that_names_it(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(ConfigurationError, match=rf"the probes cannot listen on 127\.0\.0\.1:{port}"),
            health_server(f"127.0.0.1:{port}", worker),
        ):
            pass


def test_both_families_are_served(worker: Worker) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            port = free_port()
    except OSError:
        pytest.skip("no IPv6 here")
    with health_server(f"[::1]:{port}", worker):
        assert get(("::1", port), "/live") == (200, "ok")
