"""Retry, run, kill, delete, put off and edit entries of the schedule, the retries and the dead jobs."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sidelong.api.bulk import BulkOutcome, Progress
from sidelong.api.entries import Entry
from sidelong.core.display import shown
from sidelong.errors import NotEnqueued, Refused, StoreError
from sidelong.web.actions.one import Doing, Done, do_to_one, restored
from sidelong.web.actions.outcome import ListOutcome
from sidelong.web.bounded import Counts
from sidelong.web.listing import ListQuery
from sidelong.web.row_keys import read_score, row_key
from sidelong.web.sections import Section
from sidelong.web.selection import Selection
from sidelong.web.sources import SetSource, look_near
from sidelong.web.visit import Visit

logger = logging.getLogger("sidelong.web")

_VERBS: Final[dict[str, Callable[[Entry], Awaitable[bool]]]] = {
    "retry": Entry.retry,
    "enqueue": Entry.add_to_queue,
    "kill": Entry.kill,
    "delete": Entry.delete,
}
_MOST_OF_ONE_SCORE: Final = 5_000
"""Entries that are searched where many have the same time."""


async def act(visit: Visit, section: Section, action: str, selection: Selection) -> ListOutcome:
    """Do one of the actions of a section to its entries.

    Args:
        visit: the request.
        section: which set.
        action: one of its actions.
        selection: which entries.

    Raises:
        HTTPException: 403 if whoever asks may not, 400 if the selection goes on where no list can be gone on with.
        StoreError, TimeoutError: Redis cannot be reached, refuses or is too slow; what was done is done.
    """
    await visit.require(action, section.name)
    if selection.is_all:
        return await _act_on_all(visit, section, action, selection)
    counts = Counts()
    with visit.recording(action, section.name, counts):
        found = await look_for(visit, section, set(selection.keys), selection.near, selection.query)
        for entry in found.values():
            await _act(entry, action, counts)
        counts.gone += len(selection.keys) - len(found)
    return ListOutcome(counts)


async def reschedule(visit: Visit, section: Section, key: str, at: float | datetime) -> Done:
    """Give an entry another time; it is looked for about where the address of the request says that it stood.

    Raises:
        HTTPException: 403 if whoever asks may not.
        TypeError, ValueError: `at` is no time that an entry can have.
        StoreError: Redis cannot be reached, or refuses.
    """
    return await _do_to_one(visit, section, key, "reschedule", lambda entry: entry.reschedule(at))


async def edit(
    visit: Visit,
    section: Section,
    key: str,
    changes: Mapping[str, Any] | None = None,
    *,
    item: Mapping[str, Any] | None = None,
) -> Done:
    """Change an entry and let it run now; see `Entry.edit`.

    Args:
        visit: the request.
        section: which set.
        key: its name there.
        changes: fields of the payload with their new values; the marks of `mask_arguments` in its arguments keep what
            they stand for.
        item: a whole payload instead.

    Raises:
        HTTPException: 403 if whoever asks may not.
        TypeError, ValueError: no job can be like this; the entry stays.
        Exception: what a client middleware raised; the entry stays.
        StoreError: Redis cannot be reached, or refuses.
    """

    async def change(entry: Entry) -> bool:
        return await entry.edit(restored(entry, changes), item=item)

    return await _do_to_one(visit, section, key, "edit", change)


async def look_for(visit: Visit, section: Section, keys: set[str], near: int, query: ListQuery) -> dict[str, Entry]:
    """Return by key the entries that are still there, first where the list has shown them, then by their scores."""
    found = await look_near(source(visit, section, query), keys, near)
    jobs = section.jobs(visit.site.app)
    missing = map(read_score, keys - found.keys())
    for score in {score for score in missing if score is not None}:
        for entry in await jobs.fetch(score, limit=_MOST_OF_ONE_SCORE):
            if (key := row_key(entry)) in keys:
                found.setdefault(key, entry)
    return found


def source(visit: Visit, section: Section, query: ListQuery) -> SetSource:
    """Return a set as a list in the order that is asked for."""
    return SetSource(section.jobs(visit.site.app), earliest_first=section.earliest_first != query.is_reversed)


async def _do_to_one(
    visit: Visit, section: Section, key: str, action: str, verb: Callable[[Entry], Awaitable[bool]]
) -> Done:
    await visit.require(action, section.name)
    entry = (await look_for(visit, section, {key}, visit.hint, ListQuery.read({}))).get(key)
    doing: Doing | Done = Done.GONE if entry is None else partial(verb, entry)
    return await do_to_one(visit, action, f"{section.name} {key}", doing)


async def _act(entry: Entry, action: str, counts: Counts) -> None:
    try:
        counts.add(await _VERBS[action](entry))
    except NotEnqueued:
        counts.stopped += 1
    except StoreError as error:
        # The key of its queue may hold something else; all others are Redis' own trouble.
        if not isinstance(error, Refused) or error.code != "WRONGTYPE":
            raise
        counts.failed += 1
    except Exception as error:
        logger.warning("A job cannot be moved: %s", shown(f"{type(error).__name__}: {error}"))
        counts.failed += 1


async def _act_on_all(visit: Visit, section: Section, action: str, selection: Selection) -> ListOutcome:
    jobs, where = section.jobs(visit.site.app), selection.query.where

    async def run(progress: Progress, within: float) -> BulkOutcome:
        if action == "delete" and where is None and selection.after is None:
            return BulkOutcome(done=await jobs.clear())
        verbs = {
            "retry": jobs.retry_all,
            "enqueue": jobs.enqueue_all,
            "kill": jobs.kill_all,
            "delete": jobs.delete_all,
        }
        return await verbs[action](where=where, progress=progress, within=within, after=selection.after)

    outcome = ListOutcome()
    with visit.recording(action, section.name, outcome):
        await outcome.take(run)
    return outcome
