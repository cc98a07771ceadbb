"""`sidelong queues`: how long the queues are, how long their jobs wait, and who serves them."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from sidelong.api import ProcessSet, QueueSummary, Stats
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.table import Column, Table
from sidelong.core.display import shown
from sidelong.core.spans import span

COLUMNS: Final = {
    column.title: column
    for column in (
        Column("QUEUE", is_flexible=True),
        Column("JOBS", is_number=True),
        Column("WAITS", is_number=True),
        Column("PROCESSES", is_number=True),
        Column("STATE", is_flexible=True),
    )
}
"""What a list of queues shows, by title."""


@dataclass(frozen=True)
class QueuesCommand:
    """What the command line asks for.

    Attributes:
        as_json: whether a program reads it.
    """

    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the queues, the longest first."""
        summaries = await Stats(app).queue_summaries()
        served = Counter([name async for process in ProcessSet(app) if not process.is_quiet for name in process.queues])
        for error in dict.fromkeys(queue.pause_error for queue in summaries if queue.pause_error is not None):
            tell(f"it cannot be read which queues are paused, and workers pause none: {shown(error)}")
        if self.as_json:
            output.document([_plain(queue, served[queue.name]) for queue in summaries])
        elif summaries:
            rows = (list(cells(queue, served[queue.name]).values()) for queue in summaries)
            Table(output, list(COLUMNS.values())).print(rows)
        else:
            tell("there are no queues: nothing was enqueued yet")
        return ExitStatus.DONE


def _plain(queue: QueueSummary, processes: int) -> dict[str, object]:
    return {
        "name": queue.name,
        "size": queue.size,
        "latency": queue.latency,
        "paused": queue.is_paused,
        "processes": processes,
        "error": queue.error,
    }


def cells(queue: QueueSummary, processes: int) -> dict[str, str]:
    """Return how a queue is shown, by the titles of the columns."""
    return {
        "QUEUE": queue.name,
        "JOBS": f"{queue.size:,}",
        "WAITS": span(queue.latency) if queue.size else "-",
        "PROCESSES": str(processes),
        "STATE": _state(queue, processes),
    }


def _state(queue: QueueSummary, processes: int) -> str:
    if queue.error is not None:
        return f"invalid: {queue.error}"
    if queue.is_paused:
        return "paused"
    return "nobody serves it" if queue.size and not processes else ""
