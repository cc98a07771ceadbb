"""The application of the long runs: the jobs of `tests.chaos.jobs`, which tell the ledger nothing, and three more.

A run of half an hour has a million jobs: their ledger would be most of the work.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sidelong import Sidelong
from tests.chaos import jobs as told
from tests.chaos.mix import Course, Kind, Mix
from tests.chaos.samples import tell
from tests.support import jobs
from tests.support.ledger import READY, Ledger

_HEAVY = 100_000
_app: Sidelong | None = None


class QuietLedger(Ledger):
    """Notes that a worker is ready, and nothing of its jobs."""

    def write(self, name: str, jid: str = "", extra: str = "") -> None:
        """Append one event, if it is that one."""
        if name == READY:
            super().write(name, jid, extra)


def build(url: str, directory: str, **settings: Any) -> Sidelong:
    """Return the application; a worker tells at each beat how many tasks and threads it has.

    Args:
        url: where Redis is.
        directory: where that is told.
        settings: as `Sidelong` takes them.
    """
    # Jobs are plain functions, and one process has one application.
    global _app
    _app = jobs.build_app(url, QuietLedger(directory), JOBS, job_logging=False, **settings)

    @_app.on("beat")
    async def tell_use() -> None:
        tell(Path(directory), but="sidelong-job-")

    return _app


async def spawn() -> None:
    """Enqueue another job."""
    assert _app is not None
    await jobs.job(_app, jobs.quick).enqueue()


async def nothing() -> None:
    """Does nothing."""


async def fail_and_die() -> None:
    """Fails for good with much in its frames, and is buried."""
    await _fail("x" * _HEAVY)


async def fail_and_go() -> None:
    """Fails for good with much in its frames, and is dropped."""
    await _fail("y" * _HEAVY)


async def _fail(held: str) -> None:
    await asyncio.sleep(0)
    try:
        _ = held[len(held)]
    except IndexError as error:
        raise RuntimeError("fails with much in its frames") from error


MEMORY = Mix(
    (
        Kind("nothing", 90),
        Kind("fail_and_die", 5, course=lambda args: Course("dead", fails=1)),
        Kind("fail_and_go", 5, course=lambda args: Course("gone", fails=1)),
    )
)
"""Jobs that end at once, one in ten by an exception whose frames hold 100 kB."""

RETRY: Mapping[str, int | bool] = {"nothing": True, "fail_and_die": 0, "fail_and_go": False}
"""What the payloads of these jobs say of retries."""

JOBS: Mapping[Callable[..., Any], Mapping[str, Any]] = {
    **{function: options for function, options in told.JOBS.items() if function is not told.spawn},
    **{function: {} for function in (spawn, nothing, fail_and_die, fail_and_go)},
}
"""Every job with its options."""
