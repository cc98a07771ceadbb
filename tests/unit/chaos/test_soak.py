from collections.abc import Callable

import pytest

from tests.chaos.samples import Row
from tests.chaos.soak import WORKERS, Soaked, judge

Growth = Callable[[float], float]

LENGTH = 1_800


def row(seconds: float, **changes: float) -> Row:
    """Return a sample of workers that use the same at any time."""
    found: Row = {"seconds": seconds, "producer memory_mb": 36.0, "producer cpu_seconds": seconds / 10}
    for name in WORKERS:
        found |= {
            f"{name} memory_mb": 40.0,
            f"{name} descriptors": 16,
            f"{name} connections": 9,
            f"{name} tasks": 20,
            f"{name} threads": 12,
            f"{name} service_threads": 3,
            f"{name} cpu_seconds": seconds / 5,
            f"{name} log_bytes": int(seconds * 500),
            f"{name} log_lines": int(seconds * 8),
        }
    found |= {f"redis {field}": 0 for field in ("queued", "in_flight", "scheduled", "retries")}
    found |= {"redis memory_mb": 2.6, "redis keys": 28, "redis processed": int(seconds * 500), "redis failed": 7}
    return found | changes


def soaked(column: str = "redis dead", value: Growth = lambda seconds: 500, length: int = LENGTH) -> Soaked:
    """Return a run in which one column goes its own way."""
    rows = [row(float(second), **{column: value(float(second))}) for second in range(length + 1)]
    return Soaked(
        seconds=length,
        rows=rows,
        idle=row(0.0),
        rested=row(float(length)),
        last=rows[-1],
        ended=length,
        told={"jobs": length * 450, "processed": length * 500, "failed": 7},
        ends=dict.fromkeys(WORKERS, 0),
        logs=dict.fromkeys(WORKERS, "INFO all is well\n"),
    )


def violated(run: Soaked) -> set[str]:
    return {violation.invariant for violation in judge(run).violations}


def test_a_run_in_which_nothing_grows_is_clean() -> None:
    verdict = judge(soaked())

    assert verdict.is_clean, verdict.violations
    assert verdict.figures["jobs/s"] == 500


@pytest.mark.parametrize(
    ("column", "value", "invariant"),
    [
        ("worker 1 memory_mb", lambda seconds: 40 + 4 * seconds / LENGTH, "memory"),
        ("producer memory_mb", lambda seconds: 36 + 4 * seconds / LENGTH, "memory"),
        ("worker 2 descriptors", lambda seconds: 16 + (seconds > 900) * 3, "constant"),
        ("worker 1 connections", lambda seconds: 9 + (seconds > 900) * 3, "constant"),
        ("worker 1 tasks", lambda seconds: 20 + seconds / 100, "constant"),
        ("worker 2 threads", lambda seconds: 12 + seconds // 50, "bound"),
        ("worker 1 service_threads", lambda seconds: 3 + seconds // 300, "constant"),
        ("redis keys", lambda seconds: 28 + seconds / 200, "constant"),
        ("redis keys", lambda seconds: 28 + (seconds == 7) * 13, "bound"),
        ("redis memory_mb", lambda seconds: 2.6 + seconds / 400, "constant"),
        ("worker 2 log_bytes", lambda seconds: seconds * 2_100, "log"),
    ],
)
def test_what_grows_is_found(column: str, value: Growth, invariant: str) -> None:
    assert violated(soaked(column, value)) == {invariant}


def test_what_is_used_up_while_warming_is_no_growth() -> None:
    run = soaked("worker 1 memory_mb", lambda seconds: min(40.0, 20 + seconds))

    assert violated(run) == set()


def test_a_short_run_may_grow_by_a_few_megabytes() -> None:
    assert violated(soaked("worker 1 memory_mb", lambda seconds: 40 + seconds / 4, length=15)) == set()
    assert violated(soaked("worker 1 memory_mb", lambda seconds: 40 + seconds, length=15)) == {"memory"}


@pytest.mark.parametrize("field", ["tasks", "connections", "descriptors"])
def test_what_a_worker_at_rest_still_has_is_found(field: str) -> None:
    run = soaked()
    run.rested[f"worker 2 {field}"] += 5

    assert violated(run) == {"idle"}


@pytest.mark.parametrize("counter", ["processed", "failed"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_counter_that_is_wrong_by_one_is_found(counter: str, by: int) -> None:
    run = soaked()
    run.told[counter] += by

    assert violated(run) == {"counters"}


@pytest.mark.parametrize("place", ["queued", "in_flight", "scheduled", "retries"])
def test_a_job_that_is_left_is_found(place: str) -> None:
    run = soaked()
    run.last = run.last | {f"redis {place}": 1}

    assert violated(run) == {"rest"}


def test_left_keys_bad_ends_and_complaints_in_the_log_are_found() -> None:
    run = soaked()
    run.leaks = ["'odd': is a list that the catalogue does not know"]
    run.ends["worker 1"] = 1
    run.logs["worker 2"] += "ERROR asyncio: Task was destroyed but it is pending!\n"

    verdict = judge(run)

    assert [violation.invariant for violation in verdict.violations] == ["log", "keys", "exit"]
    assert verdict.violations[0].text == "worker 2 says: ERROR asyncio: Task was destroyed"
