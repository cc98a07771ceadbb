"""The checker of the chaos program finds workers that are broken on purpose, and has nothing against whole ones."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.broken import BREAKAGES
from tests.support.processes import ROOT
from tests.support.server_required import require_server

WITHIN = 110
SEED = 1


@dataclass(frozen=True)
class Caught:
    """How a breakage shows: in which plan, which invariant it violates, and what the checker says of it."""

    plan: str
    invariant: str
    complaint: str


CAUGHT = {
    "redis-py-retries": Caught("lost-replies", "I3", "unexplained duplicate"),
    "settles-in-multi": Caught("wrong-sets", "I1", "is lost"),
    "removes-before-inserting": Caught("wrong-sets", "I1", "is lost"),
    "no-audit": Caught("lost-replies", "I0", "did not come to rest"),
    "blocks-for-ever": Caught("forgotten", "I0", "left in 'sidelong:inflight"),
    "recovers-at-first-sight": Caught("no-leases", "I7", "declared .* dead .* was serving as"),
    "blames-everyone": Caught("poison-in-one", "poison", "an innocent was buried"),
    "repeats-batches": Caught("lost-replies", "I4", "was answered 'not yours'"),
    "hands-back-what-was-called-off": Caught("called-off", "cancel", "was called off .* and began in"),
    "ignores-pauses": Caught("paused", "pause", "began in .* its queue was paused"),
    "forgets-steps": Caught("few-steps", "steps", "step .* had ended in .*, and was begun again in"),
}


def run(directory: Path, plan: str, *words: str) -> tuple[int, list[str]]:
    """Return the exit status of a run and its lines: what it printed, and every violation."""
    require_server()
    command = [sys.executable, "-m", "tests.chaos", "run", f"--plan={plan}", f"--seed={SEED}", f"--keep={directory}"]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.stderr == ""
    # Only the first violations are printed, and one fault may show in many.
    violations = json.loads((directory / f"{plan}-{SEED}" / "verdict.json").read_text())["violations"]
    return done.returncode, [f"{each['invariant']}: {each['text']}" for each in violations] + done.stdout.splitlines()


# They wait most of the time: these run beside each other, the longest of them first.
TOGETHER = [
    ("ignores-pauses", "blames-everyone", "recovers-at-first-sight", "repeats-batches"),
    ("no-audit", "settles-in-multi", "redis-py-retries", "forgets-steps"),
    ("blocks-for-ever", "hands-back-what-was-called-off", "removes-before-inserting"),
]


@pytest.mark.slow
@pytest.mark.redis_server
@pytest.mark.parametrize("breakages", TOGETHER, ids=" ".join)
def test_a_broken_worker_is_found(breakages: Sequence[str], tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        runs = {
            breakage: threads.submit(run, tmp_path / breakage, CAUGHT[breakage].plan, f"--broken={breakage}")
            for breakage in breakages
        }

    for breakage, done in runs.items():
        status, lines = done.result()
        caught, story = CAUGHT[breakage], "\n".join([breakage, *lines])
        assert status == 1, story
        assert any(re.match(f"{caught.invariant}: .*{caught.complaint}", line) for line in lines), story
        assert "FAIL" in lines[-1], story


def test_every_breakage_has_a_plan_that_shows_it() -> None:
    assert CAUGHT.keys() == BREAKAGES.keys() == {name for names in TOGETHER for name in names}


@pytest.mark.slow
@pytest.mark.redis_server
def test_whole_workers_pass_a_small_plan(tmp_path: Path) -> None:
    status, lines = run(tmp_path, "lost-replies", "--jobs=200")

    assert (status, lines[-1].endswith("PASS")) == (0, True), "\n".join(lines)
