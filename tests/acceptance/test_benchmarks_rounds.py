"""Contestants in turn: each is a process, here one that only says a figure."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from benchmarks.contestants import Contestant
from benchmarks.rounds import play
from benchmarks.server import running_server
from benchmarks.workload import DECLINED, Case, Workload

from tests.support.eventually import eventually_sync
from tests.support.server_required import require_server

CHECKOUT = Path(__file__).parents[2]
RIVAL = """
import json, subprocess, sys
log, own, declined, workload, settings = sys.argv[1:]
name, *figures = own.split()
settings = json.loads(settings)
with open(log, "a+") as file:
    file.seek(0)
    turn = file.read().split().count(name)
    file.write(name + "\\n")
figure = figures[turn]
if figure == "declines":
    print("it has no such thing")
    sys.exit(int(declined))
if figure == "fails":
    raise RuntimeError(f"{name} broke")
if figure == "leaves":
    subprocess.Popen(["sleep", "600"])
    sys.exit("it has left somebody behind")
print("what it says before does not matter")
told = {name: settings[name] for name in ("seconds", "queued")}
print(json.dumps({"jobs/s": float(figure), "turn": turn, **told}))
"""
CASE = Case("one", {"queued": 3}, 12, to="another")


def load(client, settings):
    client.lpush("queue:default", *range(settings["queued"]))


WORKLOAD = Workload("idle", "", (CASE,), "jobs/s", "benchmarks.idle", quick=5, counts="seconds", load=load)


@pytest.fixture(scope="module")
def url():
    require_server()
    with running_server() as url:
        yield url


@pytest.fixture
def played(tmp_path, url):
    """Let contestants play, each given as its name and what it says in each round; return the result and the turns."""

    def played(*own, missing=""):
        program, log = tmp_path / "rival.py", tmp_path / "turns"
        program.write_text(RIVAL)
        words = (sys.executable, str(program), str(log))
        rivals = [Contestant(each.split()[0], (*words, each, str(DECLINED))) for each in own]
        if missing:
            rivals.append(Contestant("missing", ("false",), missing=missing))
        result = play(WORKLOAD, CASE, rivals, url=url, most=None, rounds=len(own[0].split()) - 1)
        return result, log.read_text().split()

    return played


def test_contestants_take_turns_and_are_compared_within_each_round(played):
    result, turns = played("sidelong 10 30 90", "floor 20 90 100")

    assert turns == ["sidelong", "floor"] * 3
    assert result.medians("sidelong") == {"jobs/s": 30.0, "turn": 1, "seconds": 12, "queued": 3}
    assert result.medians("floor")["jobs/s"] == 90.0
    assert result.ratios("sidelong", "floor") == [0.5, pytest.approx(1 / 3), 0.9]
    assert result.jobs == {"sidelong": 12, "floor": 12}
    assert (result.counts, result.to) == ("seconds", "another")


def test_one_that_fails_is_named_and_has_no_more_turns(played):
    result, turns = played("sidelong 1 2 3", "floor 4 fails 5")

    assert result.failures == {"floor": "RuntimeError: floor broke"}
    assert turns == ["sidelong", "floor", "sidelong", "floor", "sidelong"]
    assert result.runs.keys() == {"sidelong"}
    assert [run["jobs/s"] for run in result.runs["sidelong"]] == [1, 2, 3]


def test_one_that_declines_is_asked_once(played):
    result, turns = played("sidelong 1 2", "floor declines")

    assert result.declined == {"floor": "it has no such thing"}
    assert result.failures == {}
    assert turns == ["sidelong", "floor", "sidelong"]


def test_one_that_is_missing_is_named_and_never_started(played):
    result, turns = played("sidelong 1", missing="it is not installed")

    assert result.failures == {"missing": "it is not installed"}
    assert turns == ["sidelong"]


def test_one_that_leaves_a_process_behind_holds_nobody_up(played):
    began = time.monotonic()

    result, _ = played("sidelong 1", "floor leaves")

    assert result.failures == {"floor": "it has left somebody behind"}
    assert time.monotonic() - began < 30


def test_redis_is_filled_anew_before_each_run(played, url):
    played("sidelong 1 2")

    with redis.Redis.from_url(url) as client:
        assert client.llen("queue:default") == 3


def test_several_workers_of_which_one_dies_are_no_measurement(url):
    settings = {"url": url, "workers": 2, "slots": 10, "wait": 1, "jobs": 1_000}
    with redis.Redis.from_url(url) as client:
        client.flushall()
        client.lpush(
            "benchmark:held-back",
            *(json.dumps({"class": "noop", "args": [1], "jid": f"{number:024x}"}) for number in range(1_000)),
        )
        measuring = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workers", "workers", json.dumps(settings)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            eventually_sync(lambda: client.exists("benchmark:held-back") == 0, 30)
            children = Path(f"/proc/{measuring.pid}/task/{measuring.pid}/children").read_text().split()
            subprocess.run(["kill", "-KILL", children[0]], check=True)
            _, complained = measuring.communicate(timeout=30)
        finally:
            measuring.kill()

    assert len(children) == 2
    assert measuring.returncode == 1
    assert complained.splitlines()[-1] == "RuntimeError: a worker ended with status -9"
