import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.peers import RUBY
from benchmarks.workload import DECLINED

from tests.support.server_required import require_server

CHECKOUT = Path(__file__).parents[2]
# Three times what the longest takes where the machine has much else to do.
ENDS_WITHIN = 110


def run_benchmarks(*words, path=None):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=CHECKOUT,
        env=None if path is None else {"PATH": path},
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
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
    assert list(result["runs"]) == [
        "sidelong",
        "against",
        "uvloop",
        "floor",
        "floor on uvloop",
        "bare socket",
    ]
    assert all(run["jobs/s"] > 0 for runs in result["runs"].values() for run in runs)
    assert result["ratios"].keys() == set(result["runs"]) - {"sidelong"}
    assert result["could_not_run"] == {}
    assert "Sidelong / floor" in done.stdout
    assert "Sidelong on uvloop / floor on uvloop" in done.stdout
    assert done.stdout.startswith("load average before: ")
    assert json.loads(figures.read_text())["machine"]["load"] >= 0


def test_says_what_it_could_not_run(tmp_path):
    require_server()
    (tmp_path / "sidelong").mkdir()
    (tmp_path / "sidelong" / "__init__.py").write_text("raise RuntimeError('half a checkout')")

    done = run_benchmarks("enqueue", "--case", "enqueue_many", "--quick", "--against", str(tmp_path))

    assert done.returncode == 1
    assert re.search("against +could not run: RuntimeError: half a checkout", done.stdout)
    assert "jobs/s" in done.stdout


def test_without_a_server_it_says_so(tmp_path):
    done = run_benchmarks("--quick", path=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == "nothing could be measured: redis-server is not on PATH\n"


PACE = {"jobs/s"}
PACE_AND_CPU = {"jobs/s", "CPU µs/job"}
DELAYS = {"p50 µs", "p95 µs", "p99 µs"}
LATENESS = {"first ms", "median ms", "last ms"}
FLOOR = ["sidelong", "floor"]
FLOORS = ["sidelong", "uvloop", "floor", "floor on uvloop"]
BY_HAND = ["sidelong", "uvloop", "redis-py"]


@pytest.mark.parametrize(
    ("workload", "case", "contestants", "measures"),
    [
        ("drain", "1,000 slots, four strict", [*FLOORS, "bare socket"], PACE_AND_CPU),
        ("io", "1,000 slots", FLOORS, {"jobs/s", "% of ideal"}),
        ("threads", "50 slots", FLOOR, PACE),
        ("failing", "100 slots", FLOOR, PACE),
        ("enqueue", "one by one", BY_HAND, PACE_AND_CPU),
        ("enqueue", "enqueue_many", FLOORS, PACE_AND_CPU),
        ("enqueue", "500 coroutines", BY_HAND, PACE_AND_CPU),
        ("enqueue", "sync, 10 threads", BY_HAND, PACE_AND_CPU),
        ("web", "50 connections", ["sidelong", "redis-py", "no enqueue"], {"requests/s", "p50 ms", "p99 ms"}),
        ("latency", "last of four queues", [*FLOORS, "redis-py"], DELAYS),
        ("latency", "50 % load", ["sidelong", "uvloop"], DELAYS),
        ("schedule", "5,000 due, a million later", ["sidelong"], LATENESS),
        ("arguments", "a datetime", ["sidelong"], {"ns at the call", "ns before the run", "jobs/s"}),
        ("job-log", "json to pipe", ["sidelong", "off"], PACE_AND_CPU),
        (
            "workers",
            "10 ms of waiting, 2 workers",
            ["sidelong"],
            {"jobs/s", "Redis % of a core", "workers % of a core each"},
        ),
        ("size", "1 million", ["sidelong"], {"µs/job", "CPU µs/job", "Redis CPU µs/job"}),
        ("idle", "10 queues", ["sidelong"], {"commands/s", "CPU %"}),
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


def test_the_memory_of_a_worker_is_told_on_its_way(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("memory", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    (run,) = result["runs"]["sidelong"]
    # What has grown may also have shrunk.
    growth, total = run.pop("% growth"), run["MB after 100 %"]
    assert run.keys() == {"MB before", "MB after 10 %", "MB after 50 %", "MB after 100 %", "times that before"}
    assert all(value > 0 for value in run.values())
    assert growth == pytest.approx((total / run["MB after 10 %"] - 1) * 100)
    assert run["times that before"] == pytest.approx(total / run["MB before"])


def test_the_pages_are_measured_one_by_one(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("web-ui", "--case", "1 million", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    (run,) = result["runs"]["sidelong"]
    # What has grown may also have shrunk.
    growth, pages = (
        run.pop("% growth"),
        [run[f"{name} ms"] for name in ("dashboard", "queues", "retries", "dead", "job")],
    )
    assert growth == pytest.approx((run["MB after 100 %"] / run["MB after 10 %"] - 1) * 100)
    assert all(value > 0 for value in run.values())
    assert max(pages) <= run["slowest page ms"]
    assert run["commands at most"] > 200


def test_what_is_stored_of_a_job_is_measured_beside_rubys_sidekiq_where_it_is_installed(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("stored", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert {*result["runs"], *result["declined"]} == {"sidelong", RUBY.name}
    assert all(run["bytes/job"] > 100 for runs in result["runs"].values() for run in runs)


def test_a_case_is_compared_with_the_one_it_refers_to(tmp_path):
    require_server()

    done = run_benchmarks("arguments", "--quick")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"[0-9.]+ of no annotations$", done.stdout, re.MULTILINE)) == 3


def test_says_who_does_not_take_part(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("enqueue", "--case", "50 coroutines", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    reason = "what is stored one by one is compared with redis-py"
    assert result["declined"] == {"floor": reason, "floor on uvloop": reason}
    assert re.search(f"floor +does not take part: {reason}", done.stdout)


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
