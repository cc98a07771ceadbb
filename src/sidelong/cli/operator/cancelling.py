"""`sidelong cancel`: call jobs off, wherever they are."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Final

from sidelong.api import BulkOutcome, Entry, Filter, JobRecord, Process, ProcessSet, Queue, QueuedJob, WorkSet
from sidelong.api.bulk import Met
from sidelong.api.moves import carry_out, deletion
from sidelong.app import Sidelong
from sidelong.cli.operator.changes import DELETE, ChangeCommand
from sidelong.cli.operator.job_view import name_of
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.places import RUNNING, SETS, Found, Place, jobs
from sidelong.cli.operator.progress import Progress
from sidelong.client.cancelling import CancelOutcome, CancelResult
from sidelong.core.display import shown
from sidelong.errors import EndNotReached, Refused
from sidelong.store import keys

_STEP: Final = 100

_DONE: Final = {
    CancelOutcome.REMOVED: "waited in {where}, and is removed",
    CancelOutcome.CANCELLED: "ran in {where}, and is cancelled",
    CancelOutcome.TOLD: "runs in a thread of {where}, which is told: it ends by itself, and is not tried again",
}
_NOT_DONE: Final = {
    CancelOutcome.NOT_FOUND: "neither waits nor runs: it has just ended",
    CancelOutcome.UNANSWERED: "is with {where}, which does not answer: it may still be cancelled, or run on",
}
_DEAF: Final = "runs in {where}, which cannot be told to cancel a job: it runs on"


class CancelCommand(ChangeCommand):
    """Calls jobs off where they wait, and where they run."""

    async def change_one(self, app: Sidelong, found: Found, output: Output) -> bool:
        """Call one job off, say what became of it, and return whether that was done."""
        record = found.record
        if isinstance(record, QueuedJob | Entry) and await record.delete():
            result = CancelResult(CancelOutcome.REMOVED, _key(found.place))
        else:
            # It runs, or has moved on meanwhile.
            result = await app.cancel(record.jid)
        sentence = f"{name_of(record)} {await outcome_text(app, record.jid, result)}"
        if result.outcome in _DONE:
            output.line(sentence)
            return True
        tell(sentence)
        return False

    async def change_all(self, app: Sidelong, progress: Progress) -> BulkOutcome:
        """Call off all jobs that match: those that wait are deleted, and those that run by now are told."""
        place, where = self.selection.place, self.selection.where
        assert place is not None
        tally = _Tally(app)
        if place == RUNNING:
            running = [found.record async for found in jobs(app, place, where)]
            for number, record in enumerate(running, 1):
                await tally.cancel(record.jid)
                progress(number, len(running))
        elif where is None:
            # In one step: whatever was fetched before it waited no more.
            return await ChangeCommand(DELETE, self.selection, is_dry=False, is_confirmed=True).change_all(
                app, progress
            )
        elif place.kind == "queue":
            await _from_queue(app, place.queue, where, progress, tally)
        else:
            await _from_set(app, place, where, progress, tally)
        return tally.outcome


class _Tally:
    """Calls jobs off one by one, and counts what became of them."""

    def __init__(self, app: Sidelong) -> None:
        self.done = 0
        self.gone = 0
        self.errors = Counter[str]()
        self.is_complete = True
        self._app = app

    async def cancel(self, jid: str) -> None:
        """Call off one job, wherever it is by now; what Redis refuses must not hold up the others."""
        try:
            result = await self._app.cancel(jid)
        except Refused as error:
            self.errors[str(error)] += 1
            return
        if result.outcome in _DONE:
            self.done += 1
        elif (problem := await _problem(self._app, jid, result)) is None:
            self.gone += 1
        else:
            self.errors[problem] += 1

    @property
    def outcome(self) -> BulkOutcome:
        """All of it."""
        return BulkOutcome(
            done=self.done,
            gone=self.gone,
            failed=self.errors.total(),
            errors=self.errors,
            is_complete=self.is_complete,
        )


async def _from_queue(app: Sidelong, name: str, where: Filter, progress: Progress, tally: _Tally) -> None:
    noted = _Noting(**asdict(where))
    tally.done += await Queue(app, name).delete_all(where=noted, progress=progress)
    if tally.done < len(noted.met):
        # Some were fetched between being read and being deleted.
        running = {found.record.jid async for found in jobs(app, RUNNING)}
        for jid in sorted(running - {""}):
            if not noted.met.add(jid):
                await tally.cancel(jid)


async def _from_set(app: Sidelong, place: Place, where: Filter, progress: Progress, tally: _Tally) -> None:
    entries = SETS[place.kind](app)
    total, looked_at = await entries.size(), 0
    page: list[Entry] = []
    try:
        async for entry in entries.entries(earliest_first=True, where=where):
            page.append(entry)
            if len(page) == _STEP:
                await _remove(app, entries.name, page, tally)
                looked_at += len(page)
                progress(looked_at, max(total, looked_at))
                page.clear()
    except EndNotReached:
        tally.is_complete = False
    await _remove(app, entries.name, page, tally)


async def _remove(app: Sidelong, name: str, page: list[Entry], tally: _Tally) -> None:
    answers = await carry_out(app, name, [deletion(entry, entry.score) for entry in page])
    for entry, answer in zip(page, answers, strict=True):
        if isinstance(answer, Refused):
            tally.errors[str(answer)] += 1
        elif answer:
            tally.done += 1
        elif entry.jid:
            await tally.cancel(entry.jid)
        else:
            tally.gone += 1


@dataclass(frozen=True)
class _Noting(Filter):
    """A filter that takes note of what it has let pass."""

    met: Met = field(default_factory=Met)

    def matches(self, record: JobRecord) -> bool:
        is_meant = super().matches(record)
        if is_meant:
            self.met.add(record.jid)
        return is_meant


async def outcome_text(app: Sidelong, jid: str, result: CancelResult) -> str:
    """Return what became of a job that was called off: the end of a sentence that begins with its name."""
    if result.outcome in _DONE:
        return _DONE[result.outcome].format(where=shown(result.where))
    return await _problem(app, jid, result) or _NOT_DONE[CancelOutcome.NOT_FOUND]


async def _problem(app: Sidelong, jid: str, result: CancelResult) -> str | None:
    """Return why a job goes on that could not be called off; None if it has just ended."""
    if result.outcome == CancelOutcome.NOT_FOUND:
        work = await WorkSet(app).find_work(jid)
        process: Process | None = None if work is None else await ProcessSet(app).get(work.identity)
        # A worker of ours has said that it does not have it: only its last heartbeat still tells of it.
        if process is None or process.job_classes is not None:
            return None
        return _DEAF.format(where=shown(process.identity))
    return _NOT_DONE[result.outcome].format(where=shown(result.where))


def _key(place: Place) -> str:
    return keys.queue(place.queue) if place.kind == "queue" else SETS[place.kind].name
