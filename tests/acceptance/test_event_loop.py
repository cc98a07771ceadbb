"""A worker on uvloop, and on the loop of asyncio, does the same; where uvloop is missing it runs all the same."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually_sync
from tests.support.processes import environment
from tests.support.redis_server import Database, RedisServer

APP = """
import asyncio, os, sys, time

from sidelong import Sidelong

app = Sidelong(timeout=20, beat_interval=0.2, lease_ttl=2.0, lag_threshold=0.3, block_time=0.2, poll_interval=0.1)


def say(*words):
    print(*words, flush=True)


@app.job
async def tell_loop():
    say(type(asyncio.get_running_loop()).__module__.split(".")[0])


@app.job
def from_thread(number):
    told.sync.enqueue(number)


@app.job
async def told(number):
    say("told", number)


@app.job
async def hold():
    say("holding")
    await asyncio.sleep(60)


@app.job
async def clutch():
    while True:
        say("clutching")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass


@app.job
async def block():
    while not os.path.exists("go-on"):
        time.sleep(0.01)
    say("unblocked")


@app.job
async def start_program():
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('from below', flush=True)")
    say("ended", await program.wait())


@app.job
def fork():
    if child := os.fork():
        say("forked", os.waitpid(child, 0)[1])
    else:
        told.sync.enqueue("forked")
        os._exit(0)
"""
# As if it were not installed, or broken.
BROKEN = "raise ImportError('not today')\n"

Run = Callable[..., "Running"]


class Running:
    """A worker that was started as users do it."""

    def __init__(self, directory: Path, variables: dict[str, str], words: tuple[str, ...]) -> None:
        self.directory = directory
        self.variables = variables
        self._out, self._log = directory / "out", directory / "log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            # Whatever Python warns of at its end would be in the log.
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", "-m", "sidelong", "run", "shop:app", *words],
                cwd=directory,
                env=variables,
                stdout=out,
                stderr=log,
            )

    def enqueue(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "sidelong", "enqueue", *words],
            cwd=self.directory,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")

    def out(self) -> list[str]:
        return self._out.read_text().splitlines()

    def log(self) -> str:
        return self._log.read_text()

    def says(self, line: str) -> None:
        eventually_sync(lambda: line in self.out(), within=20)

    def logs(self, words: str) -> None:
        eventually_sync(lambda: words in self.log(), within=20)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(timeout=20)


@pytest.fixture
def run(tmp_path: Path, redis_server: Database) -> Iterator[Run]:
    """Starts `sidelong run` in a directory of its own, with these flags and variables."""
    foreign = ("SIDELONG_", "REDIS_", "APP_ENV", "DYNO")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    (tmp_path / "shop.py").write_text(APP)
    started: list[Running] = []

    def run(*words: str, **variables: str) -> Running:
        started.append(Running(tmp_path, {**clean, "REDIS_URL": redis_server.url, **variables}, words))
        return started[-1]

    yield run
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


COLLECTOR = """
import gc

@app.job
async def tell_collector():
    print(gc.get_freeze_count() > 0, gc.get_threshold()[0] > 2000, flush=True)
