"""The application of a run: the jobs of `tests.support.jobs`, with short waits between attempts, and some more."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from sidelong import Sidelong
from tests.chaos import step_jobs
from tests.chaos.mix import Course, Planned
from tests.chaos.pushes import push_until_known
from tests.support import jobs
from tests.support.ledger import Ledger

RETRIES = 2
"""How often a job that always fails is tried again."""
_app: Sidelong | None = None
_ledger: Ledger | None = None


def build(url: str, ledger: str, **settings: Any) -> Sidelong:
    """Return the application; its jobs write to the ledger in the directory `ledger`."""
    # Jobs are plain functions, and one process has one application.
    global _app, _ledger
    _ledger = Ledger(ledger)
    _app = jobs.build_app(url, _ledger, JOBS, job_logging=False, dead_max_jobs=1_000_000, **settings)
    return _app


def burn(seconds: float) -> None:
    """Keep a thread busy."""
    with jobs.recorded():
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            random.random()
        jobs.midway()


async def carry(load: str) -> None:
    """Do little with a large argument."""
    with jobs.recorded():
        await asyncio.sleep(0.001)
        jobs.midway()


async def spawn() -> None:
    """Enqueue another job; a second run of this one has a child of its own."""
    with jobs.recorded():
        assert _app is not None
        assert _ledger is not None
        await push_until_known(_app, _ledger, Planned("quick", (), Course()))
        jobs.midway()


def _soon(count: int, exception: BaseException, payload: dict[str, Any]) -> float:
    return random.uniform(0.1, 0.4)


_OPTIONS: Mapping[Callable[..., Any], Mapping[str, Any]] = {
    jobs.always_fail: {"retry": RETRIES},
    jobs.raise_system_exit: {"retry": RETRIES},
}

JOBS: Mapping[Callable[..., Any], Mapping[str, Any]] = {
    function: {"retry_in": _soon, **_OPTIONS.get(function, {})}
    for function in (*jobs.JOBS, *step_jobs.JOBS, burn, carry, spawn)
}
"""Every job with its options."""
