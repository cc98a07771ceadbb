"""Whatever goes wrong, no log, repr, message or process title shows a password."""

import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel
from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from sidelong import NotEnqueued
from sidelong.errors import StoreError
from tests.support import jobs
from tests.support.eventually import eventually, eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import environment
from tests.support.redis_server import RedisServer
from tests.support.sentinel_trio import MASTER_NAME, SentinelServer
from tests.support.timings import TEST_TIMINGS

PASSWORD = "hunter2"
WRONG = "hunter3"
WATCHER = "hunter4"


@pytest.fixture
def server(start_redis: Callable[..., RedisServer], tmp_path: Path) -> RedisServer:
    return start_redis(config={"requirepass": PASSWORD, "unixsocket": str(tmp_path / "redis.sock")})


@pytest.fixture
def sentinel(server: RedisServer) -> Iterator[SentinelServer]:
    watch = {f"sentinel auth-pass {MASTER_NAME}": PASSWORD}
    with SentinelServer(server.port, quorum=1, password=WATCHER, config=watch) as running:
        yield running


Target = str | redis.asyncio.Redis
KINDS = ["url", "socket", "client", "provider", "sentinel url", "sentinel client"]


@pytest.fixture
def targets(server: RedisServer, sentinel: SentinelServer, tmp_path: Path) -> Callable[[str, str], Target]:
    """Returns every way of giving a password, by its name."""

    def make(kind: str, password: str) -> Target:
        provider: CredentialProvider = UsernamePasswordCredentialProvider("default", password)
        watched = [("127.0.0.1", sentinel.port)]
        options = {"host": "127.0.0.1", "port": server.port}
        match kind:
            case "url":
                return f"redis://default:{password}@127.0.0.1:{server.port}/0"
            case "socket":
                return f"unix://{tmp_path}/redis.sock?password={password}"
            case "client":
                return redis.asyncio.Redis(**options, password=password)
            case "provider":
                return redis.asyncio.Redis(**options, credential_provider=provider)
            case "sentinel url":
                hosts = f"127.0.0.1:{sentinel.port}"
                return f"redis+sentinel://:{password}@{hosts}/{MASTER_NAME}?sentinel_password={WATCHER}"
            case _:
                manager = Sentinel(watched, sentinel_kwargs={"password": WATCHER})
                return manager.master_for(MASTER_NAME, password=password)

    return make


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_shows_a_password(
    kind: str,
    targets: Callable[[str, str], Target],
    server: RedisServer,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    app = jobs.build_app(targets(kind, PASSWORD), ledger, **TEST_TIMINGS)
    async with app, app.worker() as worker:
        jid = str(await app.enqueue("noop"))
        await eventually(lambda: jid in ledger.history().ends, 15)
        with redis.Redis(port=server.port, password=PASSWORD) as client:
            shown += [str(entry) for entry in client.client_list()]
        shown += map(
            repr, (app, app.config, app.store, app.store.address, worker, worker.config, vars(app.config.__class__))
        )
        shown.append(worker.dump_stacks())
    wrong = jobs.build_app(targets(kind, WRONG), ledger, **TEST_TIMINGS)
    with pytest.raises(StoreError) as at_start:
        await wrong.worker().run()
    with pytest.raises(NotEnqueued) as at_push:
        await wrong.enqueue("noop")
    await wrong.close()
    for error in (at_start.value, at_push.value):
        shown += traceback.format_exception(error)
    shown += [caplog.text, *capfd.readouterr()]

    text = "\n".join(shown)
    assert "sidelong:beat" in text
    assert [secret for secret in (PASSWORD, WRONG, WATCHER) if secret in text] == []


APP = """
from sidelong import Sidelong

app = Sidelong()
"""


@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 0), (WRONG, 1)])
def test_a_worker_process_shows_no_password(
    password: str, status: int, targets: Callable[[str, str], Target], server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    environ = environment(SIDELONG_REDIS_URL=str(targets("sentinel url", password)))
    with subprocess.Popen(
        [sys.executable, "-m", "sidelong", "run", "shop.py", "--verbose"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        with redis.Redis(port=server.port, password=PASSWORD) as client:
            eventually_sync(lambda: process.poll() is not None or client.scard("processes"), 30)
        titles = [path.read_text() for path in [Path(f"/proc/{process.pid}/cmdline")] if path.exists()]
        process.terminate()
        output, _ = process.communicate(timeout=30)

    assert process.returncode == status
    assert "redis+sentinel://127.0.0.1" in output
    assert [secret for secret in (password, WATCHER) if secret in output + " ".join(titles)] == []
