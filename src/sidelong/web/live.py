"""The figures that move: read once per interval, however many browsers are open."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sidelong.api.stats import Figures, Stats
from sidelong.app import Sidelong


@dataclass(frozen=True, slots=True)
class Glance:
    """The figures at one moment.

    Attributes:
        at: epoch seconds.
        figures: what `Stats` found.
        processed_per_second: how fast jobs were processed since the glance before, None for the first.
        failed_per_second: how fast they failed, likewise.
    """

    at: float
    figures: Figures
    processed_per_second: float | None = None
    failed_per_second: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what goes to browsers."""
        figures = self.figures
        return {
            "at": round(self.at, 3),
            "processed": figures.processed,
            "failed": figures.failed,
            "busy": figures.workers_size,
            "enqueued": figures.enqueued,
            "scheduled": figures.scheduled_size,
            "retries": figures.retry_size,
            "dead": figures.dead_size,
            "processes": figures.processes_size,
            "latency": round(figures.default_queue_latency, 3),
            "processed_per_second": self.processed_per_second,
            "failed_per_second": self.failed_per_second,
        }


class Live:
    """Looks at the figures when somebody wants them, and never twice within an interval.

    Args:
        app: whose Redis it is.
        interval: seconds.

    Attributes:
        interval: seconds between two looks.
    """

    def __init__(self, app: Sidelong, interval: float) -> None:
        self.interval = interval
        self._app = app
        # Kept: it asks about the queues and processes that it knows in one round trip.
        self._stats = Stats(app)
        self._glance: Glance | None = None
        self._due_at = 0.0
        self._looking: asyncio.Task[Glance] | None = None
        self._changes = 0

    async def glance(self) -> Glance:
        """Return the last figures, or new ones if those are older than the interval.

        Raises:
            StoreError: Redis cannot be reached, or refuses.
        """
        if self._glance is not None and monotonic() < self._due_at:
            return self._glance
        loop = asyncio.get_running_loop()
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not loop:
            self._looking = loop.create_task(self._look(), name="sidelong-web-figures")
            self._looking.add_done_callback(_take_note)
        # Whoever goes away leaves the look to the others.
        return await asyncio.shield(self._looking)

    async def figures(self) -> Figures:
        """Return the last figures, or new ones; see `glance`."""
        return (await self.glance()).figures

    async def watch(self, seconds: float) -> AsyncIterator[Glance]:
        """Iterate over the figures as they change, for so long.

        Raises:
            StoreError: as `glance`.
        """
        ends_at = monotonic() + seconds
        while True:
            yield await self.glance()
            pause = max(0.05, self._due_at - monotonic())
            if monotonic() + pause > ends_at:
                break
            await asyncio.sleep(pause)

    def forget(self) -> None:
        """Look again at the next question: somebody has changed something."""
        self._due_at = 0.0
        # A look that is under way may have seen what was before.
        self._changes += 1
        self._looking = None

    async def _look(self) -> Glance:
        before, changes = self._glance, self._changes
        figures = await self._stats.fetch()
        at = self._app.store.clock.now()
        glance = Glance(at, figures)
        if before is not None and (passed := at - before.at) > 0:
            glance = Glance(
                at,
                figures,
                _rate(figures.processed - before.figures.processed, passed),
                _rate(figures.failed - before.figures.failed, passed),
            )
        if changes == self._changes:
            self._glance, self._due_at = glance, monotonic() + self.interval
        return glance


def _rate(count: int, seconds: float) -> float:
    # A counter that was reset went backwards.
    return round(max(0, count) / seconds, 2)


def _take_note(looking: "asyncio.Task[Glance]") -> None:
    # All who waited may have gone; then nobody else looks at the error.
    if not looking.cancelled():
        looking.exception()
