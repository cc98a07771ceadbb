"""The two long runs, made short: each ends well, and leaves what it has seen.

`python -m tests.chaos soak` takes half an hour, `python -m tests.chaos memory` a few minutes.
"""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.server_required import require_server


def run_chaos(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *words], cwd=ROOT, capture_output=True, text=True, timeout=100
    )


@pytest.mark.slow
def test_a_short_soak_ends_well_and_leaves_samples_figures_and_a_plot(tmp_path: Path) -> None:
    require_server()

    done = run_chaos("soak", "--minutes", "0.2", "--load", "0.5", "--seed", "1", "--out", str(tmp_path / "soak"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("| PASS")
    report = json.loads((tmp_path / "soak/figures.json").read_text())
    rows = list(csv.DictReader((tmp_path / "soak/samples.csv").read_text().splitlines()))
    assert report["violations"] == []
    assert report["figures"]["processed"] > report["figures"]["jobs"] > 1000
    assert report["figures"]["failed"] > 100
    assert int(rows[-1]["redis processed"]) == report["figures"]["processed"]
    plots = [path.stat().st_size < 200_000 for path in (tmp_path / "soak").glob("*.svg")]
    assert plots == [True] * (find_spec("matplotlib") is not None)


@pytest.mark.slow
def test_a_worker_keeps_its_memory_through_thousands_of_failing_jobs(tmp_path: Path) -> None:
    require_server()

    done = run_chaos("memory", "--jobs", "30000", "--seed", "1", "--out", str(tmp_path / "memory"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("| PASS")
    report = json.loads((tmp_path / "memory/figures.json").read_text())
    assert (report["figures"]["processed"], report["violations"]) == (30_000, [])
    assert 2_500 < report["figures"]["failed"] < 3_500
    assert (tmp_path / "memory/samples.csv").exists()
