"""What is done to one job, whatever list it stands in."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from sidelong.api.masking import mask_arguments
from sidelong.api.records import JobRecord
from sidelong.errors import NotEnqueued
from sidelong.web.visit import Visit

Doing = Callable[[], Awaitable[bool]]
"""Does something to a job, and tells whether it was still there."""


class Done(StrEnum):
    """What became of one job."""

    DONE = "done"
    GONE = "gone"
    """Somebody was faster."""
    STOPPED = "stopped"
    """A client middleware did not let it pass; it stays."""
    UNFOUND = "unfound"
    """There was no time to look everywhere: it may be gone, or not."""


async def do_to_one(visit: Visit, action: str, target: str, doing: Doing | Done) -> Done:
    """Do something to a job, and write a line of the audit log.

    Args:
        visit: the request of somebody who may do this.
        action: what is done.
        target: which job it is done to.
        doing: does it; or why the job was not found.

    Raises:
        Exception: what `doing` raised.
    """
    try:
        done = doing if isinstance(doing, Done) else Done.DONE if await doing() else Done.GONE
    except NotEnqueued:
        done = Done.STOPPED
    except Exception as error:
        visit.record(action, target, f"failed: {type(error).__name__}: {error}")
        raise
    visit.record(action, target, done)
    return done


def restored(job: JobRecord, changes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the changes of a job with what the marks in its arguments stand for.

    Raises:
        ValueError: a mark stands for nothing.
    """
    if changes is None or "args" not in changes:
        return changes
    return {**changes, "args": mask_arguments(job.item or {}).restored(changes["args"])}
