"""What runs at this moment, by the last heartbeats."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sidelong.api.instants import read_instant
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core import serialization
from sidelong.core.clock import Clock
from sidelong.errors import InvalidPayloadError
from sidelong.store.process_records import ProcessRecords, WorkEntry


@dataclass(frozen=True, slots=True)
class Work:
    """One running job.

    Attributes:
        identity: the process that runs it.
        tid: what tells it from the others of that process: a thread or a task.
        queue: the queue it came from.
        run_at: when it was started, in epoch seconds; None if the entry does not tell.
        record: the job; where the entry cannot be read, its bytes, with a `fault`.
    """

    identity: str
    tid: str
    queue: str
    run_at: float | None
    record: JobRecord


class WorkSet:
    """The jobs that run. Every method raises `StoreError` where Redis cannot be reached or refuses.

    Processes tell what they run with each heartbeat, every 5 or 10 s: short jobs are hardly ever seen.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def __aiter__(self) -> AsyncIterator[Work]:
        """Iterate over the running jobs, the one that has run for longest first.

        Redis: SSCAN, and HGETALL of two hashes for every process, in round trips of 100 processes: O(n) in the number
        of processes and running jobs.
        """
        for work in await self._of(await self._records.identities()):
            yield work

    async def of_process(self, identity: str) -> list[Work]:
        """Return what one process runs, the job that has run for longest first.

        Redis: HGETALL of two hashes, O(n) in the number of its running jobs.

        Args:
            identity: which process; it need not be alive.
        """
        return await self._of([identity])

    async def size(self) -> int:
        """Return how many jobs run.

        Redis: SSCAN, and HMGET for every process, O(n) in their number.
        """
        records = self._records
        return await records.busy(await records.identities())

    async def find_work(self, jid: str) -> Work | None:
        """Return the running job with this id; None if no heartbeat has told of it.

        Redis: as iterating, O(n).
        """
        async for work in self:
            if jid and work.record.jid == jid:
                return work
        return None

    async def _of(self, identities: Sequence[str]) -> list[Work]:
        works = [_read(entry, self.app.store.clock) for entry in await self._records.work(identities)]
        return sorted(works, key=lambda work: (work.run_at or 0.0, work.identity, work.tid))

    @property
    def _records(self) -> ProcessRecords:
        return ProcessRecords(self.app.store.admin, self.app.store.scripts)


def _read(entry: WorkEntry, clock: Clock) -> Work:
    try:
        item = serialization.loads(entry.value)
    except InvalidPayloadError:
        item = None
    if type(item) is not dict:
        return Work(entry.identity, entry.tid, "", None, JobRecord(entry.value, "", clock=clock))
    queue, payload = item.get("queue"), item.get("payload")
    named = queue if type(queue) is str else ""
    # Old versions wrote the job itself where newer ones write its text.
    raw = payload.encode() if type(payload) is str else serialization.dumps(payload)
    return Work(entry.identity, entry.tid, named, read_instant(item.get("run_at")), JobRecord(raw, named, clock=clock))
