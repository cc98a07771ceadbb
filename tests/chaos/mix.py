"""The jobs that a run pushes, drawn from a seed, and what becomes of each if nothing but faults happens to it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

QUEUES = ("high", "default", "low")


@dataclass(frozen=True, slots=True)
class Course:
    """What must have become of a job at the end.

    Attributes:
        ends: its last place: done, in the dead set, or gone without having come to its end.
        acks: how often settling it counted as processed.
        fails: how often as failed.
    """

    ends: Literal["done", "dead", "gone"] = "done"
    acks: int = 1
    fails: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """One job that is to be pushed.

    Attributes:
        job: its wire name.
        args: its arguments.
        course: what becomes of it.
        queue: where it waits.
        delay: seconds until it is due, 0 for at once.
    """

    job: str
    args: tuple[Any, ...]
    course: Course
    queue: str = "default"
    delay: float = 0.0


Draw = Callable[[random.Random], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of job in the mix: how often it comes, with which arguments, and how it ends."""

    job: str
    weight: float
    args: Draw = lambda chance: ()
    course: Callable[[tuple[Any, ...]], Course] = lambda args: Course()
    delay: Callable[[random.Random], float] = lambda chance: 0.0


def _always(course: Course) -> Callable[[tuple[Any, ...]], Course]:
    return lambda args: course


def _seconds(least: float, most: float) -> Draw:
    return lambda chance: (round(chance.uniform(least, most), 4),)


@dataclass(frozen=True, slots=True)
class Mix:
    """Sorts of jobs with their shares."""

    kinds: tuple[Kind, ...]
    _weights: list[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", [kind.weight for kind in self.kinds])

    def draw(self, chance: random.Random, count: int) -> Iterator[Planned]:
        """Return `count` jobs; the same seed gives the same ones."""
        for kind in chance.choices(self.kinds, self._weights, k=count):
            args = kind.args(chance)
            yield Planned(kind.job, args, kind.course(args), chance.choice(QUEUES), kind.delay(chance))


EVERYTHING = Mix(
    (
        Kind("quick", 70),
        Kind("quick", 8, delay=lambda chance: chance.uniform(0.0, 3.0)),
        Kind("sleep_for", 8, _seconds(0.1, 1.5)),
        Kind("in_thread", 7, _seconds(0.0, 0.02)),
        Kind("burn", 0.1, _seconds(0.05, 0.2)),
        Kind("block_loop", 0.05, _seconds(0.1, 0.4)),
        Kind("carry", 1, lambda chance: ("x" * chance.randrange(10_000, 90_000),)),
        Kind("spawn", 2),
        Kind(
            "fail_times",
            3,
            lambda chance: (chance.randint(1, 2),),
            lambda args: Course(acks=args[0] + 1, fails=args[0]),
        ),
        Kind("always_fail", 1, course=_always(Course("dead", acks=3, fails=3))),
        Kind("discard", 1, course=_always(Course("gone", fails=1))),
        Kind("kill", 0.5, course=_always(Course("dead", fails=1))),
        Kind("retry_in", 1, lambda chance: (0.3,), _always(Course(acks=2, fails=1))),
        Kind("raise_system_exit", 0.3, course=_always(Course("dead", acks=3, fails=3))),
        Kind("swallow_cancel", 1, _seconds(0.02, 0.2)),
        Kind("ignore_cancel", 0.3, _seconds(0.02, 0.2)),
    )
)
"""Ordinary jobs with a few of every bad habit; each comes to its course's end whatever is done to its worker."""

STEERED = Mix(
    (
        *EVERYTHING.kinds,
        Kind("sleep_for", 20, _seconds(0.3, 2.0)),
        Kind("in_thread", 6, _seconds(0.3, 1.5)),
        Kind("quick", 10, delay=lambda chance: chance.uniform(1.0, 4.0)),
    )
)
"""The same, and more that wait or run for long enough to be called off."""

QUICK = Mix((Kind("quick", 1),))
"""Jobs that end well within 20 ms."""

STEADY = Mix((Kind("quick", 9), Kind("sleep_for", 1, _seconds(0.5, 3.0))))
"""Short jobs, and some that are surely running when a fault comes."""

LONG = Mix((Kind("sleep_for", 1, _seconds(0.5, 3.0)),))
"""Jobs that are all surely running when a fault comes."""


STEPPED = Mix(
    (
        Kind("in_steps", 5, lambda chance: (chance.randint(2, 6), round(chance.uniform(0.0, 0.15), 4))),
        Kind(
            "in_steps",
            2,
            lambda chance: (5, round(chance.uniform(0.0, 0.1), 4), chance.randint(1, 5)),
            _always(Course(acks=2, fails=1)),
        ),
        Kind("steps_at_once", 2, lambda chance: (chance.randint(2, 6), round(chance.uniform(0.0, 0.3), 4))),
        Kind("steps_in_thread", 1, lambda chance: (chance.randint(2, 4), round(chance.uniform(0.0, 0.1), 4))),
        Kind("quick", 2),
    )
)
"""Jobs of several steps, and some of which nothing is left but their end."""


def killers(count: int) -> list[Planned]:
    """Return jobs that kill the process that runs them; each is buried after three deaths."""
    return [Planned("kill_self", (), Course("dead", acks=0, fails=0), "default") for _ in range(count)]
