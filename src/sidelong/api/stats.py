"""How much was done, how much waits and how much runs: now, and day by day."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.store import keys
from sidelong.store.statistics import Members, Statistics

_COUNTERS: Final = {"processed": keys.PROCESSED, "failed": keys.FAILED}
_MOST_DAYS: Final = 1825
"""Daily counters live for five years."""

Counter = Literal["processed", "failed"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What `Stats.fetch` found.

    Attributes:
        processed: executions since the last reset, failed ones included.
        failed: executions that raised.
        scheduled_size: jobs in the schedule.
        retry_size: jobs that wait for another attempt.
        dead_size: dead jobs.
        processes_size: processes listed, of which some may have died a moment ago.
        default_queue_latency: seconds for which the next job of `default` has waited.
        enqueued: jobs in all queues; None where only the fast ones were asked for.
        workers_size: jobs that run, by the last heartbeats; likewise.
        queues: size by name, the longest first; likewise.
        errors: what Redis said about keys that cannot be read, and count as empty here.
    """

    processed: int
    failed: int
    scheduled_size: int
    retry_size: int
    dead_size: int
    processes_size: int
    default_queue_latency: float
    enqueued: int | None = None
    workers_size: int | None = None
    queues: dict[str, int] | None = None
    errors: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """One queue at a glance.

    Attributes:
        name: its name.
        size: how many jobs wait.
        latency: seconds for which the next job has waited.
        is_paused: whether workers leave it alone.
        error: what Redis said if it cannot be read.
        pause_error: what Redis said if it cannot be read which queues are paused; workers pause none then.
    """

    name: str
    size: int
    latency: float
    is_paused: bool
    error: str | None = None
    pause_error: str | None = None


class Stats:
    """Counters and sizes of one Redis. Every method raises `StoreError` where Redis cannot be reached or refuses.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app
        self._members = Members()

    async def fetch(self, *, slow: bool = True) -> Figures:
        """Return what the counters and sizes are now.

        Redis: one round trip of GET, ZCARD, SCARD and LINDEX, O(1). With `slow` also SMEMBERS of `queues` and
        `processes`, LLEN for every queue and HGET for every process: O(n) in their numbers. Those that this object has
        met before are asked in the same round trip, others in a second one.

        Args:
            slow: also `enqueued`, `workers_size` and `queues`.
        """
        totals = await self._statistics.totals(DEFAULT_QUEUE, self._members if slow else None)
        sizes = enqueued = None
        if totals.queues is not None:
            ordered = sorted(totals.queues, key=lambda queue: (-queue.size, queue.name))
            sizes = {queue.name: queue.size for queue in ordered}
            enqueued = sum(sizes.values())
        return Figures(
            processed=totals.numbers[keys.PROCESSED],
            failed=totals.numbers[keys.FAILED],
            scheduled_size=totals.numbers[keys.SCHEDULE],
            retry_size=totals.numbers[keys.RETRY],
            dead_size=totals.numbers[keys.DEAD],
            processes_size=totals.numbers[keys.PROCESSES],
            default_queue_latency=self._latency(totals.oldest),
            enqueued=enqueued,
            workers_size=totals.busy,
            queues=sizes,
            errors=tuple(totals.errors),
        )

    async def queue_summaries(self) -> list[QueueSummary]:
        """Return every queue with its size, latency and whether it is paused, the longest first.

        Redis: SMEMBERS of `queues` and `paused`, then LLEN and LINDEX for every queue: O(n) in their number.

        Raises:
            Refused: it cannot be read which queues there are.
        """
        statistics = self._statistics
        names = await statistics.queues()
        paused, pause_error = await statistics.paused()
        summaries = [
            QueueSummary(
                queue.name, queue.size, self._latency(queue.oldest), queue.name in paused, queue.error, pause_error
            )
            for queue in await statistics.heads(await statistics.sizes(names))
        ]
        return sorted(summaries, key=lambda summary: (-summary.size, summary.name))

    async def reset(self, *counters: Counter) -> None:
        """Set `processed`, `failed`, or both if none is named, to 0; the history stays.

        Redis: MSET, O(1).

        Raises:
            ValueError: there is no such counter.
        """
        for counter in counters:
            if counter not in _COUNTERS:
                raise ValueError(f"there is no counter {counter!r}: name 'processed', 'failed' or none")
        await self._statistics.reset([_COUNTERS[counter] for counter in counters or _COUNTERS])

    def _latency(self, oldest: bytes | None) -> float:
        return 0.0 if oldest is None else JobRecord(oldest, clock=self.app.store.clock).latency

    @property
    def _statistics(self) -> Statistics:
        return Statistics(self.app.store.admin)


class History:
    """What was processed and failed on each day, in UTC. Making this object asks Redis nothing.

    Args:
        app: whose Redis it is.
        days: how many days, 1 to 1825.
        start: the last of these days; today if not given.

    Raises:
        ValueError: `days` is out of range, or they begin before the year 1.
    """

    def __init__(self, app: Sidelong, days: int = 30, start: date | None = None) -> None:
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= _MOST_DAYS:
            raise ValueError(f"days must be a whole number from 1 to {_MOST_DAYS}, not {days!r}")
        if start is not None and start.toordinal() < days:
            raise ValueError(f"there are no {days} days up to {start}")
        self.app = app
        self.days = days
        self.start = start

    async def processed(self) -> dict[date, int]:
        """Return how many executions there were on each day, the last day first.

        Redis: MGET, O(n) in the number of days.
        """
        return await self._read(keys.PROCESSED)

    async def failed(self) -> dict[date, int]:
        """Return how many executions raised on each day, the last day first.

        Redis: MGET, O(n) in the number of days.
        """
        return await self._read(keys.FAILED)

    async def _read(self, counter: str) -> dict[date, int]:
        last = self.start or datetime.fromtimestamp(self.app.store.clock.now(), UTC).date()
        days = [last - timedelta(days=ago) for ago in range(self.days)]
        counts = await Statistics(self.app.store.admin).days(counter, [day.strftime("%Y-%m-%d") for day in days])
        return dict(zip(days, counts, strict=True))
