"""The log of `sidelong run`, as those who read it get it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import redis

from tests.support.chatty_app import IN_THREADS, ON_LOOP
from tests.support.eventually import eventually_sync
from tests.support.processes import environment
from tests.support.redis_server import Database

RECORD = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ [A-Z]+ [\w.]+( \w+=("[^"]+"|[^\s"]+))*: ')
HOSTILE = "\n2026-01-01T00:00:00.000Z 1 INFO forged: line\x1b[2J\x00\u202e\u2028é"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(redis_server: Database) -> Iterator[Start]:
    """Starts `sidelong run` with variables of the environment and, if need be, a shell's redirection."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(stderr: Any = subprocess.PIPE, redirection: str = "", **variables: str) -> subprocess.Popen[bytes]:
        words = f'exec "{sys.executable}" -m sidelong run tests.support.chatty_app:app {redirection}'
        process = subprocess.Popen(
            ["sh", "-c", words],
            env=environment(REDIS_URL=redis_server.url, SIDELONG_REDIS_URL="", **variables),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def push(client: redis.Redis, name: str, *args: Any, jid: str, **fields: Any) -> None:
    payload = {"class": name, "args": args, "jid": jid, "queue": "default", "retry": False, **fields}
    client.lpush("queue:default", json.dumps(payload))


def wait_until_done(client: redis.Redis, count: int) -> None:
    eventually_sync(lambda: int(client.get("stat:processed") or 0) >= count, 15)


def stop(process: subprocess.Popen[bytes]) -> str:
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=15)
    assert process.returncode == 0, log
    return log.decode() if log else ""


def read_terminal(descriptor: int) -> str:
    """Return all that was written to a terminal whose other end is closed."""
    chunks = []
    # The end is an error.
    with suppress(OSError):
        while chunk := os.read(descriptor, 4096):
            chunks.append(chunk)
    os.close(descriptor)
    return b"".join(chunks).decode()


def messages(entries: Sequence[dict[str, Any]], start: str) -> dict[str, dict[str, Any]]:
    return {entry["msg"]: entry["ctx"] for entry in entries if entry["msg"].startswith(start)}


def test_fifty_jobs_at_once_each_have_their_own_jid_and_level_in_the_log(
    start: Start, redis_client: redis.Redis
) -> None:
    nosy = 7
    for number in range(ON_LOOP):
        level = {"log_level": "debug"} if number == nosy else {}
        push(redis_client, "talk", number, jid=f"loop-{number}", tags=["a", "b"], **level)
    for number in range(IN_THREADS):
        push(redis_client, "talk_in_thread", number, jid=f"thread-{number}")

    process = start(CHATTY_LOG_FORMAT="json")
    wait_until_done(redis_client, ON_LOOP + IN_THREADS)
    log = stop(process)

    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    for where in ("on the loop", "in a task", "in another thread"):
        assert messages(entries, where) == {
            f"{where} of {number}": {"class": "talk", "jid": f"loop-{number}", "tags": ["a", "b"], "number": number}
            for number in range(ON_LOOP)
        }
    assert messages(entries, "at the end") == {
        f"at the end of {number}": {"class": "talk", "jid": f"loop-{number}", "tags": ["a", "b"]}
        for number in range(ON_LOOP)
    }
    assert messages(entries, "in a thread") == {
        f"in a thread of {number}": {"class": "talk_in_thread", "jid": f"thread-{number}"}
        for number in range(IN_THREADS)
    }
    assert list(messages(entries, "for debugging")) == [f"for debugging of {nosy}"]
    for line in ("start", "done"):
        told = [entry["ctx"]["jid"] for entry in entries if entry["msg"] == line]
        assert len(told) == len(set(told)) == ON_LOOP + IN_THREADS
    assert all(entry["ctx"]["elapsed"] >= 0 for entry in entries if entry["msg"] == "done")


def test_no_text_of_others_passes_for_a_line_or_reaches_the_terminal(start: Start, redis_client: redis.Redis) -> None:
    push(redis_client, "say", HOSTILE, jid="1")
    push(redis_client, "fail", HOSTILE, jid=f"jid{HOSTILE}")
    push(redis_client, f"unknown{HOSTILE}", jid="3", tags=[HOSTILE], retry=0)

    process = start(PYTHONIOENCODING="ascii", LC_ALL="C")
    wait_until_done(redis_client, 3)
    lines = stop(process).split("\n")

    assert lines.pop() == ""
    assert [line for line in lines if not RECORD.match(line) and not line.startswith("    ")] == []
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert any(line.startswith("    2026-01-01T00:00:00.000Z 1 INFO forged: line\\x1b[2J\\x00") for line in lines)


def test_a_terminal_gets_a_short_time_and_colours(start: Start, redis_client: redis.Redis) -> None:
    ours, theirs = pty.openpty()
    push(redis_client, "say", "hello", jid="1")

    process = start(stderr=theirs, TERM="xterm", NO_COLOR="", FORCE_COLOR="")
    os.close(theirs)
    wait_until_done(redis_client, 1)
    stop(process)
    log = read_terminal(ours)

    assert re.search(
        r"\x1b\[2m\d\d:\d\d:\d\d\.\d{3}\x1b\[0m \x1b\[32mINFO \x1b\[0m hello +\x1b\[2mchatty class=say jid=1", log
    )


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_jobs_run_where_the_log_cannot_be_written(start: Start, redis_client: redis.Redis, redirection: str) -> None:
    push(redis_client, "say", "text", 10, jid="1")

    process = start(stderr=None, redirection=redirection)
    wait_until_done(redis_client, 1)
    stop(process)

    assert not redis_client.exists("stat:failed")


def test_jobs_run_on_when_the_reader_of_the_log_is_gone(start: Start, redis_client: redis.Redis) -> None:
    process = start()
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    process.stderr = None

    push(redis_client, "say", "text", jid="1")
    wait_until_done(redis_client, 1)
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=15) == 0


def test_a_reader_that_does_not_read_holds_up_the_log_but_not_the_heartbeat(
    start: Start, redis_client: redis.Redis
) -> None:
    process = start()
    # More than a pipe holds: the event loop waits in the middle of this job.
    push(redis_client, "say", "x" * 100, 2000, jid="1")
    eventually_sync(lambda: redis_client.keys("sidelong:inflight:*"), 15)
    (lease,) = redis_client.keys("sidelong:lease:*")

    # Longer than a lease lasts.
    beats = int(redis_client.get(lease) or 0)
    ends_at = time.monotonic() + 15
    while int(redis_client.get(lease) or 0) < beats + 6:
        assert redis_client.exists(lease)
        assert time.monotonic() < ends_at
        time.sleep(0.05)

    assert int(redis_client.get("stat:processed") or 0) == 0
    log = stop(process)
    assert "event loop has been blocked" in log
