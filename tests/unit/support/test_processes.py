import asyncio
import random
import signal
from collections.abc import Callable

import pytest

from tests.support.eventually import eventually_sync
from tests.support.failpoints import FAILPOINT
from tests.support.jobs import build_app, job, kill_self, noop
from tests.support.ledger import Ledger
from tests.support.processes import Supervisor, WorkerOptions, WorkerProcess
from tests.support.redis_server import Database

pytestmark = pytest.mark.allow_any_keys


@pytest.fixture
def options(redis_server: Database, ledger: Ledger) -> WorkerOptions:
    return WorkerOptions(redis=redis_server.url, ledger=ledger, concurrency=5)


def enqueue(options: WorkerOptions, function: Callable[..., object]) -> str:
    async def push() -> str:
        async with build_app(options.redis, options.ledger) as app:
            return str(await job(app, function).enqueue())

    return asyncio.run(push())


def test_a_worker_runs_jobs_and_stops(options: WorkerOptions) -> None:
    with WorkerProcess(options) as worker:
        jid = enqueue(options, noop)
        eventually_sync(lambda: jid in options.ledger.history().ends, within=10)

        status = worker.stop()

    assert status == 0
    assert options.ledger.history().runs == {jid: [worker.pid]}
    assert options.ledger.history().killed() == set()


def test_a_killed_worker_is_on_record(options: WorkerOptions) -> None:
    with WorkerProcess(options) as worker:
        worker.kill()

    assert worker.returncode == -signal.SIGKILL
    assert options.ledger.history().killed() == {worker.pid}


def test_a_worker_that_cannot_start_shows_its_log(options: WorkerOptions) -> None:
    broken = WorkerOptions(redis="redis://127.0.0.1:1/0", ledger=options.ledger)

    with pytest.raises(AssertionError, match=r"the worker ended with 1:\n(.*\n)*sidelong: "):
        WorkerProcess(broken).wait_ready()


def test_a_worker_dies_at_its_failpoint_and_is_replaced(options: WorkerOptions) -> None:
    with Supervisor(options, count=0) as supervisor:
        doomed = supervisor.spawn("mid_job")
        doomed.wait_ready()
        jid = enqueue(options, noop)

        doomed.wait()
        eventually_sync(lambda: jid in options.ledger.history().ends, within=30)

    told = options.ledger.history()
    assert [event.extra for event in told.named(FAILPOINT)] == ["mid_job"]
    assert told.runs[jid] == [doomed.pid, supervisor.processes[1].pid]
    assert told.unexplained() == set()
    assert told.lost([jid]) == set()


def test_a_supervisor_replaces_those_it_kills_and_stops_the_rest(options: WorkerOptions) -> None:
    with Supervisor(options, count=2) as supervisor:
        victim = supervisor.kill_one(random.Random(1))
        eventually_sync(lambda: len(supervisor.processes) == 3, within=30)
        supervisor.processes[2].wait_ready()

        statuses = supervisor.stop()

    assert statuses == [0, 0]
    assert supervisor.living() == []
    assert options.ledger.history().killed() == {victim.pid}


def test_a_job_that_kills_its_process_is_on_record(options: WorkerOptions) -> None:
    with Supervisor(options, count=1, restarts=False) as supervisor:
        jid = enqueue(options, kill_self)
        supervisor.processes[0].wait()

    told = options.ledger.history()
    assert told.runs == {jid: [supervisor.processes[0].pid]}
    assert told.killed() == {supervisor.processes[0].pid}
