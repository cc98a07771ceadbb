"""What is told of counted calls: the measures of each workload, named as Sidelong's own are."""

import statistics
import time

from counting import Counted
from program import Measures, Settings


def plain_pace(calls: Counted) -> Measures:
    """Return how many jobs a second were called after the warm-up."""
    return {"jobs/s": calls.counted / calls.seconds}


def pace(calls: Counted) -> Measures:
    """Return the same with the processor time of one job."""
    return {**plain_pace(calls), "CPU µs/job": calls.cpu / calls.counted * 1e6}


def share_of_ideal(calls: Counted, settings: Settings) -> Measures:
    """Return the pace of jobs that wait, and how near it comes to all slots waiting all the time."""
    per_second = plain_pace(calls)["jobs/s"]
    return {"jobs/s": per_second, "% of ideal": per_second * settings["wait"] / settings["slots"] * 100}


def delays(calls: Counted) -> Measures:
    """Return how long jobs took to begin, given that each noted when it was enqueued."""
    cuts = statistics.quantiles([at - enqueued_at for at, enqueued_at in calls.records[calls.warm_up :]], n=100)
    return {"p50 µs": cuts[49] * 1e6, "p95 µs": cuts[94] * 1e6, "p99 µs": cuts[98] * 1e6}


def lateness(calls: Counted, due: float) -> Measures:
    """Return how long after the instant that all were due, in epoch seconds, the jobs began."""
    due_on_the_clock = time.perf_counter() + due - time.time()
    late = sorted((at - due_on_the_clock) * 1e3 for at, _ in calls.records[calls.warm_up :])
    return {"first ms": late[0], "median ms": statistics.median(late), "last ms": late[-1]}
