"""Many runs: each fault alone, and each two that can meet, with several seeds."""

import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tests.chaos.ends import HELD, summary, worst
from tests.chaos.plans import Plan, alone, pairs
from tests.chaos.signals import put_off
from tests.support.processes import ROOT

_LOOK_EVERY = 0.1
_ENDS_WITHIN = 60.0
"""Seconds that a run has to end its workers and servers when it is stopped."""
_COMPLAINTS = 3000


def matrix_plans(*, with_pairs: bool) -> list[Plan]:
    """Return a plan for each fault, or for each two that can meet."""
    return pairs() if with_pairs else alone()


def run_matrix(plans: Sequence[Plan], *, seeds: Sequence[int], jobs: int, at_once: int, keep: Path | None) -> int:
    """Run all of them, print the last line of each, and return the exit status.

    However it is left, no run goes on.

    Args:
        plans: which.
        seeds: each plan is run with each of them.
        jobs: of each run.
        at_once: runs at the same time; they slow each other down.
        keep: where each run leaves its ledger, logs and dump, if it is to be kept.
    """
    waiting = deque(_wanted(plans, seeds, jobs, keep))
    running: list[_Run] = []
    statuses: list[int] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                with put_off():
                    running.append(_Run(*waiting.popleft()))
            time.sleep(_LOOK_EVERY)
            for run in [run for run in running if run.status is not None]:
                running.remove(run)
                statuses.append(run.end())
                print(run.told, flush=True)
    finally:
        for run in running:
            run.stop()
        for run in running:
            run.end()
            print(run.told, flush=True)
    print(f"{len(plans)} plans, seeds {', '.join(map(str, seeds))}: {summary(statuses)}", flush=True)
    return worst(statuses)


def _wanted(
    plans: Sequence[Plan], seeds: Sequence[int], jobs: int, keep: Path | None
) -> Iterator[tuple[list[str], str]]:
    for plan in plans:
        for seed in seeds:
            words = ["run", f"--plan={plan.name}", f"--seed={seed}", f"--jobs={jobs}"]
            if keep is not None:
                # Runs are started from the root of the checkout.
                words.append(f"--keep={keep.absolute()}")
            yield words, f"{plan.name} seed {seed}"


class _Run:
    """One run in a process of its own.

    Attributes:
        told: once it has ended, what it said last, or all of it if something did not hold.
    """

    def __init__(self, words: list[str], heading: str) -> None:
        self.told = ""
        self._heading = heading
        # Files, not pipes: nobody reads until it has ended.
        self._output: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
        self._complaints: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._complaints,
            # A Ctrl-C at the terminal is for the matrix, which stops its runs one signal each.
            start_new_session=True,
        )

    @property
    def status(self) -> int | None:
        """The exit status, None while it is under way."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to end its workers and servers, and to end."""
        self._process.terminate()

    def end(self) -> int:
        """Wait until it has ended and return the exit status; one that does not end is killed."""
        try:
            status = self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        output, complaints = _read(self._output), _read(self._complaints)
        lines = [line for line in output.splitlines() if line]
        if status == HELD:
            self.told = lines[-1]
        else:
            self.told = "\n".join(
                [f"--- {self._heading} ended with {status}", *lines, complaints[-_COMPLAINTS:].rstrip()]
            ).rstrip()
        return status


def _read(file: IO[str]) -> str:
    with file:
        file.seek(0)
        return file.read()
