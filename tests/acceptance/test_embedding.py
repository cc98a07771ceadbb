"""Workers inside other programs: they come and go without a trace, and leave the host its signals."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from tests.support.eventually import eventually, eventually_sync
from tests.support.jobs import build_app, hold, job, noop
from tests.support.keys import is_figure
from tests.support.ledger import FAIL, START, Ledger
from tests.support.processes import environment
from tests.support.redis_server import Database, free_port
from tests.support.seeding import in_flight, payload, push
from tests.support.timings import TEST_TIMINGS

HOST = """
import sys
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.support.jobs import build_app, job, noop
from tests.support.timings import TEST_TIMINGS

url, ledger, port, timeout = sys.argv[1:]
app = build_app(url, ledger, **TEST_TIMINGS)

async def enqueue(request):
    return PlainTextResponse(str(await job(app, noop).enqueue()))

api = Starlette(
    routes=[Route("/", enqueue)],
    lifespan=app.lifespan(worker={"concurrency": 5, "timeout": float(timeout)}),
)

import uvicorn
uvicorn.run(api, host="127.0.0.1", port=int(port), log_level="info")
"""

SCRIPT = """
import asyncio, sys
from sidelong import Sidelong

app = Sidelong(sys.argv[1])

@app.job
async def greet(name: str) -> None:
    print(f"hello {name}", flush=True)

async def main():
    done = asyncio.Event()
    # A slow machine is no news.
    asyncio.get_running_loop().slow_callback_duration = 60

    @app.server_middleware
    async def watch(job, call_next):
        await call_next()
        done.set()

    await greet.enqueue("you")
    if "worker" in sys.argv:
        async with app.worker(concurrency=2):
            await asyncio.wait_for(done.wait(), 20)
    await app.close()

asyncio.run(main())
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "uvicorn.log"


