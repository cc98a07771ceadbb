"""What the tests of real processes share."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import Database


@pytest.fixture
def start(redis_server: Database, ledger: Ledger) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers, with the fields of `WorkerOptions`."""
    processes: list[WorkerProcess] = []

    def start(**options: object) -> WorkerProcess:
        chosen = {"redis": redis_server.url, "ledger": ledger, **options}
        processes.append(WorkerProcess(WorkerOptions(**chosen)))  # type: ignore[arg-type]
        return processes[-1].wait_ready()

    yield start
    for process in processes:
        process.kill()
