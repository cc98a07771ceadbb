"""What the ledger tells of each job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.events import PUSH, PUSHED, UNSURE
from tests.chaos.spans import FOREVER
from tests.chaos.steps_seen import StepSeen

KILLER = "kill_self"
"""The names of jobs that kill the process that runs them begin so."""


class Run(NamedTuple):
    """A job's body began."""

    ns: int
    pid: int
    attempt: str


class Mark(NamedTuple):
    """Something else happened to a job, in the process that tells it; `word` says more."""

    ns: int
    pid: int
    word: str = ""


class CallOff(NamedTuple):
    """A job was called off.

    Attributes:
        asked: when.
        ns: when that was answered; FOREVER if it never was.
        how: the answer, as CALLED_OFF has it; unknown if there was none.
        where: the queue or set in which it waited, or the identity that has it.
    """

    asked: int
    ns: int = FOREVER
    how: str = "unknown"
    where: str = ""

    @property
    def is_confirmed(self) -> bool:
        """True if the answer says that the job will not be run any more."""
        return self.how in ("removed", "cancelled", "told")


@dataclass(slots=True)
class Job:
    """One jid, with its events in order.

    Attributes:
        course: words of its push: `job`, `acks`, `fails`, `ends`, `queue`.
        pushes: the events of its pushes, each with its name.
        runs: its STARTs.
        ends: its ENDs.
        fails: its FAILs.
        settles: its SETTLEDs, each with `how`.
        losts: its LOSTs.
        recoveries: its RECOVEREDs, each with the identity of the owner.
        orphans: its ORPHANs.
        calls_off: how it was called off.
        holds: its HELDs, each with the queue.
    """

    jid: str
    course: dict[str, str] = field(default_factory=dict)
    pushes: list[Mark] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    ends: list[Mark] = field(default_factory=list)
    fails: list[Mark] = field(default_factory=list)
    settles: list[Mark] = field(default_factory=list)
    losts: list[Mark] = field(default_factory=list)
    recoveries: list[Mark] = field(default_factory=list)
    orphans: list[Mark] = field(default_factory=list)
    calls_off: list[CallOff] = field(default_factory=list)
    holds: list[Mark] = field(default_factory=list)
    steps: dict[str, StepSeen] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.jid} ({self.course.get('job', 'of unknown name')})"

    @property
    def last_place(self) -> str:
        """Where its course ends: done, dead or gone."""
        return self.course.get("ends", "done")

    @property
    def has_been_pushed(self) -> bool:
        """True if a push of it returned."""
        return any(mark.word == PUSHED for mark in self.pushes)

    @property
    def is_uncertain(self) -> bool:
        """True if nobody knows whether its push was stored."""
        if self.has_been_pushed or not self.pushes:
            return False
        return any(mark.word == UNSURE for mark in self.pushes) or self.pushes[-1].word == PUSH

    @property
    def is_killer(self) -> bool:
        """True if it kills the process that runs it."""
        return self.course.get("job", "").startswith(KILLER)

    @property
    def called_off(self) -> CallOff | None:
        """The first call that was told that it will not be run any more."""
        return next((call for call in self.calls_off if call.is_confirmed), None)

    @property
    def may_be_called_off(self) -> bool:
        """True if it was called off, or nobody knows: then its course need not come to its end."""
        return any(call.how != "not_found" for call in self.calls_off)

    def repeats(self) -> Iterator[tuple[Run, Run]]:
        """Return each run that was followed by another one of the same attempt, with that one."""
        if len(self.runs) < 2:
            return
        attempts: dict[str, list[Run]] = {}
        for run in self.runs:
            attempts.setdefault(run.attempt, []).append(run)
        for runs in attempts.values():
            yield from pairwise(runs)

    def run_of(self, pid: int, ns: int) -> Run | None:
        """Return the run that a process had begun last at an instant."""
        return next((run for run in reversed(self.runs) if run.pid == pid and run.ns <= ns), None)

    def settles_of(self, run: Run) -> list[Mark]:
        """Return how its process settled that run."""
        return [mark for mark in self.settles if mark.pid == run.pid and self.run_of(mark.pid, mark.ns) == run]

    def left_at(self, run: Run) -> int:
        """Return when the body of that run was left, by its end or by an exception; FOREVER if it never was."""
        left = (mark.ns for mark in (*self.ends, *self.fails) if mark.pid == run.pid and mark.ns >= run.ns)
        return min((ns for ns in left if self.run_of(run.pid, ns) == run), default=FOREVER)

    def is_over(self, run: Run) -> bool:
        """Tell whether its process came to the end of that run, in whatever way."""
        return any(
            mark.pid == run.pid and self.run_of(mark.pid, mark.ns) == run
            for mark in (*self.ends, *self.fails, *self.settles)
        )
