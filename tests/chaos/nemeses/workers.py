"""Faults of worker processes: killed, frozen, stopped."""

import random
import signal
import time
from collections.abc import Callable
from functools import partial

from tests.chaos.events import START
from tests.chaos.fleet import Slot
from tests.chaos.mix import Course, Planned
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site
from tests.support.failpoints import FAILPOINTS, STEP_FAILPOINTS
from tests.support.timings import TEST_TIMINGS

FROZEN_FOR = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + 2 * TEST_TIMINGS["recovery_interval"] + 1.0
"""For so long that others take the frozen one for dead, and run its jobs."""

_HITS = {
    "before_first_beat": (1, 1),
    "between_recovery_chunks": (1, 1),
    "after_declaring": (1, 1),
    "while_handing_back": (1, 1),
    "after_blmove": (1, 5),
}
_RECOVERY_BEGINS = 5.5
_RECOVERS = ("between_recovery_chunks", "after_declaring")


def kill(site: Site, chance: random.Random) -> None:
    """Kill a worker that runs jobs."""
    site.busy(chance).kill()


def failpoint(site: Site, chance: random.Random) -> None:
    """Let a worker kill itself at a named place; each strike of a run takes the next one."""
    names = sorted(FAILPOINTS)
    die_at(site, chance, names[next(site.failpoints) % len(names)])


def step_failpoint(site: Site, chance: random.Random) -> None:
    """Let a worker kill itself as it remembers the end of a step: before, meanwhile, or after."""
    die_at(site, chance, chance.choice(sorted(STEP_FAILPOINTS)))


def die_at(site: Site, chance: random.Random, name: str, within: float = 90.0) -> None:
    """Let a worker kill itself at one named place, and help it to come there.

    Raises:
        AssertionError: it did not.
    """
    spec = f"{name}:{chance.randint(*_HITS.get(name, (1, 20)))}"
    ends_at = time.monotonic() + within
    if name in _RECOVERS:
        victim = site.fleet.any(chance)
        # Any of the others may be the one that recovers.
        armed = [slot.arm(spec) for slot in site.fleet.slots if slot is not victim]
        help_on: Callable[[], None] = partial(_let_it_be_missed, site, victim)
    else:
        slot = site.fleet.any(chance)
        armed = [slot.arm(spec)]
        help_on = partial(_take_steps if name in STEP_FAILPOINTS else _stir, site)
    while not any(process.returncode == -signal.SIGKILL for process in armed):
        assert time.monotonic() < ends_at, f"nobody died at {spec}"
        if name == "while_handing_back" and slot.is_serving:
            _keep_busy(site)
            # Jobs that outlast the timeout of a stop are not always its own.
            armed.append(slot.arm(spec))
        elif name not in _RECOVERS and all(process.returncode is not None for process in armed):
            # Another fault has met it while it started. What takes its place is told to stop once it serves.
            if slot.is_serving:
                armed.append(slot.arm(spec))
            else:
                site.wait(0.1)
        else:
            help_on()


def _let_it_be_missed(site: Site, victim: Slot) -> None:
    """Kill a worker that runs jobs, and give the others the time to notice."""
    _keep_busy(site)
    victim.kill()
    site.wait(_RECOVERY_BEGINS)


def _keep_busy(site: Site) -> None:
    """Push jobs that outlast the timeout of a stop, and wait until they run."""
    began = time.monotonic_ns()
    jobs = site.setting.workers * 3
    for _ in range(jobs):
        site.push(Planned("sleep_for", (site.setting.timeout + 3.0,), Course()))
    site.wait_for(START, jobs // 2, since=began)


def _stir(site: Site) -> None:
    """Push a few jobs, some of which will be retried, and give them a moment."""
    for _ in range(8):
        site.push(Planned("quick", (), Course()))
    site.push(Planned("fail_times", (1,), Course(acks=2, fails=1)))
    site.wait(0.2)


def _take_steps(site: Site) -> None:
    """Push a few jobs with steps, and give them a moment."""
    for _ in range(4):
        site.push(Planned("in_steps", (4, 0.02), Course()))
    site.wait(0.2)


def freeze(site: Site, chance: random.Random) -> None:
    """Freeze a worker for longer than a lease and a grace."""
    site.busy(chance).freeze(FROZEN_FOR)


def hiccup(site: Site, chance: random.Random) -> None:
    """Freeze a worker for less than a lease."""
    site.fleet.any(chance).freeze(chance.uniform(0.1, TEST_TIMINGS["lease_ttl"] / 2))


def rolling(site: Site, chance: random.Random) -> None:
    """Stop every worker with SIGTERM, one after the other, each once its predecessor's successor serves."""
    for slot in site.fleet.slots:
        slot.restart()


NEMESES = (
    Nemesis(name="kill", strike=kill, times=10, kills=True),
    Nemesis(name="failpoint", strike=failpoint, lasts=4.0, times=len(FAILPOINTS), kills=True),
    Nemesis(name="step-failpoint", strike=step_failpoint, lasts=4.0, times=2 * len(STEP_FAILPOINTS), kills=True),
    Nemesis(name="freeze", strike=freeze, lasts=FROZEN_FOR, times=3, kills=True),
    Nemesis(name="hiccup", strike=hiccup, lasts=1.0, times=10),
    Nemesis(name="rolling", strike=rolling, lasts=4.5, times=2),
)
