"""Worker processes, and what they run, in the JSON API."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException

from sidelong.api.instants import as_date
from sidelong.api.processes import Process, ProcessSet
from sidelong.web.actions import processes
from sidelong.web.actions.processes import Told
from sidelong.web.api.endpoint import PREFIX, Endpoint, endpoint
from sidelong.web.api.jobs import cut
from sidelong.web.places import write_segment
from sidelong.web.visit import Visit, not_found

_MOST: Final = 1_000
_MOST_NAMES: Final = 100


class WorkerProcess(Struct, kw_only=True):
    """A worker process, by its last heartbeat.

    Attributes:
        identity: what it is known by.
        url: where it is told of.
        hostname: its machine.
        pid: its number there.
        tag: what its operator calls the application.
        labels: what its operator calls it.
        version: of what it runs; empty where it does not tell.
        started_at: when it started.
        beat: when its last heartbeat was.
        queues: those that it serves.
        concurrency: how many jobs it runs at once at most.
        busy: how many it runs.
        processed: how many jobs ended there since it started; null where it does not tell.
        failed: how many of them failed; likewise.
        rss_kb: its memory in KB; 0 where it does not tell.
        rtt_us: how long Redis took to answer it, in microseconds.
        lag_ms: how late its event loop ran, in milliseconds; null where it does not tell.
        quiet: whether it fetches no more jobs.
        embedded: whether it runs inside another program, which alone may steer it.
        leader: whether it is the leader.
        error: why its record cannot be read; null if it can.
    """

    identity: str
    url: str
    hostname: str
    pid: int
    tag: str
    labels: list[str]
    version: str
    started_at: datetime | None
    beat: datetime | None
    queues: list[str]
    concurrency: int
    busy: int
    processed: int | None
    failed: int | None
    rss_kb: int
    rtt_us: int
    lag_ms: int | None
    quiet: bool
    embedded: bool
    leader: bool
    error: str | None


class WorkerCapsule(Struct, kw_only=True):
    """A part of a worker process that has slots and queues of its own.

    Attributes:
        name: its name.
        concurrency: how many jobs it runs at once at most.
        mode: `strict`, `weighted` or `random`: the order in which it serves its queues; empty where it does not tell.
        weights: of its queues; 0 in strict order.
    """

    name: str
    concurrency: int
    mode: str
    weights: dict[str, int]


class WorkerProcessDetail(WorkerProcess, kw_only=True):
    """All that a worker process tells of itself.

    Attributes:
        weights: of its queues; 0 in strict order.
        capsules: its capsules; none where it does not tell.
        job_classes: the classes that it can run; null where it does not tell, as Ruby's do not.
    """

    weights: dict[str, int]
    capsules: list[WorkerCapsule]
    job_classes: list[str] | None


class WorkerProcesses(Struct, kw_only=True):
    """The worker processes.

    Attributes:
        processes: a thousand at most.
        size: how many there are.
    """

    processes: list[WorkerProcess]
    size: int


class Signalled(Struct, kw_only=True):
    """Processes were told something; they heed it with their next heartbeat at the latest.

    Attributes:
        told: how many.
    """

    told: int


async def list_processes(visit: Visit) -> WorkerProcesses:
    """List the worker processes of either language."""
    living = [process async for process in ProcessSet(visit.site.app)]
    processes = [WorkerProcess(**_fields(visit, each)) for each in living[:_MOST]]
    return WorkerProcesses(processes=processes, size=len(living))


async def get_process(visit: Visit) -> WorkerProcessDetail:
    """Tell all of one worker process."""
    process = await ProcessSet(visit.site.app).get(visit.names["process"]) or not_found()
    classes = process.job_classes
    return WorkerProcessDetail(
        **_fields(visit, process),
        weights=_weights(process.weights),
        capsules=[
            WorkerCapsule(
                name=cut(name),
                concurrency=capsule["concurrency"],
                mode=cut(capsule["mode"]),
                weights=_weights(capsule["weights"]),
            )
            for name, capsule in islice(process.capsules.items(), _MOST_NAMES)
        ],
        job_classes=None if classes is None else [cut(name) for name in classes[:_MOST]],
    )


def _of_one(action: str, summary: str) -> Endpoint:
    async def tell(visit: Visit) -> Signalled:
        told = await processes.tell(visit, visit.names["process"], action)
        if told is Told.GONE:
            not_found()
        if told is Told.EMBEDDED:
            raise HTTPException(409, "it is embedded in another program, which alone may steer it")
        return Signalled(told=1)

    path = f"/processes/{{process}}/{action}"
    return endpoint("POST", path, "busy", tell, name=f"{action}_process", summary=summary, faults=[404, 409])


def _of_all(action: str, summary: str) -> Endpoint:
    async def tell(visit: Visit) -> Signalled:
        return Signalled(told=await processes.tell_all(visit, action))

    return endpoint("POST", f"/processes/{action}", "busy", tell, name=f"{action}_processes", summary=summary)


def _fields(visit: Visit, process: Process) -> dict[str, Any]:
    return {
        "identity": cut(process.identity),
        "url": visit.place.url(f"{PREFIX}/processes/{write_segment(process.identity)}"),
        "hostname": cut(process.hostname),
        "pid": process.pid,
        "tag": cut(process.tag),
        "labels": [cut(label) for label in process.labels[:_MOST_NAMES]],
        "version": cut(process.version),
        "started_at": as_date(process.started_at),
        "beat": as_date(process.beat),
        "queues": [cut(name) for name in process.queues[:_MOST_NAMES]],
        "concurrency": process.concurrency,
        "busy": process.busy,
        "processed": process.processed,
        "failed": process.failed,
        "rss_kb": process.rss,
        "rtt_us": process.rtt_us,
        "lag_ms": process.lag_ms,
        "quiet": process.is_quiet,
        "embedded": process.is_embedded,
        "leader": process.is_leader,
        "error": None if process.fault is None else cut(process.fault),
    }


def _weights(weights: Mapping[str, int]) -> dict[str, int]:
    return {cut(name): weight for name, weight in islice(weights.items(), _MOST_NAMES)}


ENDPOINTS: Final = (
    endpoint("GET", "/processes", "busy", list_processes),
    endpoint("GET", "/processes/{process}", "busy", get_process, faults=[404]),
    _of_all("quiet", "Let all processes that take signals fetch no more jobs."),
    _of_all("stop", "Let all processes that take signals end."),
    _of_one("quiet", "Let a process fetch no more jobs, and finish those that it has."),
    _of_one("stop", "Let a process end; jobs that do not finish in time go back to their queues."),
    _of_one("dump", "Let a process log what each of its tasks or threads is doing."),
)
