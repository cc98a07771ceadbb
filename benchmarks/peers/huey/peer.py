"""Measures Huey on Redis: one process, a thread for each slot, or a greenlet where they are many."""

# ruff: noqa: E402 - greenlets come first, and what the peers share stands beside this directory
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import greenlets

greenlets.patch_if_many_slots()

from collections.abc import Callable
from datetime import datetime

import blocking
import program
import threaded
from huey import RedisHuey
from huey.api import TaskWrapper

_HOUR = 3_600


class Huey(threaded.Threaded):
    """Huey; its `map` stores one by one as well, and its scheduler looks once a second, which is the least."""

    due_in_whole_seconds = True

    def connect(self) -> None:
        """Make an instance; its workers park in BRPOP, by default."""
        # Results are documented as what to switch off where nobody reads them.
        self._huey = RedisHuey("benchmark", url=self.url, results=False)
        self._tasks: dict[str, TaskWrapper] = {}

    def register(self, name: str, body: Callable[[float], None]) -> None:
        """Make a task."""
        self._tasks[name] = self._huey.task(name=name, retries=3, retry_delay=_HOUR)(body)

    def start(self) -> None:
        """Start a consumer: as `huey_consumer -w SLOTS -k WORKER_TYPE -n`, which has no periodic jobs."""
        worker_type = "greenlet" if greenlets.HAS_GREENLETS else "thread"
        self._huey.create_consumer(workers=self.slots, worker_type=worker_type, periodic=False).start()

    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""
        return self._tasks[job](value)

    def enqueue_at(self, job: str, value: float, when: float) -> object:
        """Enqueue a job that is due then."""
        return self._tasks[job].schedule((value,), eta=datetime.fromtimestamp(when))


if __name__ == "__main__":
    program.main(blocking.workloads(Huey))
