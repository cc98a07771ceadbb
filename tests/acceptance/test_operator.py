"""The operator's commands as a shell runs them, beside real workers."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually_sync

CTRL_C = "\x03"
APP = """
import asyncio

from sidelong import Sidelong

app = Sidelong(beat_interval=0.5)


@app.job
async def rest(seconds: float) -> None:
    print("resting", flush=True)
    await asyncio.sleep(seconds)
"""


@pytest.fixture
def sidelong(tmp_path, redis_server):
    """Runs `sidelong` in a process of its own, in the directory of a small app."""
    (tmp_path / "shop.py").write_text(APP)
    foreign = ("SIDELONG_", "REDIS_", "APP_ENV", "DYNO")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"REDIS_URL": redis_server.url, "NO_COLOR": "1"}

    def run(*words, **options):
        options = {"capture_output": True, "timeout": 30} | options
        return subprocess.run(
            [sys.executable, "-m", "sidelong", *words], cwd=tmp_path, env=environment, text=True, **options
        )

    run.directory, run.environment = tmp_path, environment
    return run


@pytest.fixture
def worker(sidelong):
    """A real worker of the app that logs to a pipe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sidelong", "run", "shop.py"],
        cwd=sidelong.directory,
        env=sidelong.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def processes(sidelong):
    return json.loads(sidelong("ps", "--json").stdout)


def test_a_worker_is_listed_quieted_dumped_and_stopped_from_afar(sidelong, worker):
    (process,) = eventually_sync(lambda: processes(sidelong), 30)
    assert process["pid"] == worker.pid

    told = [sidelong(order, process["identity"]) for order in ("dump", "quiet")]
    eventually_sync(lambda: processes(sidelong)[0]["quiet"], 30)
    told.append(sidelong("stop", "--all"))
    _, log = worker.communicate(timeout=30)

    assert [done.returncode for done in told] == [0, 0, 0]
    assert worker.returncode == 0
    assert "stacks, as asked for by a remote signal" in log


def test_a_reader_that_leaves_early_ends_a_listing_without_a_word(sidelong, redis_client):
    redis_client.sadd("queues", *[f"queue-{number}" for number in range(20_000)])
    line = f"{sys.executable} -m sidelong queues | head -1"

    done = subprocess.run(
        ["sh", "-c", line], cwd=sidelong.directory, env=sidelong.environment, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.split() == ["QUEUE", "JOBS", "WAITS", "PROCESSES", "STATE"]
    assert done.stderr == ""


def test_a_full_disk_is_one_sentence(sidelong):
    with open("/dev/full", "w") as full:
        done = sidelong("stats", capture_output=False, stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 1
    assert done.stderr == "sidelong: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_closed_streams_change_nothing_but_what_is_seen(sidelong, redis_client, redirection):
    line = f"exec {sys.executable} -m sidelong pause mailers {redirection}"

    done = subprocess.run(
        ["sh", "-c", line], cwd=sidelong.directory, env=sidelong.environment, capture_output=True, timeout=30
    )

    assert done.returncode == 0
    assert redis_client.smembers("paused") == {b"mailers"}


def test_a_terminal_of_80_columns_gets_lines_that_fit(sidelong, redis_client):
    redis_client.sadd("queues", "a-name-" * 20)

    output = on_terminal(sidelong, "queues")

    lines = output.splitlines()
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)
    assert "…" in lines[1]


def test_interrupted_it_ends_with_the_status_of_the_signal(sidelong, own_redis):
    own_redis.pause()
    process = subprocess.Popen(
        [sys.executable, "-m", "sidelong", "stats", "--redis", own_redis.url],
        cwd=sidelong.directory,
        env=sidelong.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who runs the tests in the background may have told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    eventually_sync(lambda: is_connected(process.pid, own_redis.port), 30)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (130, "")


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("yes", 0), ("n", 3000), ("", 3000)])
def test_a_person_is_asked_and_sees_how_far_it_is(sidelong, redis_client, answer, left):
    payload = {"class": "Charge", "args": [], "queue": "default"}
    redis_client.zadd("dead", {json.dumps({**payload, "jid": str(number)}): number for number in range(3000)})

    status, output, errors = at_terminal(sidelong, answer, "delete", "--from", "dead", "--class", "Charge")

    assert "Delete 3000 jobs that match in the dead set? [y/N]" in errors
    assert redis_client.zcard("dead") == left
    assert (status, output) == ((1, "") if left else (0, "3000 jobs deleted\n"))
    assert ("Deleting" in errors) == (left == 0)


def test_ctrl_c_at_the_question_changes_nothing_and_ends_it_at_once(sidelong, redis_client):
    redis_client.zadd("dead", {"{}": 1})

    status, output, errors = at_terminal(sidelong, CTRL_C, "delete", "--from", "dead", "--all")

    assert (status, output) == (130, "")
    assert "nothing was changed" in errors
    assert "Traceback" not in errors
    assert redis_client.zcard("dead") == 1


