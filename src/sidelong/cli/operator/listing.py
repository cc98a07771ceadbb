"""`sidelong jobs`: the jobs of a queue or a set, or those that run."""

from dataclasses import dataclass
from typing import Final

from sidelong.api import Filter, Queue
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.job_view import COLUMNS, plain, row
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.places import Found, Place, jobs, size
from sidelong.cli.operator.table import Table
from sidelong.core.display import shown
from sidelong.core.setting_checks import did_you_mean
from sidelong.errors import EndNotReached

_PAGE: Final = 50
_SCREEN: Final = 20
"""How many rows a terminal of 24 lines has room for."""


@dataclass(frozen=True)
class JobsCommand:
    """What the command line asks for.

    Attributes:
        place: where the jobs are.
        where: which of them are wanted; None for all.
        limit: the most to print, 0 for no limit; None for a screenful on a terminal, and no limit elsewhere.
        newest_first: from which end; None for what suits the place.
        as_json: whether a program reads it, one object on a line.
    """

    place: Place
    where: Filter | None
    limit: int | None
    newest_first: bool | None
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the jobs as they are read."""
        limit = self.limit if self.limit is not None else _SCREEN if output.is_terminal and not self.as_json else 0
        table = Table(output, COLUMNS[self.place.kind])
        page: list[Found] = []
        count, is_more = 0, False
        # Who died last is asked for most; all others stand in the order in which they run.
        newest_first = self.place.kind == "dead" if self.newest_first is None else self.newest_first
        try:
            async for found in jobs(app, self.place, self.where, newest_first=newest_first):
                if limit and count == limit:
                    is_more = True
                    break
                count += 1
                if self.as_json:
                    output.record(plain(found))
                    continue
                page.append(found)
                if len(page) == _PAGE:
                    self._print(table, page, app)
        except EndNotReached as error:
            # Told behind what was read.
            trouble: str | None = str(error)
        else:
            trouble = None
        self._print(table, page, app)
        output.flush()
        if trouble is not None:
            tell(trouble)
            return ExitStatus.FAILED
        if is_more and not self.as_json:
            await self._tell_rest(app, limit)
        elif not count and not self.as_json:
            tell(await self._nothing(app))
        return ExitStatus.DONE

    def _print(self, table: Table, page: list[Found], app: Sidelong) -> None:
        now = app.store.clock.now()
        if page:
            table.print([row(found, now) for found in page])
            page.clear()

    async def _tell_rest(self, app: Sidelong, limit: int) -> None:
        if self.where is not None:
            tell(f"the first {limit:,} that match; --limit 0 shows all")
        else:
            tell(f"{limit:,} of {await size(app, self.place):,}; --limit 0 shows all")

    async def _nothing(self, app: Sidelong) -> str:
        if self.where is not None:
            return f"no job in {shown(self.place.name)} matches"
        if self.place.kind == "queue":
            names = [queue.name for queue in await Queue.all(app)]
            if self.place.queue not in names:
                return f"there is no queue {shown(self.place.queue)!r}{did_you_mean(self.place.queue, names)}"
        return "no job is known to run" if self.place.kind == "running" else f"{shown(self.place.name)} is empty"
