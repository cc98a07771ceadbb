import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.workload import DECLINED

from tests.support.server_required import require_server

CHECKOUT = Path(__file__).parents[2]


def run_benchmarks(*words, path=None):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=CHECKOUT,
        env=None if path is None else {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_measures_a_workload_beside_its_floor_and_another_checkout(tmp_path):
    require_server()
    other = tmp_path / "other"
    shutil.copytree(CHECKOUT / "src", other / "src", ignore=shutil.ignore_patterns("__pycache__"))
    figures = tmp_path / "figures.json"

    done = run_benchmarks(
        "drain", "--case", "100 slots, one", "--quick", "--against", str(other), "--json", str(figures)
    )

    assert done.returncode == 0, done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert list(result["runs"]) == ["sidelong", "against", "uvloop", "floor", "bare socket"]
    assert all(run["jobs/s"] > 0 for runs in result["runs"].values() for run in runs)
    assert result["ratios"].keys() == {"against", "uvloop", "floor", "bare socket"}
    assert result["could_not_run"] == {}
    assert "sidelong / floor" in done.stdout


def test_says_what_it_could_not_run(tmp_path):
    require_server()
    (tmp_path / "sidelong").mkdir()
    (tmp_path / "sidelong" / "__init__.py").write_text("raise RuntimeError('half a checkout')")

    done = run_benchmarks("enqueue", "--case", "enqueue_many", "--quick", "--against", str(tmp_path))

    assert done.returncode == 1
    assert "against     could not run: RuntimeError: half a checkout" in done.stdout
    assert "jobs/s" in done.stdout


def test_without_a_server_it_says_so(tmp_path):
    done = run_benchmarks("--quick", path=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == "nothing could be measured: redis-server is not on PATH\n"


PACE = {"jobs/s"}
PACE_AND_CPU = {"jobs/s", "CPU µs/job"}
DELAYS = {"p50 µs", "p95 µs", "p99 µs"}
FLOOR = ["sidelong", "floor"]
UVLOOP_AND_FLOOR = ["sidelong", "uvloop", "floor"]


@pytest.mark.parametrize(
    ("workload", "case", "contestants", "measures"),
    [
        ("drain", "1,000 slots, four strict", [*UVLOOP_AND_FLOOR, "bare socket"], PACE_AND_CPU),
        ("io", "1,000 slots", UVLOOP_AND_FLOOR, {"jobs/s", "% of ideal"}),
        ("threads", "50 slots", ["sidelong"], PACE),
        ("failing", "100 slots", FLOOR, PACE),
        ("enqueue", "one by one", UVLOOP_AND_FLOOR, PACE_AND_CPU),
        ("enqueue", "enqueue_many", UVLOOP_AND_FLOOR, PACE_AND_CPU),
        ("enqueue", "500 coroutines", ["sidelong", "uvloop"], PACE_AND_CPU),
        ("web", "50 connections", [*FLOOR, "no enqueue"], {"requests/s", "p50 ms", "p99 ms"}),
        ("latency", "last of four queues", UVLOOP_AND_FLOOR, DELAYS),
        ("latency", "50 % load", ["sidelong", "uvloop"], DELAYS),
        ("schedule", "5,000 due, a million later", ["sidelong"], {"first ms", "median ms", "last ms"}),
        ("arguments", "a datetime", ["sidelong"], {"ns at the call", "ns before the run", "jobs/s"}),
        ("job-log", "json to pipe", ["sidelong", "off"], PACE_AND_CPU),
    ],
)
def test_every_contestant_of_a_workload_gives_the_same_measures(tmp_path, workload, case, contestants, measures):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks(workload, "--case", case, "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert list(result["runs"]) == contestants
    for (run,) in result["runs"].values():
        assert run.keys() == measures
        assert all(value > 0 for value in run.values())


def test_says_what_has_no_floor(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("enqueue", "--case", "50 coroutines", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert result["declined"] == {"floor": "there is no bare way to compare with"}
    assert "floor       does not take part: there is no bare way to compare with" in done.stdout


def test_the_floor_declines_what_it_does_not_know():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.floor", "schedule", "{}"], cwd=CHECKOUT, capture_output=True, text=True
    )

    assert done.returncode == DECLINED
    assert done.stdout == "schedule has no floor\n"


def test_latency_is_measured_between_two_processes(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("latency", "--case", "one queue", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert 0 < result["medians"]["sidelong"]["p50 µs"] <= result["medians"]["sidelong"]["p99 µs"]
