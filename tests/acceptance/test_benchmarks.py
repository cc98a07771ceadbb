import json
import shutil
import subprocess
import sys
from pathlib import Path

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
    assert list(result["runs"]) == ["sidelong", "against", "floor"]
    assert all(run["jobs/s"] > 0 for runs in result["runs"].values() for run in runs)
    assert result["ratios"].keys() == {"against", "floor"}
    assert result["could_not_run"] == {}
    assert "sidelong / floor" in done.stdout


def test_says_what_it_could_not_run(tmp_path):
    require_server()
    (tmp_path / "sidelong").mkdir()
    (tmp_path / "sidelong" / "__init__.py").write_text("raise RuntimeError('half a checkout')")

    done = run_benchmarks("enqueue", "--case", "enqueue_many", "--quick", "--against", str(tmp_path))

    assert done.returncode == 1
    assert "against   could not run: RuntimeError: half a checkout" in done.stdout
    assert "jobs/s" in done.stdout


def test_without_a_server_it_says_so(tmp_path):
    done = run_benchmarks("--quick", path=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == "nothing could be measured: redis-server is not on PATH\n"


def test_latency_is_measured_between_two_processes(tmp_path):
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("latency", "--case", "one queue", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    assert 0 < result["medians"]["sidelong"]["p50 µs"] <= result["medians"]["sidelong"]["p99 µs"]
