"""`sidelong retry`, `kill` and `delete`: what an operator does to jobs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidelong.api import BulkOutcome, Entry, JobRecord, Queue, QueuedJob
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.detail import where_text
from sidelong.cli.operator.job_view import name_of
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.places import SETS, Found, Kind
from sidelong.cli.operator.progress import Progress, progress_bar
from sidelong.cli.operator.search import Finds, find_each
from sidelong.cli.operator.selection import Selection, confirm, jobs_text
from sidelong.core.counted import counted
from sidelong.core.display import escaped, shown
from sidelong.errors import Refused, StoreError


@dataclass(frozen=True)
class Verb:
    """One thing that can be done to jobs.

    Attributes:
        name: what it is called.
        done: what has been done to a job.
        going_on: what is being done.
        places: in which kinds of places it can be done.
    """

    name: str
    done: str
    going_on: str
    places: Sequence[Kind]


RETRY: Final = Verb("retry", "enqueued", "Enqueuing", ("scheduled", "retry", "dead"))
KILL: Final = Verb("kill", "killed", "Killing", ("scheduled", "retry"))
DELETE: Final = Verb("delete", "deleted", "Deleting", ("scheduled", "retry", "queue", "dead"))
CANCEL: Final = Verb("cancel", "cancelled", "Cancelling", ("scheduled", "retry", "queue", "running"))


@dataclass(frozen=True)
class ChangeCommand:
    """What the command line asks for.

    Attributes:
        verb: what to do.
        selection: to which jobs.
        is_dry: only say what would be done.
        is_confirmed: do not ask.
    """

    verb: Verb
    selection: Selection
    is_dry: bool
    is_confirmed: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Do it, after asking, and say what was done."""
        self.selection.check(self.verb.name, self.verb.places)
        try:
            return await (self._by_id(app, output) if self.selection.jids else self._by_filter(app, output))
        except asyncio.CancelledError:
            tell("interrupted: what was done stays done, and the same command does the rest")
            raise

    # By id.

    async def _by_id(self, app: Sidelong, output: Output) -> ExitStatus:
        status = ExitStatus.DONE
        chosen: list[Found] = []
        places = () if self.selection.place is None else (self.selection.place,)
        finds = await find_each(app, list(dict.fromkeys(self.selection.jids)), places)
        for jid in finds.jobs:
            found = self._possible(app, jid, finds)
            chosen += found
            if not found:
                status = ExitStatus.FAILED
        if not chosen:
            return status
        if self.is_dry or not self.is_confirmed:
            now = app.store.clock.now()
            for each in chosen:
                (output.line if self.is_dry else tell)(f"{name_of(each.record)}: {escaped(where_text(each, now))}")
        if self.is_dry:
            return status
        if not self.is_confirmed and not confirm(f"{self.verb.name.capitalize()} {counted(len(chosen), 'job')}"):
            return ExitStatus.FAILED
        for each in chosen:
            if not await self.change_one(app, each, output):
                status = ExitStatus.FAILED
        return status

    def _possible(self, app: Sidelong, jid: str, finds: Finds) -> list[Found]:
        """Return the jobs of this id to which it can be done; where there is none, say why."""
        everywhere = finds.jobs[jid]
        possible = [found for found in everywhere if found.place.kind in self.verb.places]
        if not everywhere:
            finds.tell_absent(jid)
        elif not possible:
            where = escaped(where_text(everywhere[0], app.store.clock.now()))
            tell(f"{name_of(everywhere[0].record)} cannot be {self.verb.done}: {where}")
        return possible

    async def change_one(self, app: Sidelong, found: Found, output: Output) -> bool:
        """Do it to one job, say so, and return whether it is done."""
        try:
            is_done = await self._change(found)
        except StoreError as error:
            if not isinstance(error, Refused):
                raise
            problem = str(error)
        except Exception as error:
            # The client middleware of the app runs here, and may raise anything.
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = "" if is_done else "a worker or somebody else was faster, and it is gone"
        if problem:
            tell(f"{name_of(found.record)} is not {self.verb.done}: {shown(problem)}")
        else:
            output.line(f"{name_of(found.record)} is {self.verb.done}")
        return not problem

    async def _change(self, found: Found) -> bool:
        record: JobRecord = found.record
        if isinstance(record, QueuedJob):
            return await record.delete()
        assert isinstance(record, Entry)
        if self.verb is DELETE:
            return await record.delete()
        if self.verb is KILL:
            return await record.kill()
        return await (record.add_to_queue() if found.place.kind == "scheduled" else record.retry())

    # By filter.

    async def _by_filter(self, app: Sidelong, output: Output) -> ExitStatus:
        selection = self.selection
        if self.is_dry:
            output.line(f"{jobs_text(await selection.count(app), selection)} would be {self.verb.done}")
            return ExitStatus.DONE
        if not self.is_confirmed:
            number = await selection.count(app)
            if not number:
                output.line(f"{jobs_text(0, selection)}: nothing to do")
                return ExitStatus.DONE
            if not confirm(f"{self.verb.name.capitalize()} {jobs_text(number, selection)}"):
                return ExitStatus.FAILED
        with progress_bar(self.verb.going_on) as progress:
            outcome = await self.change_all(app, progress)
        return self._tell(outcome, output)

    async def change_all(self, app: Sidelong, progress: Progress) -> BulkOutcome:
        """Do it to all jobs that match, and return how that went."""
        place, where = self.selection.place, self.selection.where
        assert place is not None
        if place.kind == "queue":
            return BulkOutcome(done=await Queue(app, place.queue).delete_all(where=where, progress=progress))
        entries = SETS[place.kind](app)
        if self.verb is KILL:
            return await entries.kill_all(where=where, progress=progress)
        if self.verb is RETRY and place.kind == "scheduled":
            return await entries.enqueue_all(where=where, progress=progress)
        if self.verb is RETRY:
            return await entries.retry_all(where=where, progress=progress)
        if where is None:
            return BulkOutcome(done=await entries.clear())
        return await entries.delete_all(where=where, progress=progress)

    def _tell(self, outcome: BulkOutcome, output: Output) -> ExitStatus:
        output.line(f"{counted(outcome.done, 'job')} {self.verb.done}")
        if outcome.gone:
            tell(f"{counted(outcome.gone, 'job')} had gone: a worker or somebody else was faster")
        if outcome.skipped:
            tell(f"{counted(outcome.skipped, 'job')} left alone: the same id was enqueued by this command before")
        if outcome.stopped:
            tell(f"{counted(outcome.stopped, 'job')} kept: stopped by a client middleware")
        for problem, count in outcome.errors.items():
            tell(f"{counted(count, 'job')} kept: {shown(problem)}")
        if not outcome.is_complete:
            tell("so much arrived meanwhile that the end was not reached: the same command goes on")
        is_done = not outcome.stopped and not outcome.failed and outcome.is_complete
        return ExitStatus.DONE if is_done else ExitStatus.FAILED
