"""How the rows of each section look: with the columns of `sidelong queues`, `ps` and `jobs`, as far as they fit."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sidelong.api import Entry, Process, QueueSummary, Work
from sidelong.cli.operator import processes, queues
from sidelong.cli.operator.job_view import COLUMNS, cells
from sidelong.cli.operator.places import RUNNING, Found, Place
from sidelong.cli.operator.table import Column, picked
from sidelong.cli.top.snapshot import Listed, SectionName, Snapshot

_WIDE: Final = 110
"""Columns of a terminal from which on there is room for more."""
_RETRY: Final = Place("retry")

_PER_MINUTE: Final = Column("PER MIN", is_number=True)

_QUEUES: Final[Sequence[str]] = ("QUEUE", "JOBS", "WAITS", "PER MIN", "PROCESSES", "STATE")
_PROCESSES: Final[Sequence[str]] = ("PROCESS", "BUSY", "LAG MS", "MB", "BEAT", "QUEUES", "STATE")
_BUSY: Final[Sequence[str]] = ("CLASS", "RUNS", "QUEUE", "JID", "ARGUMENTS")
_RETRIES: Final[Sequence[str]] = ("CLASS", "DUE", "TRY", "ERROR")


@dataclass(frozen=True)
class Section:
    """One of the four lists.

    Attributes:
        name: which.
        title: what stands above its first column.
        columns: from left to right.
        listed: its rows.
        cells: returns the cells of a row; any characters may be in them.
    """

    name: SectionName
    title: str
    columns: Sequence[Column]
    listed: Listed[Any]
    cells: Callable[[Any], Sequence[str]]

    def headed(self, title: str) -> Sequence[Column]:
        """Return the columns for the line above the rows, with another title above the first."""
        return (replace(self.columns[0], title=title, keeps_end=False), *self.columns[1:])


def sections(snapshot: Snapshot, width: int) -> list[Section]:
    """Return the sections from top to bottom, with the columns for a terminal of this width."""
    now = snapshot.taken_at
    serving = [process for process in snapshot.processes.rows.values() if not process.is_quiet]
    served = Counter(name for process in serving for name in process.queues)
    busy, retries = _BUSY, _RETRIES
    if width >= _WIDE:
        busy, retries = (*busy, "PROCESS"), (*retries, "JID")
    queue_columns = {**queues.COLUMNS, _PER_MINUTE.title: _PER_MINUTE}
    job_columns = {column.title: column for kind in (COLUMNS["running"], COLUMNS["retry"]) for column in kind}

    def queue(each: QueueSummary) -> Sequence[str]:
        rate = _rate(snapshot.rates.get(each.name))
        return picked({**queues.cells(each, served[each.name]), _PER_MINUTE.title: rate}, _QUEUES)

    def process(each: Process) -> Sequence[str]:
        return picked(processes.cells(each, now), _PROCESSES)

    def work(each: Work) -> Sequence[str]:
        return picked(cells(Found(each.record, RUNNING, work=each), now), busy)

    def entry(each: Entry) -> Sequence[str]:
        return picked(cells(Found(each, _RETRY, score=each.score), now), retries)

    return [
        Section("queues", "QUEUES", picked(queue_columns, _QUEUES), snapshot.queues, queue),
        Section("processes", "PROCESSES", picked(processes.COLUMNS, _PROCESSES), snapshot.processes, process),
        Section("busy", "BUSY", picked(job_columns, busy), snapshot.busy, work),
        Section("retries", "RETRIES", picked(job_columns, retries), snapshot.retries, entry),
    ]


def _rate(per_minute: float | None) -> str:
    if per_minute is None:
        return "-"
    return f"{per_minute:.1f}" if 0 < per_minute < 10 else f"{per_minute:,.0f}"
