"""The probes of `sidelong run --health`, asked over HTTP and by `sidelong health`."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis
import yaml

from tests.docs.pages import read_blocks
from tests.support.eventually import eventually_sync
from tests.support.jobs import block_until, hold
from tests.support.ledger import Ledger
from tests.support.processes import ROOT, WorkerOptions, WorkerProcess, environment
from tests.support.redis_server import RedisServer, free_port
from tests.support.seeding import payload, push

Start = Callable[..., WorkerProcess]


@pytest.fixture
def address() -> str:
    """A free address of this machine."""
    return f"127.0.0.1:{free_port()}"


def status(address: str, path: str) -> int:
    """Return the status of an answer, 0 if there is none."""
    try:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def health(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sidelong", "health", *words],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_worker_is_live_and_ready_until_it_is_told_to_stop(
    start: Start, redis_client: redis.Redis, address: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    worker = start(overrides={"health": address})
    eventually_sync(lambda: status(address, "ready") == 200, 10)
    assert status(address, "live?x=1") == 200
    assert status(address, "") == status(address, "metrics") == 404

    push(redis_client, payload(hold, str(gate)))
    eventually_sync(lambda: not redis_client.llen("queue:default"), 10)
    worker.send(signal.SIGTERM)
    eventually_sync(lambda: status(address, "ready") == 503, 10)
    assert status(address, "live") == 200
    gate.touch()
    assert worker.wait() == 0
    assert status(address, "live") == 0


def test_a_worker_that_redis_has_left_is_live_and_not_ready(
    own_redis: RedisServer, ledger: Ledger, address: str
) -> None:
    options = WorkerOptions(redis=own_redis.url, ledger=ledger, overrides={"health": address})
    with WorkerProcess(options):
        eventually_sync(lambda: status(address, "ready") == 200, 10)
        own_redis.stop(kill=True)
        eventually_sync(lambda: status(address, "ready") == 503, 15)
        assert status(address, "live") == 200
        own_redis.start()
        eventually_sync(lambda: status(address, "ready") == 200, 30)


def test_a_blocked_loop_is_told(start: Start, redis_client: redis.Redis, address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    start(overrides={"health": address, "lag_threshold": 0.5})
    eventually_sync(lambda: status(address, "live") == 200, 10)
    push(redis_client, payload(block_until, str(gate)))
    eventually_sync(lambda: status(address, "live") == 503, 10)
    gate.touch()
    eventually_sync(lambda: status(address, "live") == 200, 15)


def test_clients_that_say_nothing_hold_nobody_up(start: Start, address: str) -> None:
    start(overrides={"health": address})
    eventually_sync(lambda: status(address, "live") == 200, 10)
    host, _, port = address.partition(":")
    with ExitStack() as silent:
        for _ in range(100):
            silent.enter_context(socket.create_connection((host, int(port))))
        asked_at = time.monotonic()
        assert status(address, "live") == 200
        # One after the other they would take their second each.
        assert time.monotonic() - asked_at < 5


@pytest.fixture
def dripping(address: str) -> Iterator[Callable[[], socket.socket]]:
    """Makes clients that say something all the time, and never all of it."""
    host, _, port = address.partition(":")
    clients: list[socket.socket] = []
    is_over = threading.Event()

    def drip(client: socket.socket) -> None:
        with suppress(OSError):
            while not is_over.wait(0.1):
                client.sendall(b"X")

    def connect() -> socket.socket:
        client = socket.create_connection((host, int(port)))
        client.sendall(b"GET /")
        clients.append(client)
        threading.Thread(target=drip, args=(client,), daemon=True).start()
        return client

    yield connect
    is_over.set()
    for client in clients:
        client.close()


def test_clients_that_drip_hold_nobody_up(start: Start, address: str, dripping: Callable[[], socket.socket]) -> None:
    start(overrides={"health": address})
    eventually_sync(lambda: status(address, "live") == 200, 10)
    for _ in range(20):
        dripping()
    asked_at = time.monotonic()
    assert status(address, "live") == 200
    assert time.monotonic() - asked_at < 5


def test_a_client_that_drips_keeps_no_worker_from_its_end(
    start: Start, address: str, dripping: Callable[[], socket.socket]
) -> None:
    worker = start(overrides={"health": address})
    eventually_sync(lambda: status(address, "live") == 200, 10)
    for _ in range(20):
        dripping()
    asked_at = time.monotonic()
    worker.send(signal.SIGTERM)
    # Had each its second, this would take twenty.
    assert worker.wait() == 0
    assert time.monotonic() - asked_at < 10


def test_what_the_page_on_deployment_has_kubernetes_ask_is_answered(
    start: Start, address: str, redis_client: redis.Redis
) -> None:
    blocks = read_blocks(ROOT / "docs/deployment.md")
    (manifest,) = (yaml.safe_load(block.text) for block in blocks if block.title == "worker.yaml")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    probes = [container[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe")]
    assert {ports[probe["port"]] for probe in probes} == {int(variables["SIDELONG_HEALTH"].rpartition(":")[2])}

    start(overrides={"health": address})

    assert [probe["path"] for probe in probes] == ["/live", "/ready"]
    eventually_sync(lambda: [status(address, probe["path"][1:]) for probe in probes] == [200, 200], 10)
    assert health(SIDELONG_HEALTH=address).returncode == 0


def test_the_command_says_it_by_its_exit_status(start: Start, address: str) -> None:
    assert health(address).returncode == 1
    assert health().returncode == 2
    assert health("nonsense").returncode == 2

    start(overrides={"health": address})
    eventually_sync(lambda: status(address, "ready") == 200, 10)
    assert health(address).returncode == 0
    asked = health("--ready", SIDELONG_HEALTH=address)
    assert (asked.returncode, asked.stdout) == (0, "ok\n")


def test_the_command_loads_neither_the_engine_nor_what_draws(address: str) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['sidelong', 'health', {address!r}]\n"
        "from sidelong.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    status = end.code\n"
        "heavy = {'rich', 'starlette', 'uvicorn', 'sidelong.worker', 'sidelong.web', 'sidelong.api'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "print(status, *sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "1\n"


@pytest.mark.parametrize("taken", [True, False])
def test_an_address_that_cannot_be_used_is_told(taken: bool, ledger: Ledger, address: str) -> None:
    host, _, port = address.partition(":")
    with socket.socket() as other:
        if taken:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((host, int(port)))
            other.listen()
        chosen = address if taken else "203.0.113.1:8080"
        worker = WorkerProcess(
            WorkerOptions(redis="redis://127.0.0.1:1/0", ledger=ledger, overrides={"health": chosen})
        )
        try:
            assert worker.wait() == 2
        finally:
            worker.kill()

    assert f"the probes cannot listen on {chosen}" in worker.log()
