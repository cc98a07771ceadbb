"""Many runs: each fault alone, and each two that can meet, with several seeds."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.chaos.plans import Plan, alone, pairs
from tests.support.processes import ROOT


def matrix_plans(*, with_pairs: bool) -> list[Plan]:
    """Return a plan for each fault, or for each two that can meet."""
    return pairs() if with_pairs else alone()


def run_matrix(plans: Sequence[Plan], *, seeds: Sequence[int], jobs: int, at_once: int, keep: Path | None) -> int:
    """Run all of them, print the last line of each, and return how many did not hold.

    Args:
        plans: which.
        seeds: each plan is run with each of them.
        jobs: of each run.
        at_once: runs at the same time; they slow each other down.
        keep: where each run leaves its ledger, logs and dump, if it is to be kept.
    """
    bad = 0
    with ThreadPoolExecutor(at_once) as threads:
        runs = [threads.submit(_run, *words) for words in _runs(plans, seeds, jobs, keep)]
        for run in as_completed(runs):
            status, last = run.result()
            bad += status != 0
            print(last, flush=True)
    held = len(plans) * len(seeds) - bad
    print(f"{len(plans)} plans, seeds {', '.join(map(str, seeds))}: {held} runs held, {bad} did not")
    return bad


def _runs(plans: Sequence[Plan], seeds: Sequence[int], jobs: int, keep: Path | None) -> Iterator[tuple[list[str], str]]:
    for plan in plans:
        for seed in seeds:
            words = ["run", f"--plan={plan.name}", f"--seed={seed}", f"--jobs={jobs}"]
            if keep is not None:
                words.append(f"--keep={keep}")
            yield words, f"{plan.name} seed {seed}"


def _run(words: list[str], heading: str) -> tuple[int, str]:
    """Run one plan and return its exit status and what it said last, or all of it if something did not hold."""
    done = subprocess.run([sys.executable, "-m", "tests.chaos", *words], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line]
    if done.returncode == 0:
        return 0, lines[-1]
    return done.returncode, "\n".join([f"--- {heading} ended with {done.returncode}", *lines, done.stderr[-3000:]])
