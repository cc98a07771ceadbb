"""Arguments: what it costs to check and convert those of one job, without Redis."""

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, tell
from sidelong import Sidelong


@dataclass
class Order:
    """Three fields, none of which is JSON."""

    id: UUID
    placed: datetime
    total: Decimal


async def bare(order, note, options): ...  # type: ignore[no-untyped-def]


async def plain(order: int, note: str, options: dict[str, Any]) -> None: ...


async def moment(at: datetime) -> None: ...


async def record(order: Order) -> None: ...


_NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
_JOBS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "bare": (bare, (1, "soon", {"gift": True})),
    "plain": (plain, (1, "soon", {"gift": True})),
    "moment": (moment, (_NOW,)),
    "record": (record, (Order(uuid4(), _NOW, Decimal("9.90")),)),
}


def measure(settings: Settings) -> Measures:
    """Bind and convert the same arguments again and again, and return the time of each."""
    function, args = _JOBS[settings["job"]]
    jobs = settings["jobs"]
    job = Sidelong(settings["url"]).job(name=settings["job"])(function)
    stored = job.bind(args)
    given = timeit.timeit(lambda: job.bind(args), number=jobs)
    taken = timeit.timeit(lambda: job.convert(stored), number=jobs)
    return {
        "ns at the call": given / jobs * 1e9,
        "ns before the run": taken / jobs * 1e9,
        "jobs/s": jobs / (given + taken),
    }


_LEAST = "no annotations"

WORKLOAD = Workload(
    name="arguments",
    about="arguments are checked and converted, without Redis",
    cases=(
        Case(_LEAST, {"job": "bare"}, 200_000),
        Case("int, str and dict", {"job": "plain"}, 200_000, to=_LEAST),
        Case("a datetime", {"job": "moment"}, 200_000, to=_LEAST),
        Case("a dataclass of three fields", {"job": "record"}, 100_000, to=_LEAST),
    ),
    measure="jobs/s",
    module="benchmarks.arguments",
    quick=1_000,
)


if __name__ == "__main__":
    tell(measure(read_settings()))
