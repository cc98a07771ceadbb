"""What is to be reached, as data, and what was.

A target compares one figure of Sidelong with one of somebody else, or with a bound. Where both stand in one case, they
are divided round by round, and the median of these ratios counts; else the medians are divided. To correct a name, or
to move a bound, edit `TARGETS`.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contestants import FIRST, FLOOR, REDIS_PY
from benchmarks.peers import PEERS, RUBY
from benchmarks.report import called, rounded
from benchmarks.rounds import Result

Results = Mapping[tuple[str, str], Result]
"""Workload and case to what they gave."""

BEST_PYTHON = "the best Python peer"
BEST_ASYNC = "the best async Python peer"
BEST = "the best peer"
IDEAL = "ideal"

_PYTHON = [peer.name for peer in PEERS]
_GROUPS: Mapping[str, Sequence[str]] = {
    BEST_PYTHON: _PYTHON,
    BEST_ASYNC: [peer.name for peer in PEERS if peer.is_async],
    BEST: [*_PYTHON, RUBY.name],
}
_CALLED = {
    FLOOR: "the floor",
    IDEAL: "the ideal, or of what the floor reaches where that is less",
}


@dataclass(frozen=True)
class Target:
    """Something to be reached. Exactly one of the bounds is given.

    Attributes:
        name: what the table shows.
        workload: where the figure stands.
        case: where the figure stands.
        against: whom it is divided by: a contestant, one of the groups above, or `IDEAL` for a measure in per cent;
            empty if the figure itself counts.
        at_least: the bound, where more is better.
        at_most: the bound, where less is better.
        measure: which figure; the one that the workload compares if empty.
        against_workload: the workload of the other figure, if not the same.
        against_case: its case, if not the same.
        against_measure: which figure of the other, if not the same.
        unit: what follows the number, where the other contestant does not say it.
        is_strict: whether the bound itself is not enough.
    """

    name: str
    workload: str
    case: str
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None
    measure: str = ""
    against_workload: str = ""
    against_case: str = ""
    against_measure: str = ""
    unit: str = ""
    is_strict: bool = False

    @property
    def bound(self) -> float:
        """The one of the two that is given."""
        bound = self.at_least if self.at_most is None else self.at_most
        assert bound is not None
        return bound

    @property
    def aim(self) -> str:
        """What is to be reached, in words."""
        if self.is_strict:
            words = "more than" if self.at_most is None else "less than"
        else:
            words = "at least" if self.at_most is None else "at most"
        return f"{words} {self.amount(self.shown_bound)}"

    @property
    def shown_bound(self) -> str:
        """The bound as a number for people."""
        return f"{self.bound:.2f}" if self.against and self.bound <= 1 else f"{self.bound:,.4g}"

    def amount(self, number: str) -> str:
        """Return a number with what it counts."""
        if self.unit:
            return f"{number} {self.unit}"
        other = _CALLED.get(self.against, called(self.against))
        return f"{number} of {other}" if self.bound < 1 else f"{number} times {other}"

    def is_met_by(self, figure: float) -> bool:
        """Return whether the figure is on the right side of the bound."""
        if self.is_strict and figure == self.bound:
            return False
        return figure >= self.bound if self.at_most is None else figure <= self.bound


@dataclass(frozen=True)
class Reached:
    """What became of a target.

    Attributes:
        target: which one.
        figure: what was reached.
        other: the contestant of a group that it was divided by; empty if it was no group.
    """

    target: Target
    figure: float
    other: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        return self.target.is_met_by(self.figure)

    @property
    def number(self) -> str:
        """The figure, with as many digits as it takes to tell it from a bound that was missed."""
        number = rounded(self.figure)
        return f"{self.figure:,.5g}" if number == rounded(self.target.bound) and not self.is_met else number

    @property
    def words(self) -> str:
        """What was reached, in words."""
        return self.target.amount(self.number) + (f" ({called(self.other)})" if self.other else "")


def reach(target: Target, results: Results) -> Reached | None:
    """Return what became of a target, or None if the results have no figures for it."""
    own = results.get((target.workload, target.case))
    other = results.get((target.against_workload or target.workload, target.against_case or target.case))
    if own is None or other is None:
        return None
    measure = target.measure or own.measure
    mine = _figures(own, FIRST, measure)
    if not mine:
        return None
    if not target.against:
        return Reached(target, statistics.median(mine))
    if target.against == IDEAL:
        # The figure is in per cent of the ideal, and so is the floor's.
        floor = _figures(other, FLOOR, measure) or [100.0] * len(mine)
        return Reached(target, statistics.median(one / min(100.0, two) for one, two in zip(mine, floor, strict=True)))
    contestant = _rival(target, other, target.against_measure or measure)
    theirs = _figures(other, contestant, target.against_measure or measure)
    if not theirs or not all(theirs):
        return None
    if own is other and len(mine) == len(theirs):
        figure = statistics.median(one / two for one, two in zip(mine, theirs, strict=True))
    else:
        figure = statistics.median(mine) / statistics.median(theirs)
    return Reached(target, figure, contestant if target.against in _GROUPS else "")


def reach_all(targets: Iterable[Target], results: Results) -> tuple[list[Reached], list[Target]]:
    """Return what became of the targets, and those for which there are no figures."""
    found = [(target, reach(target, results)) for target in targets]
    return [reached for _, reached in found if reached], [target for target, reached in found if reached is None]


def _rival(target: Target, result: Result, measure: str) -> str:
    """Return the contestant itself, or the best of a group; empty if none of the group has figures."""
    group = _GROUPS.get(target.against)
    if group is None:
        return target.against
    medians = {name: statistics.median(found) for name in group if (found := _figures(result, name, measure))}
    best = max if target.at_most is None else min
    return best(medians, key=lambda name: medians[name], default="")


def _figures(result: Result, contestant: str, measure: str) -> list[float]:
    runs = result.runs.get(contestant, [])
    return [run[measure] for run in runs] if all(measure in run for run in runs) else []


_TEN, _HUNDRED = "10 slots, one queue", "100 slots, one queue"
_TEN_WEIGHTED, _HUNDRED_WEIGHTED = "10 slots, four weighted queues", "100 slots, four weighted queues"
_ONE_BY_ONE, _AT_ONCE, _MANY = "one by one", "50 coroutines at once", "enqueue_many"
_MILLION, _THOUSAND, _SIZE_UNIT = "1 million each", "1 thousand each", "times that with a thousand"
_IDLE_ONE, _IDLE_FOUR = "one queue", "last of four queues"

TARGETS = (
    Target("drain, 100 slots", "drain", _HUNDRED, FLOOR, at_least=0.60),
    Target("drain, 100 slots", "drain", _HUNDRED, BEST_PYTHON, at_least=10),
    Target("drain, 100 slots", "drain", _HUNDRED, RUBY.name, at_least=5),
    Target("drain, 10 slots", "drain", _TEN, FLOOR, at_least=0.60),
    Target("drain, 10 slots", "drain", _TEN, BEST_PYTHON, at_least=6),
    Target("drain, 10 slots", "drain", _TEN, RUBY.name, at_least=2),
    Target(
        "drain, 100 slots, four weighted queues",
        "drain",
        _HUNDRED_WEIGHTED,
        FIRST,
        at_least=0.80,
        against_case=_HUNDRED,
        unit="of one queue",
    ),
    Target(
        "drain, 10 slots, four weighted queues",
        "drain",
        _TEN_WEIGHTED,
        FIRST,
        at_least=0.80,
        against_case=_TEN,
        unit="of one queue",
    ),
    Target("io, 100 slots", "io", "100 slots", IDEAL, at_least=0.80, measure="% of ideal"),
    Target("io, 1,000 slots", "io", "1,000 slots", IDEAL, at_least=0.80, measure="% of ideal"),
    Target("enqueue, one by one", "enqueue", _ONE_BY_ONE, REDIS_PY, at_least=0.85),
    Target("enqueue, one by one", "enqueue", _ONE_BY_ONE, BEST_ASYNC, at_least=1, is_strict=True),
    Target(
        "enqueue, 50 coroutines at once",
        "enqueue",
        _AT_ONCE,
        FIRST,
        at_least=5,
        against_case=_ONE_BY_ONE,
        unit="times one by one",
    ),
    Target("enqueue, 50 coroutines at once", "enqueue", _AT_ONCE, BEST_PYTHON, at_least=4),
    Target("enqueue_many", "enqueue", _MANY, FLOOR, at_least=0.70),
    Target("enqueue_many", "enqueue", _MANY, RUBY.name, at_least=1, unit="times Ruby's push_bulk"),
    Target("latency, idle worker, p50", "latency", _IDLE_ONE, FLOOR, at_most=1.5, measure="p50 µs"),
    Target("latency, idle worker, p50", "latency", _IDLE_ONE, BEST, at_most=1, measure="p50 µs", is_strict=True),
    Target("latency, idle worker, p99", "latency", _IDLE_ONE, FLOOR, at_most=3, measure="p99 µs"),
    Target(
        "latency, last of four queues, p50",
        "latency",
        _IDLE_FOUR,
        FIRST,
        at_most=1.2,
        measure="p50 µs",
        against_case=_IDLE_ONE,
        unit="times one queue",
    ),
    Target("schedule, first of 5,000", "schedule", "5,000 due", at_most=100, measure="first ms", unit="ms late"),
    Target("schedule, last of 5,000", "schedule", "5,000 due", at_most=1_000, measure="last ms", unit="ms late"),
    Target(
        "failing, 100 slots",
        "failing",
        "100 slots",
        FIRST,
        at_least=0.30,
        measure="jobs/s",
        against_workload="drain",
        against_case=_HUNDRED,
        unit="of drain",
    ),
    Target(
        "two workers, jobs that wait",
        "workers",
        "10 ms of waiting, 2 workers",
        FIRST,
        at_least=1.7,
        against_case="10 ms of waiting, 1 worker",
        unit="times one worker",
    ),
    Target("a million entries, time", "size", _MILLION, FIRST, at_most=1.15, against_case=_THOUSAND, unit=_SIZE_UNIT),
    Target(
        "a million entries, CPU",
        "size",
        _MILLION,
        FIRST,
        at_most=1.15,
        measure="CPU µs/job",
        against_case=_THOUSAND,
        unit=_SIZE_UNIT,
    ),
    *(
        Target(f"idle, {words}, commands", "idle", words, at_most=most, measure="commands/s", unit="a second")
        for words, most in (("1 queue", 3), ("10 queues", 13), ("50 queues", 53))
    ),
    *(
        Target(f"idle, {words}, CPU", "idle", words, at_most=1, measure="CPU %", unit="% of a core")
        for words in ("1 queue", "10 queues", "50 queues")
    ),
    Target("memory, growth from 10 % on", "memory", "a million jobs", at_most=5, measure="% growth", unit="%"),
    Target("memory of a worker", "memory", "a million jobs", at_most=60, measure="MB after 100 %", unit="MB"),
    Target("web UI, slowest page", "web-ui", _MILLION, at_most=300, measure="slowest page ms", unit="ms"),
    Target("web UI, slowest filter", "web-ui", _MILLION, at_most=1_000, measure="slowest filter ms", unit="ms"),
    Target("web UI, memory growth from 10 % on", "web-ui", _MILLION, at_most=5, measure="% growth", unit="%"),
    Target(
        "memory of Redis for a queued job",
        "stored",
        "HardJob with two arguments",
        RUBY.name,
        at_most=1.05,
        unit="times what Ruby's Sidekiq writes",
    ),
)
