"""Pushing with a record of it: what was tried, what Redis has for sure, and what nobody knows."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from sidelong import EnqueueUncertain, NotEnqueued, Sidelong
from tests.chaos.events import PUSH, PUSHED, REFUSED, UNSURE, words
from tests.chaos.mix import Planned
from tests.support.ledger import Ledger

_PAUSE = 0.05


async def push_until_known(app: Sidelong, ledger: Ledger, planned: Planned) -> None:
    """Push one job; while it is refused, which is safe to repeat, push it again under the same jid."""
    jid = uuid4().hex[:24]
    item = {"class": app.registry.get(planned.job), "args": list(planned.args), "jid": jid, "queue": planned.queue}
    ledger.write(PUSH, jid, words_of(planned))
    while True:
        due = {"at": app.client.clock.now() + planned.delay} if planned.delay else {}
        try:
            await app.client.push({**item, **due})
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
        bulk = {"class": app.registry.get(first.job), "args": [list(each.args) for each in left], "queue": first.queue}
        try:
            jids = await app.client.push_bulk(bulk)
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
    return words(job=planned.job, acks=course.acks, fails=course.fails, ends=course.ends)
