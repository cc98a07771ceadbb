"""`sidelong ps`: the worker processes."""

from dataclasses import dataclass
from typing import Final

from sidelong.api import Process, ProcessSet
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.table import Column, Table, picked
from sidelong.cli.operator.times import since, utc

COLUMNS: Final = {
    column.title: column
    for column in (
        Column("PROCESS", is_flexible=True),
        Column("BUSY", is_number=True),
        Column("LAG MS", is_number=True),
        Column("MB", is_number=True),
        Column("STARTED", is_number=True),
        Column("BEAT", is_number=True),
        Column("QUEUES", is_flexible=True),
        Column("STATE", is_flexible=True),
    )
}
"""What a list of processes may show, by title."""
_TITLES: Final = ("PROCESS", "BUSY", "MB", "STARTED", "BEAT", "QUEUES", "STATE")


@dataclass(frozen=True)
class ProcessesCommand:
    """What the command line asks for.

    Attributes:
        as_json: whether a program reads it.
    """

    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the living processes."""
        processes = [process async for process in ProcessSet(app)]
        if self.as_json:
            output.document([_plain(process) for process in processes])
        elif processes:
            now = app.store.clock.now()
            Table(output, picked(COLUMNS, _TITLES)).print(picked(cells(each, now), _TITLES) for each in processes)
        else:
            tell("no worker process is running")
        return ExitStatus.DONE


def _plain(process: Process) -> dict[str, object]:
    return {
        "identity": process.identity,
        "hostname": process.hostname,
        "pid": process.pid,
        "tag": process.tag,
        "labels": process.labels,
        "version": process.version,
        "queues": process.queues,
        "weights": process.weights,
        "concurrency": process.concurrency,
        "busy": process.busy,
        "rss_kb": process.rss,
        "rtt_us": process.rtt_us,
        "started_at": utc(process.started_at),
        "beat": utc(process.beat),
        "quiet": process.is_quiet,
        "embedded": process.is_embedded,
        "leader": process.is_leader,
        "error": process.fault,
    }


def cells(process: Process, now: float) -> dict[str, str]:
    """Return how a process is shown, by the titles of the columns."""
    return {
        "PROCESS": process.identity,
        "BUSY": f"{process.busy}/{process.concurrency}",
        "LAG MS": "-" if process.lag_ms is None else f"{process.lag_ms:,}",
        "MB": f"{process.rss // 1024:,}" if process.rss else "-",
        "STARTED": since(process.started_at, now),
        "BEAT": since(process.beat, now),
        "QUEUES": ",".join(process.queues),
        "STATE": _state(process),
    }


def _state(process: Process) -> str:
    if process.fault is not None:
        return f"invalid: {process.fault}"
    states = {"quiet": process.is_quiet, "embedded": process.is_embedded, "leader": process.is_leader}
    return ", ".join(state for state, holds in states.items() if holds)
