"""`sidelong dev` with real processes; each test starts few, for every start loads Python twice."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from sidelong.cli.dev.options import HostOrder
from sidelong.cli.run import RunOptions
from tests.support.eventually import eventually_sync

WITHIN = 60
NOBODY = "redis://127.0.0.1:1/0"

JOBS = """
import asyncio
from pathlib import Path

from sidelong import Sidelong

app = Sidelong()


@app.job
async def charge(order_id: int) -> None:
    print("old code begins", order_id, flush=True)
    await asyncio.sleep(3600)


@app.job
async def block() -> None:
    import time

    print("blocked", flush=True)
    time.sleep(3600)
"""

WEB = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from jobs import app, block, charge


async def order(request):
    await charge.enqueue(7)
    await charge.enqueue_in(3600, 8)
    return PlainTextResponse("ordered")


async def stop(request):
    await block.enqueue()
    return PlainTextResponse("blocking")


api = Starlette(routes=[Route("/order", order, methods=["POST"]), Route("/block", stop, methods=["POST"])],
                lifespan=app.lifespan())
"""


class Dev:
    """`sidelong dev` as it runs in a terminal: in a process group of its own, which a Ctrl-C reaches as a whole."""

    def __init__(self, directory: Path, *words: str, **environment: str) -> None:
        self.directory = directory
        self.log_file = directory / "dev.log"
        own = {name: value for name, value in os.environ.items() if not name.startswith("SIDELONG_")}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sidelong", "dev", *words],
                cwd=directory,
                env={**own, "REDIS_URL": NOBODY, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def logs(self, text: str, times: int = 1) -> None:
        """Wait until it has logged a text."""
        eventually_sync(lambda: self.log.count(text) >= times or self.process.poll() is not None, WITHIN)
        assert self.log.count(text) >= times, self.log

    def url(self, kind: str) -> str:
        """Return where the web app, or the pages, can be reached."""
        self.logs("Ctrl-C ends all")
        return re.search(rf"{kind} .*?(http://\S+)", self.log)[1]

    def write(self, path: str, text: str) -> None:
        (self.directory / path).write_text(text)

    def members(self) -> list[int]:
        """Return the processes of its group that live."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    _, _, fields = (entry / "stat").read_text().rpartition(") ")
                except OSError:
                    continue
                if int(fields.split()[2]) == self.process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def host(self) -> int:
        """Return the process in which the code runs."""
        return next(pid for pid in self.members() if pid != self.process.pid)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def ends(self) -> int:
        """Wait until all of its processes have ended, and return the exit status."""
        status = self.process.wait(timeout=WITHIN)
        eventually_sync(lambda: not self.members(), WITHIN)
        return status


@pytest.fixture
def dev(tmp_path):
    """Starts it in a project with jobs and a web app."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "web.py").write_text(WEB)
    started = []

    def start(*words, **environment):
        started.append(Dev(tmp_path, *words, **environment))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None or each.members():
            os.killpg(each.process.pid, signal.SIGKILL)
        each.process.wait()


def test_a_working_day(dev):
    words = ["jobs.py", "--app", "web:api", "--port", "0", "--web-port", "0", "--timeout", "0.1"]
    running = dev(*words, SIDELONG_CONCURENCY="5")
    web, pages = running.url("Web app"), running.url("Web UI")
    assert f"the embedded store, inside this process: no connection to Redis at {NOBODY}" in running.log
    assert httpx.post(f"{web}/order", timeout=WITHIN).text == "ordered"
    running.logs("old code begins 7")

    # Code that is not whole: nothing but the mistake is told, and all is as it was after the next change.
    running.write("jobs.py", JOBS + "\ndef (:\n")
    running.logs("Waiting for a change")
    assert "Changed: jobs.py" in running.log
    assert "SyntaxError" in running.log

    running.write(
        "jobs.py", JOBS.replace("old code begins", "new code ends").replace("asyncio.sleep(3600)", "asyncio.sleep(0)")
    )
    running.logs("new code ends 7")
    # Requests have waited meanwhile; and what was scheduled is there still.
    assert "jobs.charge" in httpx.get(f"{pages}/scheduled", timeout=WITHIN).text
    assert httpx.post(f"{web}/order", timeout=WITHIN).text == "ordered"
    running.logs("new code ends 7", times=2)

    running.interrupt()
    assert running.ends() == 0
    assert '"POST /order HTTP/1.1" 200' in running.log
    assert "GET /scheduled" not in running.log
    assert running.log.count("old code begins") == 1
    # Advice is not repeated after a change.
    assert running.log.count("did you mean SIDELONG_CONCURRENCY?") == 1
    assert "Traceback" not in running.log.partition("Waiting for a change")[2]


def test_code_that_is_broken_at_first_is_waited_for_and_an_import_is_broken_off(dev, tmp_path):
    (tmp_path / "jobs.py").write_text("1 / 0\n")
    running = dev("jobs.py", "--redis", "memory://", "--web-port", "0")
    running.logs("Waiting for a change")
    assert "ZeroDivisionError" in running.log

    running.write("jobs.py", JOBS)
    running.url("Web UI")

    running.write("jobs.py", "import time\n\nprint('importing', flush=True)\ntime.sleep(3600)\n")
    running.logs("importing")
    running.process.send_signal(signal.SIGTERM)

    assert running.ends() == 0
    assert running.log.count("cannot be imported") == 1


def test_jobs_are_handed_back_to_a_redis_that_is_found(dev, redis_server, redis_client):
    running = dev("jobs.py", "--web-port", "0", "--timeout", "0.1", "--no-reload", REDIS_URL=redis_server.url)
    running.url("Web UI")
    assert f"Redis    {redis_server.url}" in running.log
    redis_client.sadd("queues", "default")
    redis_client.lpush(
        "queue:default", b'{"class":"jobs.charge","args":[9],"jid":"0123456789abcdef01234567","retry":true}'
    )
    running.logs("old code begins 9")

    # By the supervisor alone, as a program that started it would.
    running.process.send_signal(signal.SIGTERM)

    assert running.ends() == 0
    assert redis_client.llen("queue:default") == 1
    redis_client.delete("queue:default", "queues")


def test_a_kill_of_the_host_is_told_and_one_of_the_supervisor_leaves_nothing_behind(dev, tmp_path):
    running = dev("jobs.py", "--redis", "memory://", "--web-port", "0", TMPDIR=str(tmp_path))
    running.url("Web UI")

    os.kill(running.host(), signal.SIGKILL)
    running.logs("Waiting for a change")
    assert "killed by SIGKILL" in running.log
    assert "What the embedded store held is lost" in running.log
    assert running.members() == [running.process.pid]

    running.write("jobs.py", JOBS)
    running.logs("Running again with 2 jobs")
    running.process.kill()
    assert running.ends() == -signal.SIGKILL
    assert list(tmp_path.glob("sidelong-dev-*")) == []


def test_a_host_whose_supervisor_dies_while_it_imports_leaves_nothing_behind(tmp_path):
    (tmp_path / "jobs.py").write_text("import time\n\nprint('importing', flush=True)\ntime.sleep(3600)\n")
    directory = tmp_path / "left"
    directory.mkdir()
    run = RunOptions("jobs.py", concurrency=None, queues=(), timeout=None, redis="memory://", verbose=False)
    order = HostOrder(run, web_app=None, is_factory=False, pages=0, web=None, snapshot=str(directory / "snapshot"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(order.as_json() + b"\n")
        host = subprocess.Popen(
            [sys.executable, "-m", "sidelong.cli.dev", str(theirs.fileno())],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[theirs.fileno()],
        )
        with host:
            assert host.stdout.readline() == "importing\n"
            ours.close()
            host.wait(timeout=WITHIN)

    assert not directory.exists()


def test_the_third_interrupt_leaves_also_where_a_job_blocks_the_loop(dev):
    running = dev("jobs.py", "--app", "web:api", "--redis", "memory://", "--port", "0", "--web-port", "0")
    web = httpx.URL(running.url("Web app"))
    # The answer is not waited for: the job may block the loop before it is sent.
    with socket.create_connection((web.host, web.port)) as client:
        client.sendall(b"POST /block HTTP/1.1\r\nHost: localhost\r\n\r\n")
        running.logs("blocked")

        for _ in range(3):
            running.interrupt()
            # Two at one moment count as one.
            eventually_sync(lambda: not pending(running.process.pid), WITHIN)
    # Nor is it a death by a signal if more of them come while it ends.
    while running.process.poll() is None:
        with suppress(ProcessLookupError):
            running.interrupt()
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(0.005)

    assert running.ends() == 128 + signal.SIGINT
    # All that was held ends with the command, so that is not told as a loss.
    assert "is lost" not in running.log


def pending(pid: int) -> bool:
    """Tell whether signals wait for a process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(int(mask, 16) for mask in re.findall(r"(?:SigPnd|ShdPnd):\s*(\w+)", status))


def test_a_target_that_is_not_there_is_one_sentence_and_status_two(dev):
    running = dev("no_such_module:app", "--web-port", "0")

    assert running.ends() == 2
    assert running.log.startswith("sidelong: There is no module 'no_such_module' in ")
    assert running.log.count("\n") == 1


def test_a_port_that_was_asked_for_and_is_taken_is_one_sentence_and_status_two(dev):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = dev("jobs.py", "--web-port", f"{port}")

        assert running.ends() == 2
    assert running.log == f"sidelong: cannot listen on 127.0.0.1:{port}: Address already in use\n"