"""


def assert_clean(log: str) -> None:
    """Python had nothing to complain of."""
    assert [word for word in ("Traceback", "Warning", "never awaited", "Exception ignored") if word in log] == []


def test_uvloop_is_taken_where_it_is_installed_and_the_log_says_so(run: Run) -> None:
    worker = run()

    worker.enqueue("shop:tell_loop")

    worker.says("uvloop")
    assert " with uvloop, pid " in worker.log().splitlines()[0]


def test_a_worker_runs_where_uvloop_cannot_be_imported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text(BROKEN)
    worker = run()

    worker.enqueue("shop:tell_loop")

    worker.says("asyncio")
    assert " with asyncio, pid " in worker.log().splitlines()[0]


@pytest.mark.parametrize(
    ("words", "variables", "file", "made"),
    [
        ((), {}, "event_loop = 'asyncio'\n", "asyncio"),
        ((), {"SIDELONG_EVENT_LOOP": "uvloop"}, "event_loop = 'asyncio'\n", "uvloop"),
        (("--loop", "asyncio"), {"SIDELONG_EVENT_LOOP": "uvloop"}, "", "asyncio"),
    ],
)
def test_flag_variable_and_file_choose_the_loop(
    run: Run, tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], file: str, made: str
) -> None:
    (tmp_path / "sidelong.toml").write_text(file)
    worker = run(*words, **variables)

    worker.enqueue("shop:tell_loop")

    worker.says(made)


def test_the_collector_is_spared_in_a_worker_of_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APP + COLLECTOR)
    worker = run()

    worker.enqueue("shop:tell_collector")

    worker.says("True True")


def test_no_policy_of_the_application_overrides_the_choice(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(f"import uvloop\nuvloop.install()\n{APP}")
    worker = run("--loop", "asyncio")

    worker.enqueue("shop:tell_loop")

    worker.says("asyncio")


def test_a_stop_is_clean_and_hands_back_what_runs(run: Run, loop: str, redis_client: Any) -> None:
    worker = run("--loop", loop, "--timeout", "0.2")
    worker.enqueue("shop:hold")
    worker.says("holding")

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert redis_client.llen("queue:default") == 1
    assert_clean(worker.log())


def test_a_second_signal_does_not_wait_and_a_third_leaves(run: Run, loop: str) -> None:
    worker = run("--loop", loop)
    worker.enqueue("shop:clutch")
    worker.says("clutching")

    worker.send(signal.SIGTERM)
    worker.logs("a second signal cancels")
    worker.send(signal.SIGINT)
    worker.logs("Stopping now: 1 running job")
    worker.send(signal.SIGTERM)

    assert worker.wait() == 128 + signal.SIGTERM


def test_signals_reach_a_worker_whose_loop_is_blocked_and_its_job_is_named(run: Run, loop: str) -> None:
    worker = run("--loop", loop)
    worker.enqueue("shop:block")

    worker.logs("the event loop has been blocked")
    worker.send(signal.SIGTTIN)
    worker.logs("Stacks, as asked by TTIN")
    worker.send(signal.SIGTERM)
    # However slow all this was, the loop has been blocked until now.
    (worker.directory / "go-on").touch()

    assert worker.wait() == 0
    log = worker.log()
    assert "by job shop.block" in log
    assert "time.sleep(0.01)" in log
    assert worker.out() == ["unblocked"]


def test_threads_and_programs_of_jobs_work_and_leave_nothing_open(run: Run, loop: str) -> None:
    worker = run("--loop", loop)

    worker.enqueue("shop:from_thread", "1")
    worker.enqueue("shop:start_program")

    for line in ("told 1", "from below", "ended 0"):
        worker.says(line)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert_clean(worker.log())


def test_what_a_job_forks_can_enqueue_and_its_parent_goes_on(run: Run, loop: str) -> None:
    worker = run("--loop", loop)

    worker.enqueue("shop:fork")
    worker.says("told forked")
    worker.says("forked 0")
    worker.enqueue("shop:from_thread", "1")

    worker.says("told 1")


def test_goes_on_after_redis_was_killed(run: Run, loop: str, own_redis: RedisServer) -> None:
    worker = run("--loop", loop, REDIS_URL=own_redis.url)
    worker.enqueue("shop:told", "1")
    worker.says("told 1")

    own_redis.stop(kill=True)
    worker.logs("Redis is out of reach")
    own_redis.start()
    worker.enqueue("shop:told", "2")

    worker.says("told 2")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_does_not_abort_a_worker(
    tmp_path: Path, redis_server: Database, redirection: str, redis_client: Any
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    variables = environment(REDIS_URL=redis_server.url)
    line = f"exec {sys.executable} -m sidelong run shop:app --loop uvloop {redirection}"
    worker = subprocess.Popen(["sh", "-c", line], cwd=tmp_path, env=variables)

    try:
        (who,) = eventually_sync(lambda: redis_client.smembers("processes"), 20)
        assert json.loads(redis_client.hget(who, "info"))["pid"] == worker.pid
        worker.send_signal(signal.SIGTERM)

        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("words", [("run", "shop:app", "--loop", "uvloop"), ("enqueue", "shop:told", "1")])
def test_uvloop_that_is_asked_for_and_missing_is_one_sentence_and_status_two(
    tmp_path: Path, redis_server: Database, words: tuple[str, ...]
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "uvloop.py").write_text(BROKEN)
    variables = environment(REDIS_URL=redis_server.url, SIDELONG_EVENT_LOOP="uvloop")

    done = subprocess.run(
        [sys.executable, "-m", "sidelong", *words], cwd=tmp_path, env=variables, capture_output=True, text=True
    )

    sentence = "event_loop is uvloop, which cannot be imported (not today): pip install 'sidelong[fast]'\n"
    where = "" if "--loop" in words else "SIDELONG_EVENT_LOOP: "
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"sidelong: {where}{sentence}")


def test_a_worker_inside_another_program_takes_the_loop_and_the_collector_of_its_host(
    tmp_path: Path, redis_server: Database
) -> None:
    program = tmp_path / "host.py"
    program.write_text(
        textwrap.dedent("""
            import asyncio, gc, sys
            from sidelong import Sidelong

            found = gc.get_freeze_count(), gc.get_threshold()

            app = Sidelong(event_loop="uvloop")
            ran = asyncio.Event()

            @app.job
            async def tell():
                print(type(asyncio.get_running_loop()).__module__, "uvloop" in sys.modules)
                print((gc.get_freeze_count(), gc.get_threshold()) == found)
                ran.set()

            async def main():
                async with app, app.worker():
                    await tell.enqueue()
                    await ran.wait()

            asyncio.run(main())
        """)
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        env=environment(REDIS_URL=redis_server.url),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.stdout, done.stderr) == ("asyncio.unix_events False\nTrue\n", "")
