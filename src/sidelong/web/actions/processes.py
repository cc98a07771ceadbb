"""Tell worker processes to be quiet, to stop, or to log what they do; and call off what they run."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

from sidelong.api.processes import Process, ProcessSet
from sidelong.errors import NotSteerableError
from sidelong.web.visit import Visit

ALL: Final = "*"
"""What `authorize` and the audit log call all processes."""
RUNNING: Final = "busy"
"""What `authorize` calls the running jobs."""

SIGNALS: Final[dict[str, Callable[[Process], Awaitable[None]]]] = {
    "quiet": Process.quiet,
    "stop": Process.stop,
    "dump": Process.dump_stacks,
}
"""By action, what tells a process of it."""


class Told(StrEnum):
    """What became of a signal."""

    TOLD = "told"
    """It waits for the process, which takes it with its next heartbeat at the latest."""
    GONE = "gone"
    """There is no such process."""
    EMBEDDED = "embedded"
    """The process is embedded in another program, which alone may steer it."""


async def tell(visit: Visit, identity: str, action: str) -> Told:
    """Do one of `SIGNALS` to a process.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError: Redis cannot be reached, or refuses.
    """
    await visit.require(action, identity)
    process = await ProcessSet(visit.site.app).get(identity)
    told = Told.GONE if process is None else await _told(process, action)
    visit.record(action, identity, told)
    return told


async def tell_all(visit: Visit, action: str) -> int:
    """Do one of `SIGNALS` to all processes that take signals, and return how many those are.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError: Redis cannot be reached, or refuses.
    """
    await visit.require(action, ALL)
    told = [await _told(process, action) async for process in ProcessSet(visit.site.app)]
    count = told.count(Told.TOLD)
    visit.record(action, ALL, f"{count} told")
    return count


async def cancel(visit: Visit, jid: str) -> tuple[str, str]:
    """Call a job off, wherever it is.

    Returns:
        What became of it, a `CancelOutcome`, and where it was found.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError: Redis cannot be reached, or refuses.
    """
    await visit.require("cancel", RUNNING)
    result = await visit.site.app.cancel(jid)
    visit.record("cancel", jid, result.outcome)
    return result.outcome.value, result.where


async def _told(process: Process, action: str) -> Told:
    try:
        await SIGNALS[action](process)
    except NotSteerableError:
        return Told.EMBEDDED
    return Told.TOLD
