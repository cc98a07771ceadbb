"""Why a job does not run, or does not end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sidelong.api.history import crashes_of
from sidelong.api.processes import Process, ProcessSet
from sidelong.api.queues import Queue
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core.spans import span
from sidelong.errors import Refused

REASONS: Final = {
    "dead": "dead jobs run no more by themselves: `sidelong retry` enqueues it again",
    "owner_died": "its process has died: another one puts it back into its queue within a minute",
    "owner_unlisted": "its process is not listed any more: it has ended, or cannot reach Redis",
    "owner_silent": "its process has sent no heartbeat for {silent}: it is frozen, or cannot reach Redis",
    "just_taken": "it was taken a moment ago, and no heartbeat has told of it yet",
    "not_due": "its time has not come",
    "just_due": "its time has just come: a worker is about to enqueue it",
    "late_without_workers": "its time came {late} ago, and no worker process is there to enqueue it",
    "late": "its time came {late} ago, and no worker has enqueued it: their logs say why",
    "invalid": "it is no job that could run: {fault}",
    "no_queue": "it names no queue",
    "paused": "the queue {queue} is paused: `sidelong unpause` ends that",
    "pauses_unreadable": "whether the queue {queue} is paused cannot be read, so that workers serve it: {error}",
    "not_served": "no living worker serves the queue {queue}",
    "all_quiet": "all workers that serve the queue {queue} are quiet, and fetch no more jobs",
    "all_busy": "all {slots} slots of the workers that serve the queue {queue} are busy",
    "unknown_to_target": "{target} has no job called {job_class}: it would fail as unknown",
    "unknown_to_workers": "no worker that serves its queue has a job called {job_class}: it would fail as unknown",
    "suspect": "its workers died {crashes} times: it starts only where it is alone",
}
"""All reasons that can be told, in words."""

_LATE: Final = 30.0
"""Seconds after which a job whose time has come ought to be in its queue."""
_SILENT: Final = 20.0
"""Seconds without a heartbeat, which comes every 5 or 10."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes:
        kind: which; a key of `REASONS`.
        values: what its words tell beside that.
    """

    kind: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The reason in words; names and errors in it may hold anything."""
        return REASONS[self.kind].format(**self.values)


class Reasons:
    """Finds out why jobs are where they are; `of` makes one.

    Args:
        app: whose Redis it is.
        processes: the living processes.
        target: how people call the app that is to run the jobs; None if it is not at hand, and nothing is known of
            its jobs.
    """

    def __init__(self, app: Sidelong, processes: Sequence[Process], target: str | None = None) -> None:
        self._app = app
        self._processes = processes
        self._target = target
        self._now = app.store.clock.now()

    @classmethod
    async def of(cls, app: Sidelong, target: str | None = None) -> "Reasons":
        """Look which processes live.

        Redis: as iterating over `ProcessSet`, O(n).

        Raises:
            StoreError: Redis cannot be reached or refuses.
        """
        return cls(app, [process async for process in ProcessSet(app)], target)

    def dead(self) -> list[Reason]:
        """Return why a dead job does not run."""
        return [Reason("dead")]

    def running(self, identity: str | None, *, is_told: bool, is_owner_alive: bool = True) -> list[Reason]:
        """Return what is wrong with the process that has a job.

        Args:
            identity: the process.
            is_told: whether a heartbeat has told of the job.
            is_owner_alive: whether the owner of the job still renews its lease.
        """
        if not is_owner_alive:
            return [Reason("owner_died")]
        process = next((each for each in self._processes if each.identity == identity), None)
        reasons = []
        if process is None:
            reasons.append(Reason("owner_unlisted"))
        elif process.beat is not None and self._now - process.beat > _SILENT:
            reasons.append(Reason("owner_silent", {"silent": span(self._now - process.beat)}))
        if not is_told:
            reasons.append(Reason("just_taken"))
        return reasons

    async def timed(self, record: JobRecord, due: float | None) -> list[Reason]:
        """Return what a job of the schedule or the retry set waits for, and what would keep it waiting then.

        Redis: SISMEMBER, O(1).

        Args:
            record: the job.
            due: its score.

        Raises:
            StoreError: Redis cannot be reached.
        """
        return [self._of_time(due), *await self.queued(record)]

    async def queued(self, record: JobRecord) -> list[Reason]:
        """Return what keeps jobs of this queue, or this one among them, from running.

        Redis: SISMEMBER, O(1).

        Raises:
            StoreError: Redis cannot be reached.
        """
        name = record.queue
        reasons = [] if record.fault is None else [Reason("invalid", {"fault": record.fault})]
        if not name:
            return [*reasons, Reason("no_queue")]
        try:
            if await Queue(self._app, name).is_paused():
                reasons.append(Reason("paused", {"queue": name}))
        except Refused as error:
            reasons.append(Reason("pauses_unreadable", {"queue": name, "error": str(error)}))
        serving = [process for process in self._processes if name in process.queues]
        fetching = [process for process in serving if not process.is_quiet]
        if not serving:
            reasons.append(Reason("not_served", {"queue": name}))
        elif not fetching:
            reasons.append(Reason("all_quiet", {"queue": name}))
        elif all(process.busy >= process.concurrency for process in fetching):
            slots = sum(process.concurrency for process in fetching)
            reasons.append(Reason("all_busy", {"slots": slots, "queue": name}))
        reasons += self._of_class(record, fetching)
        if len(crashes := crashes_of(record)) > 1:
            reasons.append(Reason("suspect", {"crashes": len(crashes)}))
        return reasons

    def _of_time(self, due: float | None) -> Reason:
        if due is None or due > self._now:
            return Reason("not_due")
        if self._now - due < _LATE:
            return Reason("just_due")
        late = {"late": span(self._now - due)}
        if not any(not process.is_quiet for process in self._processes):
            return Reason("late_without_workers", late)
        return Reason("late", late)

    def _of_class(self, record: JobRecord, fetching: Sequence[Process]) -> list[Reason]:
        job_class = {"job_class": record.job_class}
        reasons = []
        if self._target is not None and record.job_class not in self._app.registry:
            reasons.append(Reason("unknown_to_target", {"target": self._target, **job_class}))
        known = [process.job_classes for process in fetching]
        # Ruby's do not tell what they know.
        if known and all(classes is not None and record.job_class not in classes for classes in known):
            reasons.append(Reason("unknown_to_workers", job_class))
        return reasons
