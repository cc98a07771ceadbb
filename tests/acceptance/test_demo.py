import os
import re
import subprocess
import sys

import pytest


def run_demo(*words):
    return subprocess.run(
        [sys.executable, "-m", "sidelong", "demo", *words],
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=100,
    )


def figures(output):
    """The summary as a mapping: the first figure of every row."""
    rows = re.findall(r"^([A-Z][A-Za-z ]+?)\s{2,}([\d,]+)\s", output, re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in rows}


def assert_right(done, orders):
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    told = figures(done.stdout)
    assert told["Orders completed"] == orders
    assert told["Jobs run"] == 3 * orders + told["Retries"]
    assert told["Retries"] > 0
    assert told["Mails sent twice"] > 0
    for nothing in ("Dead jobs", "Orders charged twice", "Orders shipped twice", "Left in Redis"):
        assert told[nothing] == 0
    assert "The ledger is right" in done.stdout
    return told


@pytest.mark.slow
def test_a_thousand_orders_are_completed_and_the_same_seed_tells_the_same_story():
    first = assert_right(run_demo("--seed", "3"), orders=1000)
    second = assert_right(run_demo("--seed", "3"), orders=1000)

    assert first == second


def test_the_demo_runs_on_a_real_redis_and_leaves_no_job_in_it(redis_server):
    assert_right(run_demo("--redis", redis_server.url, "--orders", "200"), orders=200)

    with redis_server.client() as client:
        assert not any(map(client.exists, ("retry", "schedule", "dead", "queues")))
        assert client.keys("queue:*") == client.keys("sidelong:inflight:*") == []


def test_a_redis_that_is_not_there_is_one_sentence():
    done = run_demo("--redis", "redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert done.stderr.startswith("sidelong: no connection to Redis at redis://127.0.0.1:1/0")
    assert done.stderr.count("\n") == 1
