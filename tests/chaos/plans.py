"""What a run does: which faults, how often, on how many jobs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations

from tests.chaos.needs import Need
from tests.chaos.nemeses import NEMESES
from tests.chaos.nemesis import Nemesis
from tests.support.failpoints import FAILPOINTS
from tests.support.redis_server import AppendOnly

_RATE = 400
"""Jobs a second that producers push where a plan does not say; two cores are then half busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run, but for its seed.

    Attributes:
        name: how the command line calls it.
        strikes: each fault and how often it strikes.
        jobs: how many are pushed.
        rate: how many a second, at most; faults that take long make it slower.
        mix: of which sorts they are, see `producer.MIXES`.
        killers: how many jobs that kill their worker are among them.
        workers: processes.
        concurrency: of each.
        timings: `test` or `default`.
        timeout: seconds that running jobs have at a stop.
        appendonly: how Redis keeps its data.
        recovers_within: seconds from a death until its jobs run elsewhere; None to tell only.
        rests_within: seconds, after all is healed, in which the run must come to rest.
        overrides: single fields of `Config`.
    """

    name: str
    strikes: Mapping[str, int] = field(default_factory=dict)
    jobs: int = 3000
    rate: int = _RATE
    mix: str = "everything"
    killers: int = 0
    workers: int = 4
    concurrency: int = 20
    timings: str = "test"
    timeout: float = 1.0
    appendonly: AppendOnly = "always"
    recovers_within: float | None = 8.0
    rests_within: float = 60.0
    overrides: Mapping[str, object] = field(default_factory=dict)

    @property
    def nemeses(self) -> list[tuple[Nemesis, int]]:
        """Each fault with the number of its strikes."""
        return [(NEMESES[name], times) for name, times in self.strikes.items()]

    @property
    def needs(self) -> frozenset[Need]:
        """What the site must have."""
        return reduce(frozenset.union, (nemesis.needs for nemesis, _ in self.nemeses), frozenset())

    @property
    def kills(self) -> bool:
        """Whether a job may be blamed for deaths that it has not caused: workers die of faults, or of several jobs."""
        return self.killers > 1 or any(nemesis.kills for nemesis, _ in self.nemeses)

    @property
    def seconds(self) -> float:
        """How long producers push: until every fault has had its time."""
        # Faults done to Redis as a whole come one after the other.
        lengths = [times * (nemesis.lasts + 0.3) for nemesis, times in self.nemeses]
        return max(self.jobs / self.rate, 1.1 * max(lengths, default=0.0))


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(name="calm"),
        Plan(name="smoke", strikes={"kill": 10, "cut": 20}, jobs=5000, rate=300),
        Plan(name="release", strikes={"kill": 50, "cut": 50}, jobs=100_000, rate=600),
        Plan(name="failpoints", strikes={"failpoint": 20 * len(FAILPOINTS)}, jobs=20_000),
        Plan(name="deploys", strikes={"rolling": 100}, jobs=40_000, mix="steady"),
        Plan(name="poison", killers=1, jobs=400, rate=80, mix="long", concurrency=50, workers=3, rests_within=240.0),
        Plan(
            name="poison-three", killers=3, jobs=400, rate=80, mix="long", concurrency=50, workers=3, rests_within=240.0
        ),
        Plan(
            name="defaults",
            strikes={"kill": 4},
            jobs=8000,
            rate=40,
            mix="steady",
            timings="default",
            recovers_within=60.0,
            rests_within=120.0,
        ),
        Plan(
            name="outage",
            strikes={"redis-outage": 1},
            jobs=4000,
            rate=200,
            mix="steady",
            timings="default",
            rests_within=120.0,
        ),
        Plan(
            name="lost-replies",
            strikes={"lost-push": 3, "lost-settle": 6, "lost-take": 6},
            jobs=600,
            rate=200,
            mix="quick",
            workers=2,
            rests_within=12.0,
        ),
        Plan(name="wrong-sets", strikes={"wrong-set": 3}, jobs=800, rate=200, workers=2, rests_within=20.0),
        Plan(
            name="poison-in-one",
            killers=1,
            jobs=800,
            rate=100,
            mix="steady",
            concurrency=50,
            workers=1,
            rests_within=90.0,
            # With no other worker, nobody can take it for dead too soon.
            overrides={"beat_interval": 0.25, "lease_ttl": 1.0, "recovery_grace": 0.5},
        ),
        Plan(name="no-leases", strikes={"lost-leases": 10}, jobs=400, rate=100, mix="quick", workers=3),
        Plan(
            name="forgotten",
            strikes={"forget": 1},
            jobs=200,
            mix="quick",
            workers=2,
            rests_within=6.0,
            overrides={"block_time": 0.25, "answer_timeout": 1.0},
        ),
        Plan(
            name="steering",
            strikes={"kill": 8, "cut": 10, "cancel": 20, "pause": 5},
            jobs=5000,
            rate=200,
            mix="steered",
        ),
        Plan(name="called-off", strikes={"cancel": 8}, jobs=600, rate=100, mix="steered", workers=2),
        Plan(name="paused", strikes={"pause": 3}, jobs=1600, rate=80, mix="steady", workers=2),
        Plan(
            name="steps",
            strikes={"kill": 20, "step-failpoint": 6, "cut": 10, "freeze": 3, "rolling": 1, "oom": 1},
            jobs=3000,
            rate=100,
            mix="stepped",
        ),
        Plan(name="few-steps", strikes={"kill": 2}, jobs=240, rate=60, mix="stepped", workers=2, rests_within=30.0),
        Plan(name="everysec", strikes={"redis-kill": 5}, appendonly="everysec"),
    )
}
"""The named plans; `a+b` is the plan with the faults `a` and `b`, and `a` that with the fault `a` alone."""


def plan_named(name: str) -> Plan:
    """Return a plan by its name, or the one that has the faults it joins by `+`, in whichever order.

    Raises:
        LookupError: there is no such plan or fault, or the faults cannot be joined so.
    """
    if name in PLANS:
        return PLANS[name]
    strikes: dict[str, int] = {}
    for part in name.split("+"):
        nemesis, times = _strikes_of(part)
        if nemesis in strikes:
            raise LookupError(f"{nemesis} stands twice in {name!r}: say {nemesis}:TIMES for more strikes")
        strikes[nemesis] = times
    for first, second in combinations(strikes, 2):
        if reason := _why_apart(first, second):
            raise LookupError(f"{first} and {second} cannot be joined: {reason}")
    return Plan(name=name, strikes=strikes)


def _strikes_of(part: str) -> tuple[str, int]:
    """Return which fault a part of a name asks for, and how often."""
    nemesis, colon, times = part.partition(":")
    if nemesis in PLANS and nemesis not in NEMESES:
        raise LookupError(f"{nemesis} is a plan: only faults can be joined by '+' or have a number behind ':'")
    if nemesis not in NEMESES:
        raise LookupError(f"there is no plan and no fault {nemesis!r}")
    if not colon:
        return nemesis, NEMESES[nemesis].times
    if not _TIMES.fullmatch(times):
        raise LookupError(f"{nemesis} can strike 1 to 9999 times, not {times!r}")
    return nemesis, int(times)


def alone() -> list[Plan]:
    """Return one plan for each fault."""
    return [plan_named(name) for name in NEMESES if name not in _LONG]


def pairs() -> list[Plan]:
    """Return one plan for each two faults that can meet."""
    names = [name for name in NEMESES if name not in _LONG | _PARTS]
    return [
        plan_named(f"{_half(first)}+{_half(second)}")
        for first, second in combinations(names, 2)
        if _can_meet(first, second)
    ]


def _half(name: str) -> str:
    return f"{name}:{(NEMESES[name].times + 1) // 2}"


def _can_meet(first: str, second: str) -> bool:
    return not _why_apart(first, second)


def _why_apart(first: str, second: str) -> str:
    """Return why two faults cannot be in one run; empty if they can."""
    needs = NEMESES[first].needs | NEMESES[second].needs
    if "sentinels" not in needs:
        return ""
    if "proxies" in needs:
        return "one needs proxies, which lead to one server, and the other sentinels, which choose among several"
    if {first, second} & _DEPOSED:
        return "sentinels replace a master that does not answer"
    return ""


_TIMES = re.compile("[1-9][0-9]{0,3}")
_DEPOSED = frozenset({"redis-freeze", "redis-restart", "redis-kill", "redis-outage", "client-pause"})
_LONG = frozenset({"redis-outage"})
_PARTS = frozenset(
    {"hiccup", "step-failpoint", "reset", "lost-push", "lost-settle", "lost-take", "forget", "wrong-set", "lost-leases"}
)
"""Faults that are a part of another one, or close to it: they need not meet all others."""


def sized(plan: Plan, jobs: int | None) -> Plan:
    """Return the plan with another number of jobs; its faults strike as often."""
    return plan if jobs is None else replace(plan, jobs=jobs)
