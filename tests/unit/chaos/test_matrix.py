import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.matrix import run_matrix
from tests.chaos.plans import Plan
from tests.chaos.signals import ending_in_order
from tests.support.eventually import eventually_sync

PLANS = [Plan(name="good"), Plan(name="bad"), Plan(name="broken")]
RUNS = """#!/bin/sh
echo "$@" >> {told}
case "$*" in
  *--plan=good*) echo first; echo good held;;
  *--plan=bad*) echo I1: something is lost; exit 1;;
  *--plan=broken*) echo it came to no end >&2; exit 3;;
  *--plan=endless*)
    trap 'echo ended in order >&2; exit 143' TERM
    echo ready >> {told}
    while :; do sleep 0.05; done;;
esac
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the words that each run was started with; plans do what their names say."""
    file, program = tmp_path / "told", tmp_path / "program"
    program.write_text(RUNS.format(told=file))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return file


def test_every_plan_is_run_with_every_seed(told: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = run_matrix(PLANS[:1], seeds=range(3, 5), jobs=70, at_once=2, keep=tmp_path / "kept")

    assert status == 0
    assert sorted(told.read_text().splitlines()) == [
        f"-m tests.chaos run --plan=good --seed={seed} --jobs=70 --keep={tmp_path / 'kept'}" for seed in (3, 4)
    ]
    assert capsys.readouterr().out.splitlines() == [
        "good held",
        "good held",
        "1 plans, seeds 3, 4: 2 runs: 2 held, 0 did not",
    ]


def test_all_is_told_of_a_run_that_did_not_hold(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run_matrix(PLANS, seeds=[1], jobs=70, at_once=1, keep=None)

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "good held",
        "--- bad seed 1 ended with 1",
        "I1: something is lost",
        "--- broken seed 1 ended with 3",
        "it came to no end",
        "3 plans, seeds 1: 3 runs: 1 held, 1 did not, 1 came to no end",
    ]


def test_a_signal_ends_the_runs_that_are_under_way_and_starts_no_more(
    told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_once_ready() -> None:
        eventually_sync(lambda: told.exists() and told.read_text().count("ready") == 2, 20)
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop_once_ready)
    stopping.start()

    with pytest.raises(SystemExit) as caught, ending_in_order():
        run_matrix([Plan(name="endless")], seeds=range(5), jobs=70, at_once=2, keep=None)

    stopping.join()
    assert caught.value.code == 128 + signal.SIGTERM
    assert told.read_text().count("--plan=endless") == 2
    assert capsys.readouterr().out.count("ended in order") == 2


def test_a_signal_that_comes_while_a_run_is_started_ends_that_one_too(
    told: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            eventually_sync(lambda: told.exists() and "ready" in told.read_text(), 20)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)

    with pytest.raises(SystemExit), ending_in_order():
        run_matrix([Plan(name="endless")], seeds=range(5), jobs=70, at_once=2, keep=None)

    assert told.read_text().count("--plan=endless") == 1
    assert capsys.readouterr().out.count("ended in order") == 1
