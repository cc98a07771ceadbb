"""All workloads, in the order in which they are run and shown."""

from benchmarks import (
    arguments,
    drain,
    enqueue,
    failing,
    idle,
    io_bound,
    job_log,
    job_threads,
    latency,
    memory,
    scale,
    schedule,
    size,
    stored,
    web,
    web_ui,
    workers,
)
from benchmarks.workload import Workload

WORKLOADS: dict[str, Workload] = {
    each.WORKLOAD.name: each.WORKLOAD
    for each in (
        drain,
        io_bound,
        job_threads,
        failing,
        enqueue,
        web,
        web_ui,
        latency,
        schedule,
        workers,
        size,
        idle,
        memory,
        stored,
        arguments,
        job_log,
        scale,
    )
}
