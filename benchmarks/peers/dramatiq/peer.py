"""Measures dramatiq on its Redis broker: one process, a thread for each slot, or a greenlet where they are many."""

# ruff: noqa: E402 - greenlets come first, and what the peers share stands beside this directory
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import greenlets

greenlets.patch_if_many_slots()

import time
from collections.abc import Callable

import blocking
import dramatiq
import program
import threaded
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from dramatiq.worker import Worker

_MS_PER_HOUR = 3_600_000


class Dramatiq(threaded.Threaded):
    """dramatiq; a group of its jobs is stored one by one as well."""

    def connect(self) -> None:
        """Make a broker."""
        # Of its middleware only what runs a failed job again: the others would be paid for unused.
        self._broker = RedisBroker(url=self.url, middleware=[Retries(min_backoff=_MS_PER_HOUR)])
        dramatiq.set_broker(self._broker)
        self._actors: dict[str, dramatiq.Actor[[float], None]] = {}

    def register(self, name: str, body: Callable[[float], None]) -> None:
        """Make an actor."""
        self._actors[name] = dramatiq.actor(actor_name=name, queue_name=self.queue)(body)

    def start(self) -> None:
        """Start a worker, which fetches two jobs for each thread ahead, by default."""
        Worker(self._broker, worker_threads=self.slots).start()

    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""
        return self._actors[job].send(value)

    def enqueue_at(self, job: str, value: float, when: float) -> object:
        """Enqueue a job that is due then."""
        delay = max(0, round((when - time.time()) * 1000))
        return self._actors[job].send_with_options(args=(value,), delay=delay)


if __name__ == "__main__":
    program.main(blocking.workloads(Dramatiq))
