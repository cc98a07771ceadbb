"""How many workers are needed: figures for autoscalers, read from Redis whether or not a worker is up."""

from collections.abc import Collection
from dataclasses import dataclass

from sidelong.api import ProcessSet, Stats
from sidelong.app import Sidelong


@dataclass(frozen=True, slots=True)
class Scale:
    """What an autoscaler goes by.

    Attributes:
        latency: seconds for which the job has waited that has waited longest of those to be fetched next.
        queued: jobs that wait.
        active: jobs that run.
        capacity: how many can run at once.
        load: `(active + queued) / capacity`; None where nothing can run.
    """

    latency: float
    queued: int
    active: int
    capacity: int
    load: float | None


async def read_scale(app: Sidelong, queues: Collection[str] = ()) -> Scale:
    """Return what an autoscaler goes by.

    Paused queues are left out, as more workers would not help them; so are processes that fetch no more.

    Redis: as `Stats.queue_summaries` and an iteration of `ProcessSet`.

    Args:
        app: whose Redis it is.
        queues: the queues that are meant, and with them the processes that serve one of them; all if empty.

    Raises:
        StoreError: Redis cannot be reached, or refuses.
    """
    summaries = [each for each in await Stats(app).queue_summaries() if not each.is_paused]
    if queues:
        summaries = [each for each in summaries if each.name in queues]
    active = capacity = 0
    async for process in ProcessSet(app):
        if not process.is_quiet and (not queues or not set(queues).isdisjoint(process.queues)):
            active += process.busy
            capacity += process.concurrency
    queued = sum(each.size for each in summaries)
    return Scale(
        latency=max((each.latency for each in summaries), default=0.0),
        queued=queued,
        active=active,
        capacity=capacity,
        load=(active + queued) / capacity if capacity else None,
    )
