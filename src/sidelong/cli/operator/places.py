"""Where jobs can be: a queue, one of the three sets, or a process that runs them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal

from sidelong.api import DeadSet, Filter, JobRecord, JobSet, Queue, RetrySet, ScheduledSet, Work, WorkSet
from sidelong.api.inflight import HeldJob, held_jobs
from sidelong.app import Sidelong
from sidelong.store import keys

Kind = Literal["queue", "scheduled", "retry", "dead", "running"]

SETS: Final[dict[str, type[JobSet]]] = {"scheduled": ScheduledSet, "retry": RetrySet, "dead": DeadSet}
_PREFIX: Final = keys.queue("")


@dataclass(frozen=True, slots=True)
class Place:
    """One of them.

    Attributes:
        kind: which.
        queue: the name of a queue, else "".
    """

    kind: Kind
    queue: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"the queue {self.queue}" if self.kind == "queue" else _NAMES[self.kind]


_NAMES: Final = {
    "scheduled": "the schedule",
    "retry": "the retry set",
    "dead": "the dead set",
    "running": "running jobs",
}
RUNNING: Final = Place("running")


@dataclass(frozen=True, slots=True)
class Found:
    """A job, and where it was found.

    Attributes:
        record: the job.
        place: where it was.
        score: its place in a set, in epoch seconds: when it is due, or when it died. Any number may stand there.
        work: what is known of a running one, if a heartbeat has told of it.
        held: what is known of one that a worker of ours has taken.
    """

    record: JobRecord
    place: Place
    score: float | None = None
    work: Work | None = None
    held: HeldJob | None = None

    @property
    def process(self) -> str | None:
        """The identity of the process that has it."""
        if self.work is not None:
            return self.work.identity
        return None if self.held is None else self.held.identity


def read_place(text: str) -> Place:
    """Return what PLACE on the command line means; `queue:dead` is the queue of that name."""
    if text.startswith(_PREFIX):
        return Place("queue", text.removeprefix(_PREFIX))
    if text in ("schedule", "scheduled"):
        return Place("scheduled")
    if text in ("retry", "dead", "running"):
        return Place(text)  # type: ignore[arg-type]
    return Place("queue", text)


async def size(app: Sidelong, place: Place) -> int:
    """Return how many jobs are there."""
    if place.kind == "queue":
        return await Queue(app, place.queue).size()
    if place.kind == "running":
        return len(await _running(app))
    return await SETS[place.kind](app).size()


async def jobs(
    app: Sidelong, place: Place, where: Filter | None = None, *, newest_first: bool = False
) -> AsyncIterator[Found]:
    """Iterate over the jobs there, in pages.

    Args:
        app: whose Redis it is.
        place: where to look.
        where: which are wanted; all if not given.
        newest_first: begin with what was pushed, or is due, last.
    """
    if place.kind == "queue":
        async for job in Queue(app, place.queue).jobs(oldest_first=not newest_first, where=where):
            yield Found(job, place)
    elif place.kind == "running":
        running = [found for found in await _running(app) if where is None or where.matches(found.record)]
        for found in reversed(running) if newest_first else running:
            yield found
    else:
        async for entry in SETS[place.kind](app).entries(earliest_first=not newest_first, where=where):
            yield Found(entry, place, score=entry.score)


async def _running(app: Sidelong) -> list[Found]:
    """Return what runs, the one that has run for longest first, and last what no heartbeat has told of yet."""
    works = [work async for work in WorkSet(app)]
    told = {(work.identity, work.record.jid) for work in works}
    held = [job async for job in held_jobs(app) if (job.identity, job.record.jid) not in told]
    return [Found(work.record, RUNNING, work=work) for work in works] + [
        Found(job.record, RUNNING, held=job) for job in held
    ]


def read_filter(
    job_class: str | None, queue: str | None, tag: str | None, error_class: str | None, text: str | None
) -> Filter | None:
    """Return the conditions that the command line gives; None if there are none."""
    if (job_class, queue, tag, error_class, text) == (None,) * 5:
        return None
    return Filter(job_class=job_class, queue=queue, tag=tag, error_class=error_class, text=text)
