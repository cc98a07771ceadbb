import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USAGE = Path(__file__).with_name("usage.py")


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_reports_the_wrong_uses_and_no_others(checker, tmp_path):
    lines = USAGE.read_text().splitlines()
    expected = {number for number, line in enumerate(lines, start=1) if line.endswith("# error")}

    reported = mypy_errors(tmp_path) if checker == "mypy" else pyright_errors()

    assert sorted(reported) == sorted(expected)


def mypy_errors(tmp_path):
    command = ["mypy", "--strict", "--no-error-summary", "--config-file", "", "--follow-imports", "silent"]
    command += ["--cache-dir", str(tmp_path), "--disable-error-code", "empty-body", str(USAGE)]
    result = run(command)
    assert result.stderr == ""
    return {int(line) for line in re.findall(r"usage\.py:(\d+): error", result.stdout)}


def pyright_errors():
    result = run(["pyright", "--pythonpath", sys.executable, "--outputjson", str(USAGE)])
    diagnostics = json.loads(result.stdout)["generalDiagnostics"]
    return {entry["range"]["start"]["line"] + 1 for entry in diagnostics if entry["severity"] == "error"}


def run(command):
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=False,
    )