@pytest.fixture
def uvicorn(redis_server: Database, ledger: Ledger, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A web server whose application runs a worker; running jobs have 0.2 s at a stop."""
    with log.open("wb") as output:
        command = [sys.executable, "-c", HOST, redis_server.url, str(ledger.directory), str(port), "0.2"]
        process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output)
    eventually_sync(lambda: "Uvicorn running" in log.read_text() or process.poll() is not None, within=20)
    yield process
    process.kill()
    process.wait()


def get(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    return answer.decode().rpartition("\r\n\r\n")[2]


def names(client: redis.Redis) -> set[str]:
    return {name for key in client.scan_iter() if not is_figure(name := key.decode())}


def connections(client: redis.Redis) -> int:
    database = str(client.connection_pool.connection_kwargs["db"])
    return sum(each["name"].startswith("sidelong") and each["db"] == database for each in client.client_list())


def test_under_uvicorn_jobs_run_and_sigterm_still_stops_the_server(
    uvicorn: subprocess.Popen[bytes], redis_client: redis.Redis, ledger: Ledger, port: int, log: Path, tmp_path: Path
) -> None:
    jid = get(port)
    eventually_sync(lambda: jid in ledger.history().ends)
    raw = payload(hold, str(tmp_path / "gate"))
    push(redis_client, raw)
    eventually_sync(lambda: len(ledger.history().named(START)) == 2)

    uvicorn.send_signal(signal.SIGTERM)
    # Uvicorn raises the signal again once it is through.
    assert uvicorn.wait(timeout=30) in (0, -signal.SIGTERM)

    assert "Application shutdown complete" in log.read_text()
    assert redis_client.lrange("queue:default", 0, -1) == [raw]
    assert not [name for name in names(redis_client) if name.startswith(("sidelong:", "processes"))]
    assert connections(redis_client) == 0


def test_a_remote_signal_does_not_stop_the_host(
    uvicorn: subprocess.Popen[bytes], redis_client: redis.Redis, ledger: Ledger, port: int, log: Path
) -> None:
    (identity,) = eventually_sync(lambda: redis_client.smembers("sidelong:owners"))
    redis_client.lpush(identity + b"-signals", "TERM")
    redis_client.expire(identity + b"-signals", 60)
    eventually_sync(lambda: "remote signal TERM is ignored" in log.read_text())

    jid = get(port)

    eventually_sync(lambda: jid in ledger.history().ends)


async def test_cancelling_the_host_task_hands_back_what_runs(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    raws = [payload(hold, str(tmp_path / "gate")) for _ in range(3)]
    push(redis_client, *raws)
    app = build_app(redis_server.url, ledger, **TEST_TIMINGS)

    host = asyncio.create_task(app.worker(timeout=60).run())
    await eventually(lambda: len(ledger.history().named(START)) == 3)
    host.cancel()
    with pytest.raises(asyncio.CancelledError):
        await host
    await app.close()

    assert redis_client.lrange("queue:default", 0, -1) == raws[::-1]
    assert len(ledger.history().named(FAIL)) == 3
    assert names(redis_client) == {"queue:default", "queues"}


async def test_cancelling_a_host_inside_the_block_hands_back_what_runs(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    raw = payload(hold, str(tmp_path / "gate"))
    push(redis_client, raw)
    app = build_app(redis_server.url, ledger, **TEST_TIMINGS)

    async def serve() -> None:
        async with app, app.worker(timeout=0.2):
            await asyncio.Event().wait()

    host = asyncio.create_task(serve())
    await eventually(lambda: len(ledger.history().named(START)) == 1)
    host.cancel()
    with pytest.raises(asyncio.CancelledError):
        await host

    assert redis_client.lrange("queue:default", 0, -1) == [raw]
    assert not in_flight(redis_client)
    assert names(redis_client) == {"queue:default", "queues"}


async def test_a_hundred_starts_and_stops_leave_nothing_behind(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    app = build_app(redis_server.url, ledger, **TEST_TIMINGS)

    async def once(number: int) -> float:
        async with app.worker(concurrency=3, queues=["default", "low"]):
            if number % 2:
                ref = await job(app, noop).enqueue()
                await eventually(lambda: str(ref) in ledger.history().ends)
            began = time.monotonic()
        return time.monotonic() - began

    await once(1)
    open_connections = connections(redis_client)
    tasks, threads, files = len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))
    took = [await once(number) for number in range(100)]

    assert max(took) < 3.0
    print(f"100 stops: {sorted(took)[50] * 1000:.0f} ms each, the longest {max(took) * 1000:.0f} ms")
    assert len(asyncio.all_tasks()) == tasks
    # Threads that were told to end need a moment.
    await eventually(lambda: threading.active_count() <= threads)
    assert connections(redis_client) == open_connections
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= files
    assert [name for name in names(redis_client) if not name.startswith(("stat:", "queues"))] == []
    assert redis_client.get("stat:processed") == b"51"
    await app.close()
    assert connections(redis_client) == 0


async def test_settings_of_one_worker_decide_how_long_its_lease_lasts(
    redis_server: Database, redis_client: redis.Redis, ledger: Ledger
) -> None:
    app = build_app(redis_server.url, ledger, lease_ttl=15.0)

    async with app, app.worker(beat_interval=0.5, lease_ttl=2.0) as worker:
        assert redis_client.pttl(f"sidelong:lease:{worker.identity}") <= 2000
    async with app, app.worker() as worker:
        assert 2000 < redis_client.pttl(f"sidelong:lease:{worker.identity}") <= 15_000


@pytest.mark.parametrize("arguments", [[], ["worker"]], ids=["only enqueues", "runs a worker"])
def test_a_script_under_asyncio_run_leaves_no_warning(
    redis_server: Database, redis_client: redis.Redis, tmp_path: Path, arguments: list[str]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", str(script), redis_server.url, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert ran.stdout == ("hello you\n" if arguments else "")
    assert connections(redis_client) == 0
    assert redis_client.llen("queue:default") == (0 if arguments else 1)
