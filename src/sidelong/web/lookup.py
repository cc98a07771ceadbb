"""Find a job by its id, wherever it is, in bounded time: Redis knows no job by its id."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Final

from sidelong.api.entries import Entry
from sidelong.api.queues import Queue, QueuedJob
from sidelong.api.work import Work, WorkSet
from sidelong.app import Sidelong
from sidelong.errors import Refused
from sidelong.web.sections import SECTIONS, Section

PAGES: Final = (*(section.name for section in SECTIONS), "queues", "busy")
"""The pages that show jobs."""

_WITHIN: Final = 1.2
"""Seconds."""


@dataclass(slots=True)
class Sighting:
    """Where a job was seen.

    Attributes:
        running: what its process tells of it.
        queued: what is in queues.
        entries: what is in the schedule, the retries and the dead jobs.
        is_complete: False if time was up, or something could not be read, before all places were looked at.
    """

    running: Work | None = None
    queued: list[QueuedJob] = field(default_factory=list)
    entries: list[tuple[Section, Entry]] = field(default_factory=list)
    is_complete: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether it was seen nowhere."""
        return self.running is None and not self.queued and not self.entries


async def look_up(app: Sidelong, jid: str, pages: Collection[str] = PAGES, within: float = _WITHIN) -> Sighting:
    """Look for a job: in the direction in which jobs move, so that none is overtaken, and last among the dead.

    Redis: as `JobSet.find_job` of the three sets, `Queue.find_job` of all queues and `WorkSet.find_work`.

    Args:
        app: whose Redis it is in.
        jid: its id.
        pages: where to look, as the pages are called.
        within: seconds after which what was seen so far is returned.

    Raises:
        StoreError: Redis cannot be reached, or does not tell which queues there are.
    """
    sighting = Sighting()
    try:
        async with asyncio.timeout(within):
            async for is_read in _look(app, jid, pages, sighting):
                sighting.is_complete = sighting.is_complete and is_read
    except TimeoutError:
        sighting.is_complete = False
    return sighting


async def _look(app: Sidelong, jid: str, pages: Collection[str], sighting: Sighting) -> AsyncIterator[bool]:
    timed = [section for section in SECTIONS if section.name in pages]
    for section in timed:
        if section.is_timetable:
            yield await _look_in_set(app, section, jid, sighting)
    if "queues" in pages:
        for queue in await Queue.all(app):
            yield await _look_in_queue(queue, jid, sighting)
    if "busy" in pages:
        sighting.running = await WorkSet(app).find_work(jid)
    for section in timed:
        if not section.is_timetable:
            yield await _look_in_set(app, section, jid, sighting)


async def _look_in_set(app: Sidelong, section: Section, jid: str, sighting: Sighting) -> bool:
    try:
        entry = await section.jobs(app).find_job(jid)
    except Refused:
        return False
    if entry is not None:
        sighting.entries.append((section, entry))
    return True


async def _look_in_queue(queue: Queue, jid: str, sighting: Sighting) -> bool:
    try:
        job = await queue.find_job(jid)
    except Refused:
        return False
    if job is not None:
        sighting.queued.append(job)
    return True
