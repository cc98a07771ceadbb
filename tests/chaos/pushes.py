"""Pushing with a record of it: what was tried, what Redis has for sure, and what nobody knows."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from uuid import uuid4

from sidelong import EnqueueUncertain, NotEnqueued, Sidelong
from tests.chaos.events import PUSH, PUSHED, REFUSED, UNSURE, words
from tests.chaos.mix import Planned
from tests.support.ledger import Ledger

_PAUSE = 0.05


def bulks(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Part jobs into those that can be pushed in one call; one that is due later stands by itself."""
    for _, together in groupby(sorted(planned, key=_likeness), key=_likeness):
        alike = list(together)
        if alike[0].delay:
            yield from ([each] for each in alike)
        else:
            yield alike


def _likeness(planned: Planned) -> tuple[object, ...]:
    return planned.job, planned.queue, planned.course.acks, planned.delay > 0


def item_of(app: Sidelong, planned: Planned) -> Mapping[str, object]:
    """Return what `push` takes."""
    due = {"at": app.client.clock.now() + planned.delay} if planned.delay else {}
    return {"class": app.registry.get(planned.job), "args": list(planned.args), "queue": planned.queue, **due}


def bulk_of(app: Sidelong, planned: Sequence[Planned]) -> Mapping[str, object]:
    """Return what `push_bulk` takes; all but the arguments are those of the first."""
    first = planned[0]
    args = [list(each.args) for each in planned]
    return {"class": app.registry.get(first.job), "args": args, "queue": first.queue}


async def push_until_known(app: Sidelong, ledger: Ledger, planned: Planned) -> None:
    """Push one job; while it is refused, which is safe to repeat, push it again under the same jid."""
    jid = uuid4().hex[:24]
    ledger.write(PUSH, jid, words_of(planned))
    while True:
        try:
            await app.client.push({**item_of(app, planned), "jid": jid})
        except NotEnqueued:
            ledger.write(REFUSED, jid)
            await asyncio.sleep(_PAUSE)
        except EnqueueUncertain:
            ledger.write(UNSURE, jid)
            return
        else:
            ledger.write(PUSHED, jid)
            return


async def push_bulk_until_known(app: Sidelong, ledger: Ledger, planned: Sequence[Planned]) -> None:
    """Push equal jobs with different arguments in one call; repeat it for those that were refused."""
    first, left = planned[0], list(planned)
    while left:
        try:
            jids = await app.client.push_bulk(bulk_of(app, left))
        except NotEnqueued as error:
            _note(ledger, PUSHED, error.enqueued, first)
            left = left[len(error.enqueued) :]
            ledger.write(REFUSED)
            await asyncio.sleep(_PAUSE)
        except EnqueueUncertain as error:
            _note(ledger, PUSHED, error.enqueued, first)
            _note(ledger, UNSURE, error.jids, first)
            return
        else:
            _note(ledger, PUSHED, [jid for jid in jids if jid], first)
            return


def _note(ledger: Ledger, event: str, jids: Sequence[str], planned: Planned) -> None:
    for jid in jids:
        ledger.write(event, jid, words_of(planned))


def words_of(planned: Planned) -> str:
    """Return what PUSH tells of a job."""
    course = planned.course
    return words(job=planned.job, acks=course.acks, fails=course.fails, ends=course.ends, queue=planned.queue)
