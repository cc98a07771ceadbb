import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.eventually import eventually_sync

APP = """
from sidelong import Sidelong

app = Sidelong(timeout=5)


@app.job
async def hello(name: str) -> None:
    print(f"Hello, {name}!", flush=True)
"""


@pytest.fixture
def environment(tmp_path, redis_server):
    (tmp_path / "shop.py").write_text(APP)
    foreign = ("SIDELONG_", "REDIS_", "APP_ENV", "DYNO")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "REDIS_URL": redis_server.url
    }


def sidelong(tmp_path, environment, *words, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.Popen(
        [sys.executable, "-m", "sidelong", *words], cwd=tmp_path, env=environment, text=True, **streams
    )


def test_flags_file_and_environment_reach_the_worker_and_its_process_record(tmp_path, environment, redis_client):
    (tmp_path / "other.toml").write_text("concurrency = 1\ntimeout = 1\n[env.staging]\nconcurrency = 4\n")
    flags = ["--config", "other.toml", "-e", "staging", "-g", "shop-1", "--label", "blue", "--log-format", "json"]
    worker = sidelong(tmp_path, {**environment, "SIDELONG_CONCURENCY": "9"}, "run", "shop:app", *flags)

    enqueued = subprocess.run(
        [sys.executable, "-m", "sidelong", "enqueue", "shop:hello", "Ada"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert worker.stdout.readline() == "Hello, Ada!\n"
    (identity,) = eventually_sync(lambda: redis_client.smembers("processes"), 30)
    process = json.loads(redis_client.hget(identity, "info"))
    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=30)

    assert worker.returncode == 0
    assert (process["tag"], process["labels"], process["concurrency"]) == ("shop-1", ["blue"], 4)
    messages = [json.loads(line)["msg"] for line in log.splitlines()]
    assert any(
        message.startswith(f"Settings from {tmp_path / 'other.toml'}, environment staging") for message in messages
    )
    assert any("SIDELONG_CONCURENCY says nothing" in message for message in messages)
    assert len(enqueued.stdout.strip()) == 24


def test_a_stored_job_is_a_success_even_where_its_id_cannot_be_printed(tmp_path, environment, redis_client):
    with open("/dev/full", "w") as full:
        done = sidelong(tmp_path, environment, "enqueue", "shop:hello", "Ada", stdout=full)
        _, errors = done.communicate(timeout=30)

    (payload,) = map(json.loads, redis_client.lrange("queue:default", 0, -1))
    assert done.returncode == 0
    assert errors == f"sidelong: the job {payload['jid']} is stored, but its id cannot be printed\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_a_stored_job_is_a_success_whatever_streams_there_are(redirection, tmp_path, environment, redis_client):
    line = f"exec {sys.executable} -m sidelong enqueue Shop::Hello Ada {redirection}"

    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, timeout=30)

    assert done.returncode == 0
    assert redis_client.llen("queue:default") == 1


def test_a_shell_can_complete_commands_flags_and_values(tmp_path, environment):
    def complete(line):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_SIDELONG_COMPLETE": "complete_bash"}
        # The shell calls the program by its name.
        program = os.path.join(os.path.dirname(sys.executable), "sidelong")
        done = subprocess.run([program], env={**environment, **words}, capture_output=True, text=True, timeout=30)
        return done.stdout.split()

    assert {"run", "enqueue", "config", "jobs", "why", "retry", "monitor"} <= set(complete("sidelong "))
    assert complete("sidelong retry --fr") == ["--from"]
    assert complete("sidelong run --log-f") == ["--log-format"]
    assert complete("sidelong run --log-format ") == ["auto", "pretty", "plain", "json"]
