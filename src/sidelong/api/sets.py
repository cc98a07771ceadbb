"""The schedule, retry and dead sets: jobs with a time."""

from collections.abc import Mapping
from typing import Any

from sidelong.api import moves
from sidelong.api.job_set import JobSet
from sidelong.core import payload, serialization
from sidelong.errors import InvalidPayloadError
from sidelong.store import keys


class ScheduledSet(JobSet):
    """Jobs that were enqueued for later; the score is when."""

    name = keys.SCHEDULE


class RetrySet(JobSet):
    """Jobs that have failed and will be tried again; the score is when."""

    name = keys.RETRY


class DeadSet(JobSet):
    """Jobs that will not run again unless an operator wants it; the score is when they died."""

    name = keys.DEAD

    @property
    def max_jobs(self) -> int:
        """The setting `dead_max_jobs`; as in Sidekiq, one entry fewer is kept."""
        return self.app.config.dead_max_jobs

    @property
    def timeout(self) -> float:
        """The setting `dead_timeout`: seconds after which an entry is dropped."""
        return self.app.config.dead_timeout

    async def kill(
        self,
        job: Mapping[str, Any] | bytes | str,
        *,
        notify_failure: bool = True,
        trim: bool = True,
        ex: BaseException | None = None,
    ) -> None:
        """Put a payload into the dead set that is in none of the others, and call the death handlers of this process.

        An entry of a set is killed by `Entry.kill`, in one step.

        Redis: a script (ZADD; to trim ZREMRANGEBYSCORE and ZREMRANGEBYRANK), O(log n) and what is trimmed.

        Args:
            job: the payload, or its exact JSON.
            notify_failure: call the death handlers, if it is a job.
            trim: drop what is too old or too much.
            ex: what the handlers are given as the reason.

        Raises:
            ValueError: JSON cannot carry the payload.
        """
        if isinstance(job, Mapping):
            raw = serialization.dumps(dict(job))
        else:
            raw = job.encode() if isinstance(job, str) else job
        await self._pages.kill([raw], is_trimming=trim)
        if notify_failure:
            await moves.tell_death(self.app, _parsed(raw), ex)

    async def trim(self) -> int:
        """Drop what is too old or too much, as each insertion does, and return how many entries that were.

        Redis: a script (ZREMRANGEBYSCORE, ZREMRANGEBYRANK), O(log n) and what is trimmed.
        """
        return await self._pages.kill((), is_trimming=True)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        return payload.parse(raw)
    except InvalidPayloadError:
        return None
