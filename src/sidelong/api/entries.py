"""One entry of the schedule, retry or dead set, and what an operator may do with it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sidelong.api import moves
from sidelong.api.instants import as_date
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.client.schedule import instant
from sidelong.core import serialization
from sidelong.errors import Refused
from sidelong.store.sets import Move


class Entry(JobRecord):
    """A job with a time, as it was when it was read.

    Each verb is one atomic step in Redis: it is done as a whole, or not at all. It is done only if the entry is still
    there with the same bytes and the same time; else, because a worker or another operator was faster, the answer is
    False.

    Every verb raises `StoreError` where Redis cannot be reached or refuses. After `Refused` and `Unavailable` the entry
    is where it was. After `ReplyLost` the step may have been done; asking again does no harm, and is answered with
    False if it was (`reschedule`: with True).

    Args:
        app: whose Redis it is in, and whose middleware and handlers are called.
        set_name: the set that holds it.
        value: its exact bytes.
        score: its time in epoch seconds.

    Attributes:
        set_name: `schedule`, `retry` or `dead`.
        score: epoch seconds of when it is to run, or when it died; other programs may write any number, infinity too.
    """

    def __init__(self, app: Sidelong, set_name: str, value: bytes, score: float) -> None:
        super().__init__(value, clock=app.store.clock)
        self.set_name = set_name
        self.score = score
        self._app = app

    @property
    def at(self) -> datetime | None:
        """The score as a date in UTC; None for what no calendar has."""
        return as_date(self.score)

    @property
    def id(self) -> str:
        """`<score>-<jid>`, as Sidekiq's pages write it; `JobSet.get` finds the entry again."""
        return f"{score_text(self.score)}-{self.jid}"

    async def delete(self) -> bool:
        """Delete the entry, whatever its bytes are.

        Redis: a script (ZSCORE, ZREM), O(log n).

        Returns:
            False if it was gone.
        """
        return await self._do(moves.deletion(self, self.score))

    async def reschedule(self, at: float | datetime) -> bool:
        """Give the entry another time; its bytes, by which Ruby finds it too, stay.

        Redis: a script (ZSCORE, ZADD), O(log n).

        Args:
            at: an aware datetime, or epoch seconds.

        Returns:
            False if it was gone. If True, `score` is the new one.

        Raises:
            TypeError: `at` is neither.
            ValueError: it has no time zone, or no calendar has it.
        """
        score = instant(at)
        is_done = await self._do(moves.rescheduling(self, self.score, score))
        if is_done:
            self.score = score
        return is_done

    async def add_to_queue(self) -> bool:
        """Let the job run now: move it onto its queue, as a poller does when its time has come.

        Client middleware runs once more, as at a push.

        Redis: a script (ZSCORE, LPUSH, SADD `queues`, ZREM), O(log n).

        Returns:
            False if it was gone.

        Raises:
            InvalidPayloadError: it is no JSON object, or names no possible queue: it can only be deleted or killed.
            NotEnqueued: a client middleware stopped it; the entry stays.
            Exception: what a client middleware raised; the entry stays.
        """
        return await self._do(await moves.enqueuing(self._app, self, self.score, is_retry=False))

    async def retry(self) -> bool:
        """Let the job run now, by an attempt that does not count: `retry_count` is lowered by one.

        Otherwise the same as `add_to_queue`.

        Redis: a script (ZSCORE, LPUSH, SADD `queues`, ZREM), O(log n).

        Returns:
            False if it was gone.

        Raises:
            InvalidPayloadError, NotEnqueued, Exception: as `add_to_queue`.
        """
        return await self._do(await moves.enqueuing(self._app, self, self.score, is_retry=True))

    async def kill(self) -> bool:
        """Move the entry to the dead set, byte for byte; then the death handlers of this process are called.

        For a member that is no JSON object there are none to call, nor if the reply is lost. The dead set is trimmed as
        usual.

        Redis: a script (ZSCORE, ZADD, ZREMRANGEBYSCORE, ZREMRANGEBYRANK, ZREM), O(log n) and what is trimmed.

        Returns:
            False if it was gone.
        """
        is_done = await self._do(moves.killing(self, self.score))
        if is_done:
            await moves.tell_death(self._app, self.item, None)
        return is_done

    async def edit(self, changes: Mapping[str, Any] | None = None, *, item: Mapping[str, Any] | None = None) -> bool:
        """Change the job and let it run now: the new payload enters its queue as the entry leaves the set.

        What is not changed stays as it is, but for `retry_count`, which is lowered as by `retry`. Client middleware
        runs once more.

        Redis: a script (ZSCORE, LPUSH, SADD `queues`, ZREM), O(log n).

        Args:
            changes: fields of the payload with their new values, such as `{"args": [1], "queue": "low"}`.
            item: a whole payload instead, to be taken as it is: the way to mend what is no JSON object.

        Returns:
            False if the entry was gone.

        Raises:
            TypeError: an argument or a field cannot travel as JSON, or has the wrong type.
            ValueError: a field is missing or has an impossible value, or the payload is too large.
            NotEnqueued: a client middleware stopped it; the entry stays.
            Exception: what a client middleware raised; the entry stays.
        """
        edited = moves.edited(self, changes, item)
        if changes is not None and "retry_count" not in changes:
            moves.lower_retry_count(edited)
        return await self._do(await moves.replacing(self._app, self, self.score, edited))

    async def _do(self, move: Move) -> bool:
        (answer,) = await moves.carry_out(self._app, self.set_name, [move])
        if isinstance(answer, Refused):
            raise answer
        return answer


def score_text(score: float) -> str:
    """Return a score as Ruby writes it."""
    if math.isinf(score):
        return "Infinity" if score > 0 else "-Infinity"
    return serialization.dumps(score).decode()
