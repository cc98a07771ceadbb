"""The jobs that Sidelong's workers have taken, also those that no heartbeat has told of yet."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.store.inflight import held_entries


@dataclass(frozen=True, slots=True)
class HeldJob:
    """One of them.

    Attributes:
        identity: the process that has it.
        record: the job.
        is_owner_alive: false where that process has died, and the job is about to go back to its queue.
    """

    identity: str
    record: JobRecord
    is_owner_alive: bool


async def held_jobs(app: Sidelong) -> AsyncIterator[HeldJob]:
    """Iterate over the jobs in the private lists of workers: those that run or are about to.

    Redis: SMEMBERS, then GET, SMEMBERS and LRANGE for every worker and queue: O(n) in the number of workers and
    running jobs.

    Raises:
        StoreError: Redis cannot be reached.
    """
    async for held in held_entries(app.store.admin):
        record = JobRecord(held.raw, held.queue, clock=app.store.clock)
        yield HeldJob(held.identity, record, held.is_owner_alive)
