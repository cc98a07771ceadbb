"""Measures Celery on Redis, its worker started by its command: a thread for each slot."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import blocking
import commanded
import program
from celery import Celery as App

_HOUR = 3_600

app = App("peer", broker=os.environ.get(commanded.URL))
# Documented for short jobs: no results, no rate limits, and any number of them fetched ahead.
app.conf.update(
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    worker_prefetch_multiplier=0,
    broker_connection_retry_on_startup=True,
)
_TASKS = {
    name: app.task(
        body, name=name, max_retries=None, default_retry_delay=_HOUR, autoretry_for=(RuntimeError,), shared=False
    )
    for name, body in commanded.jobs().items()
}


class Celery(commanded.Commanded):
    """Celery; a group of its jobs is stored one by one as well.

    Its worker has a thread for each slot: its default, a process for each, is slower with 10 of them and with 100, and
    so are its greenlets.
    """

    has_many = False
    due_in_whole_seconds = False

    def __init__(self, settings: program.Settings) -> None:
        super().__init__(settings)
        app.conf.broker_url = self.url

    @property
    def command(self) -> Sequence[str]:
        """What is documented to be switched off where there are no other workers, is; nothing is logged."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "CRITICAL"]
        return ["celery", "-A", "peer", "worker", "--pool", "threads", "--concurrency", str(self.slots), *quiet]

    def enqueue(self, job: str, value: float) -> object:
        """Enqueue a job."""
        return _TASKS[job].delay(value)

    def enqueue_at(self, job: str, value: float, when: float) -> object:
        """Enqueue a job that is due then."""
        return _TASKS[job].apply_async((value,), eta=datetime.fromtimestamp(when, UTC))

    def enqueue_many(self, job: str, values: Sequence[float]) -> None:
        """Enqueue a job for each of the arguments, one by one."""
        for value in values:
            self.enqueue(job, value)


if __name__ == "__main__":
    program.main(blocking.workloads(Celery))
