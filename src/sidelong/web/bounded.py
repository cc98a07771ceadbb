"""Actions on many jobs: in steps, for a few seconds at most, after which the page offers to go on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

_WITHIN: Final = 5.0
"""Seconds for all that one click does."""
STEP_WITHIN: Final = 1.8
"""Seconds without any progress after which Redis does not serve us."""


@dataclass(slots=True)
class Counts:
    """What became of the jobs of one click.

    Attributes:
        done: it was done to them.
        gone: somebody was faster.
        stopped: a client middleware did not let them pass.
        failed: they cannot be moved.
    """

    done: int = 0
    gone: int = 0
    stopped: int = 0
    failed: int = 0

    def add(self, is_done: bool) -> None:
        """Count a job that was moved, or was gone."""
        self.done += is_done
        self.gone += not is_done

    def said(self, action: str) -> str:
        """Return the message for the page after it, as `pages.said` reads it."""
        if not self.done and self.gone and not self.stopped and not self.failed:
            return "gone"
        return f"{action}.{self.done}.{self.gone}.{self.stopped}.{self.failed}"

    @property
    def summary(self) -> str:
        """What the audit log says."""
        return f"{self.done} done, {self.gone} gone, {self.stopped} stopped, {self.failed} failed"


async def in_steps(
    act: Callable[[Callable[[int, int], None], float], Awaitable[T]], *, step_within: float = STEP_WITHIN
) -> T:
    """Let an action run that goes in steps and tells of its progress after each of them.

    Args:
        act: is given the function to call after each step, and the seconds after which it should begin no other.
        step_within: seconds that a step may take.

    Raises:
        TimeoutError: a step took too long; what was done before is done.
        StoreError: as the action.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(step_within) as limit:

        def progress(_done: int, _total: int) -> None:
            limit.reschedule(loop.time() + step_within)

        return await act(progress, _WITHIN)
