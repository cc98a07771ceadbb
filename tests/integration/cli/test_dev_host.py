"""The host of `sidelong dev`, with servers that serve nothing: what ends it, and what becomes of the rest."""

import asyncio
from uuid import uuid4

import pytest

from sidelong import Sidelong
from sidelong.api import Queue
from sidelong.cli.dev.host import Host, Parts
from sidelong.cli.dev.levels import Level
from sidelong.cli.dev.servers import StartFailedError
from sidelong.cli.dev.stopping import Stopping
from tests.support.eventually import eventually


class StubServer:
    """Runs until it is stopped, or fails."""

    def __init__(self):
        self.begun = False
        self.hurries = False
        self._end = asyncio.Event()
        self._fault = None

    def start(self):
        self.begun = True
        return asyncio.create_task(self._run())

    def stop(self):
        self._end.set()

    def hurry(self):
        self.hurries = True

    def fail(self, fault):
        self._fault = fault
        self._end.set()

    @property
    def has_ended(self):
        return self._end.is_set()

    async def _run(self):
        await self._end.wait()
        if self._fault is not None:
            raise self._fault


class Running:
    """A host that runs, and what it is made of."""

    def __init__(self, **settings):
        self.app = Sidelong(f"memory://{uuid4().hex}", timeout=0.05)
        self.began = asyncio.Event()
        self.begun = 0

        @self.app.job(name="wait")
        async def wait():
            self.began.set()
            self.begun += 1
            await asyncio.sleep(3600)

        self.wait = wait
        self.worker = self.app.worker(**settings)
        self.server = StubServer()
        self.stopping = Stopping(patience=3600)
        parts = Parts(self.app, self.worker, [self.server], asyncio.SelectorEventLoop)
        self.host = Host(parts, self.stopping)

    async def start(self):
        self.course = asyncio.create_task(self.host.run())
        await eventually(lambda: self.worker.is_ready or self.course.done(), within=30)

    async def ends(self):
        try:
            async with asyncio.timeout(60):
                return await self.course
        finally:
            self.stopping.end()

    async def waiting(self):
        return [job.jid async for job in Queue(self.app, "default")]


@pytest.fixture
async def running():
    running = Running()
    await running.start()
    yield running
    running.stopping.tell(Level.NOW)
    await running.ends()


@pytest.mark.parametrize("level", [Level.RELOAD, Level.SOON, Level.NOW])
async def test_running_jobs_are_handed_back_and_the_servers_end(running, level):
    job = await running.wait.enqueue()
    await running.began.wait()

    running.stopping.tell(level)

    assert await running.ends() is True
    assert running.server.has_ended
    assert running.server.hurries is (level is Level.NOW)
    assert await running.waiting() == [job.jid]


async def test_a_reload_with_nothing_to_wait_for_is_silent(running, caplog):
    with caplog.at_level("INFO", "sidelong.cli"):
        running.stopping.tell(Level.RELOAD)
        await running.ends()

    assert caplog.messages == []


@pytest.mark.parametrize(("level", "end"), [(Level.RELOAD, ""), (Level.SOON, "; a second signal cancels it")])
async def test_a_second_signal_is_spoken_of_where_there_was_a_first(running, caplog, level, end):
    await running.wait.enqueue()
    await running.began.wait()

    with caplog.at_level("INFO", "sidelong.cli"):
        running.stopping.tell(level)
        await running.ends()

    assert f"Stopping: 1 running job has 0.05 s{end}" in caplog.messages


async def test_a_worker_that_is_stopped_from_elsewhere_leaves_the_servers_alone(running, caplog):
    with caplog.at_level("INFO", "sidelong.cli"):
        running.worker.stop_soon()
        await eventually(lambda: caplog.messages, within=30)

    assert caplog.messages[0].startswith("The worker was told to stop, and has.")
    assert not running.server.has_ended
    running.stopping.tell(Level.SOON)
    assert await running.ends() is True


async def test_a_web_app_that_does_not_start_ends_all(running, caplog):
    running.server.fail(StartFailedError())

    assert await running.ends() is False
    assert "The web app did not start" in caplog.messages
    assert running.worker.is_stopping


async def test_a_worker_that_cannot_start_ends_all(caplog):
    running = Running()

    @running.app.on("startup")
    async def fail():
        raise RuntimeError("no database")

    await running.start()

    assert await running.ends() is False
    assert running.server.has_ended
    assert "no database" in caplog.text


@pytest.mark.parametrize("level", [Level.RELOAD, Level.NOW])
async def test_a_worker_inside_the_web_app_ends_with_the_other_and_takes_nothing_it_hands_back(level):
    running = Running(concurrency=1)
    # Its block, which is the web app's lifespan, lasts as long as requests do.
    async with running.app.worker(concurrency=1) as inside:
        await running.start()
        jobs = {(await running.wait.enqueue()).jid for _ in range(3)}
        await eventually(lambda: running.begun == 2, within=30)

        running.stopping.tell(level)

        assert await running.ends() is True
        assert not inside.running
        assert set(await running.waiting()) == jobs
    assert running.begun == 2
