"""`sidelong stats`: how much was done, waits and runs."""

from dataclasses import dataclass
from datetime import date

from sidelong.api import History, Stats
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.table import Column, Table
from sidelong.core.spans import span


@dataclass(frozen=True)
class StatsCommand:
    """What the command line asks for.

    Attributes:
        days: how many days of history to show.
        as_json: whether a program reads it.
    """

    days: int
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the figures."""
        figures = await Stats(app).fetch()
        days = await self._history(app)
        named = {
            "processed": figures.processed,
            "failed": figures.failed,
            "running": figures.workers_size or 0,
            "enqueued": figures.enqueued or 0,
            "scheduled": figures.scheduled_size,
            "retry": figures.retry_size,
            "dead": figures.dead_size,
            "processes": figures.processes_size,
        }
        latency = figures.default_queue_latency
        if self.as_json:
            history = [{"day": day.isoformat(), "processed": done, "failed": failed} for day, done, failed in days]
            output.document(
                {
                    **named,
                    "default_queue_latency": latency,
                    "queues": figures.queues,
                    "history": history,
                    "errors": list(figures.errors),
                }
            )
            return ExitStatus.DONE
        for error in figures.errors:
            tell(error)
        for name, number in named.items():
            output.line(f"{name:<16}{number:>16,}")
        output.line(f"{'default waits':<16}{span(latency):>16}")
        if days:
            output.line()
            columns = [Column("DAY (UTC)"), Column("PROCESSED", is_number=True), Column("FAILED", is_number=True)]
            Table(output, columns).print([day.isoformat(), f"{done:,}", f"{failed:,}"] for day, done, failed in days)
        return ExitStatus.DONE

    async def _history(self, app: Sidelong) -> list[tuple[date, int, int]]:
        """Return each day, the last first, with what was processed and what failed on it."""
        if not self.days:
            return []
        history = History(app, self.days)
        processed, failed = await history.processed(), await history.failed()
        return [(day, count, failed.get(day, 0)) for day, count in processed.items()]
