"""Call off jobs that run."""

from collections.abc import Sequence
from typing import Final

from sidelong.api.bulk import BulkOutcome, Progress
from sidelong.api.work import Work, WorkSet
from sidelong.errors import Refused
from sidelong.web.actions.outcome import ListOutcome
from sidelong.web.actions.processes import RUNNING
from sidelong.web.selection import Selection
from sidelong.web.visit import Visit

ACTIONS: Final = ("cancel",)

_ONE_WITHIN: Final = 15.0
"""Seconds: a worker has three to answer, and then the job is looked for."""


async def cancel(visit: Visit, selection: Selection) -> ListOutcome:
    """Call off running jobs, each wherever it is by then.

    Args:
        visit: the request.
        selection: which jobs; their ids are their names.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError, TimeoutError: Redis cannot be reached, refuses or is too slow; what was done is done.
    """
    await visit.require("cancel", RUNNING)
    works = [work async for work in WorkSet(visit.site.app)] if selection.is_all else []
    jids = [jid for jid in _chosen(works, selection) if jid > (selection.after or "")]

    async def run(progress: Progress, within: float) -> BulkOutcome:
        clock = visit.site.app.store.clock
        begun_at = clock.monotonic()
        done = gone = failed = 0
        for number, jid in enumerate(jids, 1):
            outcome = await _cancelled(visit, jid)
            done += outcome in ("cancelled", "removed", "told")
            gone += outcome == "not_found"
            failed += outcome in ("unanswered", "refused")
            progress(number, len(jids))
            if number < len(jids) and clock.monotonic() - begun_at >= within:
                return BulkOutcome(done=done, gone=gone, failed=failed, is_complete=False, goes_on=jid)
        return BulkOutcome(done=done, gone=gone, failed=failed)

    outcome = ListOutcome()
    with visit.recording("cancel", RUNNING, outcome):
        await outcome.take(run, step_within=_ONE_WITHIN)
    return outcome


def _chosen(works: Sequence[Work], selection: Selection) -> list[str]:
    """Return the ids of the jobs in an order that is the same the next time."""
    if not selection.is_all:
        return sorted(selection.keys)
    where = selection.query.where
    return sorted({work.record.jid for work in works if where is None or where.matches(work.record)} - {""})


async def _cancelled(visit: Visit, jid: str) -> str:
    """Call one job off, and return what became of it; what Redis refuses must not hold up the others."""
    try:
        return (await visit.site.app.cancel(jid)).outcome.value
    except Refused:
        return "refused"