def test_why_tells_of_a_real_worker(sidelong, worker):
    enqueued = [sidelong("enqueue", "shop:rest", "600").stdout.strip() for _ in range(2)]
    assert worker.stdout.readline() == "resting\n"
    eventually_sync(lambda: processes(sidelong)[0]["busy"], 30)

    story = json.loads(sidelong("why", enqueued[0], "--json").stdout)[0]
    listed = [json.loads(line) for line in sidelong("jobs", "running", "--json").stdout.splitlines()]
    checked = sidelong("check", "shop.py")

    assert story["place"] == "running"
    assert story["process"] == processes(sidelong)[0]["identity"]
    assert {job["jid"] for job in listed} <= set(enqueued)
    assert checked.returncode == 0


def test_jobs_are_cancelled_where_they_run_and_where_they_wait(sidelong, worker, redis_client):
    running, _ = [sidelong("enqueue", "shop:rest", "600").stdout.strip() for _ in range(2)]
    waiting = sidelong("enqueue", "shop:rest", "600", "--in", "1h").stdout.strip()
    for _ in range(2):
        assert worker.stdout.readline() == "resting\n"
    eventually_sync(lambda: processes(sidelong)[0]["busy"] == 2, 30)

    done = sidelong("cancel", running, waiting, "nobody", "--yes")
    done_to_all = sidelong("cancel", "--from", "running", "--class", "shop.rest", "--yes")

    assert (done.returncode, done_to_all.returncode) == (1, 0)
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{running} shop.rest ran in ")
    assert first.endswith("and is cancelled")
    assert second == f"{waiting} shop.rest waited in schedule, and is removed"
    assert "there is no job 'nobody'" in done.stderr
    assert done_to_all.stdout.splitlines()[-1] in ("1 job cancelled", "2 jobs cancelled")
    eventually_sync(lambda: not redis_client.keys("sidelong:inflight:*"), 30)
    assert not redis_client.exists("schedule", "retry", "dead", "queue:default")


def test_why_knows_a_job_that_no_heartbeat_has_told_of(sidelong, worker, redis_client):
    jid = sidelong("enqueue", "shop:rest", "600").stdout.strip()
    assert worker.stdout.readline() == "resting\n"
    (identity,) = redis_client.smembers("processes")
    redis_client.delete(identity + b":work", identity + b":workers")

    story = json.loads(sidelong("why", jid, "--json").stdout)[0]

    assert (story["place"], story["process"]) == ("running", identity.decode())


def at_terminal(sidelong, answer, *words):
    """Type an answer into a terminal, or Ctrl-C, and return the status, what is printed and what is shown besides."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sidelong", *words],
        cwd=sidelong.directory,
        env=sidelong.environment | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    errors = b""
    while b"[y/N]" not in errors:
        errors += os.read(master, 4096)
    if answer == CTRL_C:
        process.send_signal(signal.SIGINT)
    else:
        os.write(master, f"{answer}\n".encode())
    errors += rest_of(master)
    output = process.stdout.read()
    process.stdout.close()
    return process.wait(30), output, errors.decode()


def rest_of(master):
    """Return what a terminal shows until its last program ends."""
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:
        pass
    os.close(master)
    return shown


def on_terminal(sidelong, *words):
    """Return what a command prints on a terminal of 80 columns."""
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "sidelong", *words],
        cwd=sidelong.directory,
        env=sidelong.environment | {"COLUMNS": "80", "LINES": "24"},
        stdout=slave,
        stderr=subprocess.PIPE,
        timeout=30,
    )
    os.close(slave)
    assert done.returncode == 0, done.stderr
    return rest_of(master).decode()


def is_connected(pid, port):
    """Tell whether a process has a connection to a port of this machine."""
    base = Path(f"/proc/{pid}")
    rows = [line.split() for line in (base / "net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}
    try:
        return any(str(each.readlink()) in sockets for each in (base / "fd").iterdir())
    except FileNotFoundError:
        return False  # one was closed meanwhile


def test_a_deploy_is_marked_by_its_label_or_the_last_commit(sidelong, redis_client):
    without_git = sidelong("deploy-mark")
    labelled = sidelong("deploy-mark", "v42")
    again = sidelong("deploy-mark", "v42")

    assert (without_git.returncode, labelled.returncode, again.returncode) == (2, 0, 0)
    assert "give one" in without_git.stderr
    assert (labelled.stdout, again.stdout) == ("marked: v42\n", "marked already: v42\n")
    (day,) = redis_client.keys("*-marks")
    assert list(redis_client.hgetall(day).values()) == [b"v42"]
