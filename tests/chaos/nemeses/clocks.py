"""A time of day that jumps."""

import random

from tests.chaos import clock
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site


def step(site: Site, chance: random.Random) -> None:
    """Step the clock of one worker by up to an hour, forward or back."""
    clock.step(site.clock_file, chance.choice((-3600.0, -90.0, 0.0, 90.0, 3600.0)))


NEMESES = (Nemesis(name="clock", strike=step, times=15),)
