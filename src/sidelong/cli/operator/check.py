"""`sidelong check`: would the jobs that wait run with the app as it is now? For use before a deploy."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidelong.api import JobRecord, Queue
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.places import Place, jobs, size
from sidelong.cli.operator.progress import progress_bar
from sidelong.cli.operator.unknown_queues import unknown_queues
from sidelong.core.counted import counted
from sidelong.core.display import escaped, shown
from sidelong.errors import Refused

_KINDS: Final = 500
"""Kinds of misfits that are told apart: what is wrong may differ from job to job."""
_STEP: Final = 1000


@dataclass(slots=True)
class Misfit:
    """Jobs of one class in one place that would fail for the same reason.

    Attributes:
        place: where they are.
        job_class: their class.
        problem: what is wrong.
        count: how many there are.
        example: the id of one.
    """

    place: Place
    job_class: str
    problem: str
    count: int = 0
    example: str = ""


class Findings:
    """What was found, in bounded memory."""

    def __init__(self) -> None:
        self.checked = 0
        self._misfits: dict[tuple[Place, str, str], Misfit] = {}

    @property
    def misfits(self) -> list[Misfit]:
        """All of them, the most frequent first."""
        return sorted(self._misfits.values(), key=lambda misfit: -misfit.count)

    def add(self, place: Place, job_class: str, problem: str, example: str = "", count: int = 1) -> None:
        """Note that jobs would fail."""
        kind = (place, job_class, problem)
        if kind not in self._misfits and len(self._misfits) >= _KINDS:
            kind = (place, "", "other problems")
        misfit = self._misfits.setdefault(kind, Misfit(*kind, example=example))
        misfit.count += count


@dataclass(frozen=True)
class CheckCommand:
    """What the command line asks for.

    Attributes:
        queues: the queues whose jobs are meant, also where these wait for their time; all if empty.
        as_json: whether a program reads it.
    """

    queues: Sequence[str]
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print what would fail; the status is 1 if anything would."""
        findings = Findings()
        with progress_bar("Checking") as progress:
            places = await self._places(app)
            total = sum([await _size(app, place, findings) for place in places])
            async for place, record in self._stored(app, places):
                findings.checked += 1
                if findings.checked % _STEP == 0:
                    progress(findings.checked, max(total, findings.checked))
                if (problem := problem_of(app, record)) is not None:
                    findings.add(place, record.job_class, problem, record.jid)
        if self.as_json:
            output.document({"checked": findings.checked, "problems": list(map(_plain, findings.misfits))})
        else:
            for misfit in findings.misfits:
                output.line(_sentence(misfit))
            if not findings.misfits and not findings.checked:
                output.line("nothing was checked: no job waits there")
            elif not findings.misfits:
                output.line(f"{counted(findings.checked, 'job')} checked: the app knows them, and their arguments fit")
        return ExitStatus.FAILED if findings.misfits else ExitStatus.DONE

    async def _places(self, app: Sidelong) -> list[Place]:
        known = [queue.name for queue in await Queue.all(app)]
        for name, alike in await unknown_queues(app, self.queues, known):
            tell(f"there is no queue {shown(name)!r}{alike}")
        names = self.queues or known
        return [Place("scheduled"), Place("retry"), *[Place("queue", name) for name in names]]

    async def _stored(self, app: Sidelong, places: Sequence[Place]) -> AsyncIterator[tuple[Place, JobRecord]]:
        for place in places:
            try:
                async for found in jobs(app, place):
                    if not self.queues or found.record.queue in self.queues:
                        yield place, found.record
            except Refused:
                # Its size could not be read either, and that is told.
                continue


def problem_of(app: Sidelong, record: JobRecord) -> str | None:
    """Return why a job would fail before its first line runs; None if it would not."""
    if record.fault is not None:
        return f"invalid: {record.fault}"
    if record.job_class not in app.registry:
        return "the app has no such job"
    if record.get("encrypt"):
        # Nobody but the worker can read them.
        return None
    try:
        app.registry.get(record.job_class).check(record.args)
    except TypeError as error:
        return str(error)
    return None


async def _size(app: Sidelong, place: Place, findings: Findings) -> int:
    try:
        return await size(app, place)
    except Refused as error:
        findings.add(place, "", f"cannot be read: {error}", count=0)
        return 0


def _sentence(misfit: Misfit) -> str:
    where = misfit.place.name
    if not misfit.count:
        return escaped(f"{where} {misfit.problem}")
    # Most problems begin with the class themselves.
    about = "" if misfit.problem.startswith(misfit.job_class) else f"{misfit.job_class}: "
    example = f" (such as {shown(misfit.example)})" if misfit.example else ""
    return escaped(f"{counted(misfit.count, 'job')} in {where}: {about}{misfit.problem}{example}")


def _plain(misfit: Misfit) -> dict[str, Any]:
    return {
        "place": misfit.place.kind,
        "queue": misfit.place.queue or None,
        "class": misfit.job_class,
        "problem": misfit.problem,
        "jobs": misfit.count,
        "example": misfit.example,
    }
