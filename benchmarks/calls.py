"""Count the calls of a job: the first tenth is warm-up, then the clock runs until the last one has been called."""

import asyncio
import itertools
import time

from benchmarks.workload import Measures, Settings


class Calls:
    """The calls of one run, counted on the event loop that makes this.

    Args:
        jobs: how many there will be, warm-up included.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs, self._warm_up = jobs, jobs // 10
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._last_came = asyncio.Event()
        self._began = self._ended = self._cpu_began = self._cpu_ended = 0.0

    def note(self) -> None:
        """Count one call; any thread may do it."""
        # One step for all threads, so that each number is seen exactly once.
        number = next(self._numbers)
        if number == self._warm_up:
            self._began, self._cpu_began = time.perf_counter(), time.process_time()
        elif number == self._jobs:
            self._ended, self._cpu_ended = time.perf_counter(), time.process_time()
            self._loop.call_soon_threadsafe(self._last_came.set)

    async def wait(self) -> None:
        """Wait until the last one has been called."""
        await self._last_came.wait()

    @property
    def seconds(self) -> float:
        """From the last call of the warm-up to the last of all."""
        return self._ended - self._began

    @property
    def per_second(self) -> float:
        """How many jobs a second were called after the warm-up."""
        return (self._jobs - self._warm_up) / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time that this process needed for each of them."""
        return (self._cpu_ended - self._cpu_began) / (self._jobs - self._warm_up) * 1e6


def share_of_ideal(calls: Calls, settings: Settings) -> Measures:
    """Return the pace of jobs that wait, and how near it comes to all slots waiting all the time."""
    ideal = settings["slots"] / settings["wait"]
    return {"jobs/s": calls.per_second, "% of ideal": calls.per_second / ideal * 100}
