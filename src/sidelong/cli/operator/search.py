"""Find jobs by their ids, wherever they are."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from sidelong.api import Queue, Work, WorkSet
from sidelong.api.inflight import HeldJob, held_jobs
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import tell
from sidelong.cli.operator.places import RUNNING, SETS, Found, Place, jobs, size
from sidelong.cli.operator.progress import Progress, progress_bar
from sidelong.core.display import shown
from sidelong.errors import Refused

_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Finds:
    """What a search has found.

    Attributes:
        jobs: by id, those that have it: usually one, several where somebody has stored it again.
        is_whole: whether all places could be read; if not, a job may be where nobody could look.
    """

    jobs: dict[str, list[Found]]
    is_whole: bool

    def tell_absent(self, jid: str) -> ExitStatus:
        """Say that there is no job of this id, and return the exit status."""
        why = "it is done, was deleted, or never was" if self.is_whole else "it may be where nobody can look"
        tell(f"there is no job {shown(jid)!r}: {why}")
        return ExitStatus.FAILED


async def find_each(app: Sidelong, jids: Sequence[str], places: tuple[Place, ...] = ()) -> Finds:
    """Return the jobs with each of these ids, all of which are looked for at once.

    A job that moves while it is looked for may be missed: for those that are not found, all places are looked at once
    more.

    Args:
        app: whose Redis it is in.
        jids: the ids.
        places: where to look; everywhere if not given.
    """
    found: dict[str, list[Found]] = {jid: [] for jid in jids}
    unread: dict[Place, Refused] = {}
    with progress_bar("Searching") as progress:
        for _ in range(_ROUNDS):
            # Jobs without an id are not to be found by it.
            missing = {jid for jid in jids if jid and not found[jid]}
            if missing:
                for each in await _Search(app, missing, progress, unread).look(places):
                    found[each.record.jid].append(each)
    for place, error in unread.items():
        tell(f"{shown(place.name)} cannot be read: {shown(str(error))}")
    return Finds(found, not unread)


class _Search:
    """One look at all places; those that cannot be read are noted, and left out."""

    def __init__(self, app: Sidelong, jids: Set[str], progress: Progress, unread: dict[Place, Refused]) -> None:
        self._app = app
        self._jids = jids
        self._progress = progress
        self._unread = unread

    async def look(self, places: tuple[Place, ...]) -> list[Found]:
        chosen = places or await self._everywhere()
        sizes = {place: await self._size(place) for place in chosen}
        total = sum(sizes.values())
        looked_at, found = 0, list[Found]()
        # In the direction in which jobs move, so that none is overtaken.
        for place in chosen:
            self._progress(looked_at, total)
            found += await self._look_at(place, sizes[place])
            looked_at += sizes[place]
        return found

    async def _everywhere(self) -> tuple[Place, ...]:
        queues = [Place("queue", queue.name) for queue in await Queue.all(self._app)]
        return (*[Place(kind) for kind in ("scheduled", "retry")], *queues, RUNNING, Place("dead"))

    async def _size(self, place: Place) -> int:
        try:
            return await size(self._app, place)
        except Refused as error:
            self._unread[place] = error
            return 0

    async def _look_at(self, place: Place, count: int) -> list[Found]:
        if not count and place != RUNNING:
            return []
        try:
            if place == RUNNING:
                return await self._running()
            if len(self._jids) > 1:
                return await self._one_of_each(place)
            (jid,) = self._jids
            if place.kind == "queue":
                job = await Queue(self._app, place.queue).find_job(jid)
                return [] if job is None else [Found(job, place)]
            entry = await SETS[place.kind](self._app).find_job(jid)
            return [] if entry is None else [Found(entry, place, score=entry.score)]
        except Refused as error:
            self._unread[place] = error
            return []

    async def _one_of_each(self, place: Place) -> list[Found]:
        found: dict[str, Found] = {}
        async for each in jobs(self._app, place):
            if each.record.jid in self._jids:
                found.setdefault(each.record.jid, each)
                if len(found) == len(self._jids):
                    break
        return list(found.values())

    async def _running(self) -> list[Found]:
        works: dict[str, Work] = {}
        async for work in WorkSet(self._app):
            works.setdefault(work.record.jid, work)
        held: dict[str, HeldJob] = {}
        async for job in held_jobs(self._app):
            held.setdefault(job.record.jid, job)
        found = []
        for jid in self._jids:
            told, taken = works.get(jid), held.get(jid)
            if told is not None or taken is not None:
                record = told.record if told is not None else taken.record  # type: ignore[union-attr]
                found.append(Found(record, RUNNING, work=told, held=taken))
        return found
