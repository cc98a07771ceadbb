"""A worker's course: events, embedding, services, faults, probes."""

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidelong import Sidelong, StoreError
from sidelong.api import Queue
from sidelong.store.queues import Batch, CapsuleQueues, Turn
from sidelong.worker.stop import StopFlag
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually

EVENTS = ["startup", "heartbeat", "beat", "quiet", "shutdown", "exit"]


def record(app: Sidelong, names: list[str] = EVENTS) -> list[str]:
    seen: list[str] = []
    for name in names:

        @app.on(name)
        def note(name: str = name) -> None:
            seen.append(name)

    return seen


async def test_events_come_in_order(site: Site) -> None:
    app = site.app(beat_interval=0.05)
    seen = record(app)

    async with app:
        async with app.worker():
            await eventually(lambda: "beat" in seen)
        after_stop = list(dict.fromkeys(seen))

    assert after_stop == EVENTS
    assert [seen.count(name) for name in ("startup", "heartbeat", "quiet", "shutdown", "exit")] == [1, 1, 1, 1, 1]


async def test_startup_comes_before_the_first_job_and_exit_after_the_last(site: Site) -> None:
    app = site.app()
    seen: list[str] = []

    @app.on("startup")
    async def prepare() -> None:
        await asyncio.sleep(0.02)
        seen.append("startup")

    @app.on("exit")
    async def tidy() -> None:
        seen.append("exit")

    @app.job(name="Job")
    async def job() -> None:
        seen.append("job begins")
        await asyncio.sleep(0.05)
        seen.append("job ends")

    site.push("Job")
    async with app, app.worker():
        await eventually(lambda: "job begins" in seen)

    assert seen == ["startup", "job begins", "job ends", "exit"]
    assert site.is_drained()


async def test_handlers_of_the_end_run_in_reverse_order(site: Site) -> None:
    app = site.app()
    seen: list[str] = []
    for name in ("startup", "shutdown", "exit"):
        for number in (1, 2):

            @app.on(name)  # type: ignore[arg-type]
            def note(word: str = f"{name} {number}") -> None:
                seen.append(word)

    async with app, app.worker():
        pass

    assert seen == ["startup 1", "startup 2", "shutdown 2", "shutdown 1", "exit 2", "exit 1"]


async def test_quiet_fetches_no_more_and_lets_jobs_go_on(site: Site) -> None:
    app = site.app(beat_interval=0.05)
    gate = asyncio.Event()
    ended: list[str] = []

    @app.job(name="Job")
    async def job(word: str) -> None:
        await gate.wait()
        ended.append(word)

    seen = record(app)
    site.push("Job", "first", jid="1" * 24)
    async with app, app.worker(concurrency=2) as worker:
        await eventually(lambda: len(worker.running) == 1)
        worker.quiet()
        worker.quiet()
        site.push("Job", "second", jid="2" * 24)
        site.client.zadd("retry", {site.push("Job", "third", jid="3" * 24, queue="due"): 1.0})
        is_told = await eventually(lambda: site.client.hget(str(worker.identity), "quiet") == b"true")
        gate.set()
        await eventually(lambda: site.counter("stat:processed") == 1)
        beats = seen.count("beat")
        await eventually(lambda: seen.count("beat") > beats + 2)
        ready = worker.is_ready

    assert is_told
    assert not ready
    assert ended == ["first"]
    assert len(site.queue()) == 1
    assert site.client.zcard("retry") == 1
    assert seen.count("quiet") == 1


async def test_a_startup_handler_that_raises_keeps_the_worker_from_starting(site: Site) -> None:
    app = site.app()

    @app.on("startup")
    async def fail() -> None:
        raise LookupError("no database")

    site.push("Job")
    async with app:
        with pytest.raises(LookupError, match="no database"):
            async with app.worker():
                pytest.fail("it must not start")
        with pytest.raises(LookupError, match="no database"):
            await app.worker().run()

    assert len(site.queue()) == 1
    assert not site.client.exists("processes", "sidelong:owners")


@pytest.mark.parametrize("event", ["heartbeat", "beat", "quiet", "shutdown", "exit"])
async def test_other_handlers_that_raise_are_reported_and_stop_nothing(site: Site, event: Any) -> None:
    app = site.app(beat_interval=0.05)
    told: list[dict[str, Any]] = []
    ran: list[str] = []
    app.error_handler(lambda error, context: told.append(context))

    @app.on(event)
    def fail() -> None:
        raise LookupError("no")

    @app.job(name="Job")
    async def job() -> None:
        ran.append("job")

    site.push("Job")
    async with app, app.worker():
        await eventually(lambda: ran)
        if event in ("heartbeat", "beat"):
            await eventually(lambda: told)

    assert {context["event"] for context in told} == {event}
    assert site.is_drained()


async def test_no_store_at_the_start_is_an_error_of_the_start() -> None:
    app = Sidelong("redis://127.0.0.1:1/0", connect_timeout=0.5)

    async with app:
        with pytest.raises(StoreError):
            async with app.worker():
                pytest.fail("it must not start")
        with pytest.raises(StoreError):
            await app.worker().run()


async def test_a_worker_runs_once(site: Site) -> None:
    app = site.app()

    async with app:
        async with app.worker() as worker:
            pass
        with pytest.raises(RuntimeError, match="a worker runs once"):
            await worker.run()


# Handlers that hang.


async def forever() -> None:
    await asyncio.Event().wait()


async def test_an_exit_handler_that_hangs_is_cancelled_in_the_end(
    site: Site, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidelong.worker.worker._EXIT_ENDS_WITHIN", 0.05)
    app = site.app()
    app.on("exit")(forever)

    async with app:
        worker = app.worker()
        await worker.__aenter__()
        await asyncio.wait_for(worker.stop(), 3)

    assert log.containing("the exit handlers did not end and were cancelled")
    assert site.state() == {}


@pytest.mark.parametrize("already", [False, True])
async def test_stop_now_ends_the_wait_for_an_exit_handler(site: Site, log: Lines, already: bool) -> None:
    app = site.app()
    begun = asyncio.Event()

    @app.on("exit")
    async def hang() -> None:
        begun.set()
        await forever()

    async with app:
        worker = app.worker()
        await worker.__aenter__()
        if already:
            worker.stop_now()
        stopping = asyncio.create_task(worker.stop())
        await asyncio.wait_for(begun.wait(), 20)
        worker.stop_now()
        worker.stop_now()
        await asyncio.wait_for(stopping, 3)

    assert log.containing("the exit handlers did not end and were cancelled")


@pytest.mark.parametrize("way", ["stop_soon", "stop_now", "cancel"])
async def test_a_startup_handler_that_hangs_ends_with_the_stop(site: Site, way: str) -> None:
    app = site.app()
    begun = asyncio.Event()
    seen: list[str] = []
    app.on("exit")(lambda: seen.append("exit"))

    @app.on("startup")
    async def hang() -> None:
        begun.set()
        try:
            await forever()
        finally:
            seen.append("startup ends")

    raw = site.push("Job")
    async with app:
        worker = app.worker()
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(begun.wait(), 20)
        running.cancel() if way == "cancel" else getattr(worker, way)()
        await asyncio.wait({running}, timeout=15)

    assert running.done()
    assert running.cancelled() == (way == "cancel")
    assert seen == ["startup ends", "exit"]
    assert site.queue() == [raw]


async def test_a_worker_stopped_while_it_starts_leaves_its_host_alone(site: Site) -> None:
    app = site.app()

    async with app:
        worker = app.worker()
        app.on("startup")(worker.stop_soon)
        app.on("startup")(forever)
        async with worker:
            pass

    assert site.state() == {}


async def test_a_startup_that_times_out_by_itself_is_a_fault(site: Site) -> None:
    app = site.app()

    @app.on("startup")
    async def connect() -> None:
        raise TimeoutError("no answer from the database")

    async with app:
        with pytest.raises(TimeoutError, match="no answer from the database"):
            await app.worker().run()


async def test_startup_and_exit_share_a_task_so_that_one_may_close_what_the_other_opened(site: Site) -> None:
    app = site.app()
    tasks = []
    app.on("startup")(lambda: tasks.append(asyncio.current_task()))
    app.on("exit")(lambda: tasks.append(asyncio.current_task()))

    async with app, app.worker():
        pass

    assert tasks[0] is tasks[1]


async def test_an_event_whose_handlers_still_run_is_not_emitted_again(site: Site, log: Lines) -> None:
    app = site.app(beat_interval=0.02)
    seen: list[str] = []

    @app.on("beat")
    async def hang() -> None:
        seen.append("begins")
        try:
            await forever()
        finally:
            seen.append("ends")

    async with app, app.worker() as worker:
        await eventually(lambda: seen)
        for _ in range(5):
            beat = site.client.hget(str(worker.identity), "beat")
            await eventually(lambda beat=beat: site.client.hget(str(worker.identity), "beat") != beat)

    assert seen == ["begins", "ends"]
    assert log.containing("the beat handlers did not end and were cancelled")


# Faults.


class HeavyError(BaseException):
    pass


async def test_a_fault_of_the_engine_reaches_whoever_waits_and_costs_neither_host_nor_jobs(
    site: Site, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = site.app()
    broken = asyncio.Event()
    turn = CapsuleQueues.turn
    under_way: list[Batch] = []

    async def turn_once_broken(queues: CapsuleQueues, batch: Batch) -> Turn:
        if broken.is_set():
            broken.clear()
            raise HeavyError("beyond repair")
        under_way.append(batch)
        try:
            return await turn(queues, batch)
        finally:
            under_way.remove(batch)

    monkeypatch.setattr(CapsuleQueues, "turn", turn_once_broken)

    @app.job(name="Held")
    async def held() -> None:
        await asyncio.Event().wait()

    raw = site.push("Held", jid="1" * 24)
    async with app, app.worker() as worker:
        # A turn that is under way could bring the other job, and there would be no reason for another one.
        await eventually(lambda: len(worker.running) == 1 and not under_way)
        broken.set()
        other = site.push("Held", jid="2" * 24)
        with pytest.raises(BaseExceptionGroup) as caught:
            await worker.wait()
        # The body of the host goes on.
        await asyncio.sleep(0)
        is_ended = True

    assert is_ended
    assert caught.value.subgroup(HeavyError) is not None
    assert [record for record in log.records if record.levelname == "CRITICAL"]
    assert sorted(site.queue()) == sorted([raw, other])
    assert site.inflight() == []


async def test_a_service_that_fails_is_reported_and_begun_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidelong.worker.life._AFTER_FAULT", 0.01)
    app = site.app()
    told: list[str] = []
    runs: list[StopFlag] = []
    faults = [None, LookupError("no"), HeavyError("no"), asyncio.CancelledError("no")]
    app.error_handler(lambda error, context: told.append(f"{context['context']}: {error}"))

    class Shaky:
        async def run(self, stop: StopFlag) -> None:
            runs.append(stop)
            if len(runs) < len(faults):
                raise faults[len(runs)]
            await stop.wait()

    app.services.append(Shaky())
    async with app, app.worker() as worker:
        await eventually(lambda: len(runs) == len(faults))
        await eventually(lambda: worker.is_ready)

    assert told == ["service: no"] * (len(faults) - 1)
    assert runs[-1].is_set


async def test_wait_returns_when_the_worker_was_stopped(site: Site) -> None:
    app = site.app()

    async with app, app.worker() as worker:
        waiting = asyncio.create_task(worker.wait())
        worker.stop_soon()
        await asyncio.wait_for(waiting, 5)


async def test_cancelling_run_hands_back_what_is_running(site: Site) -> None:
    app = site.app()
    started = asyncio.Event()

    @app.job(name="Held")
    async def held() -> None:
        started.set()
        await asyncio.Event().wait()

    raw = site.push("Held")
    async with app:
        running = asyncio.create_task(app.worker().run())
        await asyncio.wait_for(started.wait(), 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert site.queue() == [raw]
    assert site.counter("stat:processed") == 0


async def test_what_is_handed_back_to_a_cleared_queue_can_be_seen(site: Site) -> None:
    app = site.app(timeout=0.0)

    @app.job(name="Held")
    async def held() -> None:
        await asyncio.Event().wait()

    async with app:
        async with app.worker() as worker:
            raw = site.push("Held")
            await eventually(lambda: len(worker.running) == 1)
            await Queue(app).clear()
            assert not site.client.exists("queues")

        assert site.queue() == [raw]
        assert [queue.name for queue in await Queue.all(app)] == ["default"]


async def test_an_exception_in_the_host_stops_the_worker_and_goes_on_its_way(site: Site) -> None:
    app = site.app(timeout=0.05)
    started = asyncio.Event()

    @app.job(name="Held")
    async def held() -> None:
        started.set()
        await asyncio.Event().wait()

    raw = site.push("Held")

    async def host() -> None:
        async with app, app.worker():
            await started.wait()
            raise LookupError("of the host")

    with pytest.raises(LookupError, match="of the host"):
        await host()

    assert site.queue() == [raw]


# Embedding.


@pytest.mark.parametrize("arguments", [True, {"concurrency": 3}])
async def test_a_lifespan_runs_a_worker_inside_the_host(site: Site, arguments: Any) -> None:
    app = site.app()
    ran = asyncio.Event()
    seen: list[str] = []

    @app.job(name="Job")
    async def job() -> None:
        ran.set()

    def inner(host: object) -> Any:
        @asynccontextmanager
        async def lifespan() -> Any:
            seen.append("inner opens")
            yield {"state": 1}
            seen.append("inner closes")

        return lifespan()

    app.on("startup")(lambda: seen.append("worker opens"))
    app.on("exit")(lambda: seen.append("worker closes"))
    site.push("Job")
    async with app.lifespan(worker=arguments, inner=inner)(object()) as state:
        await asyncio.wait_for(ran.wait(), 20)
        (identity,) = site.client.smembers("processes")
        concurrency = site.client.hget(identity, "concurrency")

    assert state == {"state": 1}
    assert concurrency == (b"10" if arguments is True else b"3")
    assert seen == ["inner opens", "worker opens", "worker closes", "inner closes"]
    assert not site.client.exists("processes")


async def test_a_lifespan_without_a_worker_runs_none(site: Site) -> None:
    app = site.app()

    async with app.lifespan()(object()):
        processes = site.client.smembers("processes")

    assert not processes


async def test_starting_and_stopping_leaves_nothing_behind(site: Site) -> None:
    app = site.app()
    async with app:
        async with app.worker():
            pass
        tasks, threads = len(asyncio.all_tasks()), threading.active_count()
        for _ in range(20):
            async with app.worker():
                pass
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        await eventually(lambda: threading.active_count() <= threads)

    assert site.state() == {}


async def test_what_the_log_held_back_is_told_at_the_stop_and_no_thread_stays_for_it(site: Site, log: Lines) -> None:
    app = site.app()
    before = set(threading.enumerate())

    @app.on("exit")
    def complain() -> None:
        for number in range(7):
            logging.getLogger("sidelong.worker").warning("trouble %d", number)

    async with app:
        async with app.worker():
            pass
        told = log.containing("trouble")
        await eventually(lambda: set(threading.enumerate()) <= before)

    assert [line for line in told if "more times" in line] == ["trouble 6 (repeated 2 more times within 10 s)"]


# Being looked at.


async def test_probes_tell_whether_it_lives_and_is_ready(site: Site) -> None:
    app = site.app()

    async with app:
        worker = app.worker()
        before = worker.is_live, worker.is_ready, worker.identity, list(worker.running)
        async with worker:
            during = worker.is_live, worker.is_ready, worker.identity is not None
            worker.quiet()
            quiet = worker.is_live, worker.is_ready

    assert before == (True, False, None, [])
    assert during == (True, True, True)
    assert quiet == (True, False)


async def test_a_blocked_loop_is_not_live_and_the_job_that_blocks_it_is_named(site: Site, log: Lines) -> None:
    app = site.app(lag_threshold=0.3)
    seen: list[bool] = []
    is_over = threading.Event()

    @app.job(name="Blocker")
    async def blocker() -> None:
        time.sleep(1.0)

    site.push("Blocker", jid="1" * 24)
    async with app, app.worker() as worker:

        def look() -> None:
            while not is_over.wait(0.01):
                seen.append(worker.is_live)

        looking = threading.Thread(target=look)
        looking.start()
        await eventually(lambda: site.counter("stat:processed") == 1)
        await eventually(lambda: worker.is_live)
        is_over.set()
        looking.join()

    assert False in seen
    # On a busy machine it may be blocked for so long without any job.
    (line,) = [line for line in log.containing("the event loop has been blocked") if "by job" in line]
    assert f"by job Blocker {'1' * 24}" in line
    assert "in blocker" in line


async def test_stacks_name_the_running_jobs(site: Site) -> None:
    app = site.app()
    gate = threading.Event()
    opened = asyncio.Event()
    is_waiting: list[bool] = []

    @app.job(name="OnLoop")
    async def waits_here() -> None:
        is_waiting.append(True)
        await inside()

    @app.job(name="InThread")
    def blocks_here() -> None:
        gate.wait(30)

    async def inside() -> None:
        await opened.wait()

    site.push("OnLoop", jid="1" * 24)
    site.push("InThread", jid="2" * 24)
    async with app, app.worker() as worker:
        await eventually(lambda: len(worker.running) == 2 and worker.stuck_threads() and is_waiting)
        text = worker.dump_stacks()
        stuck = worker.stuck_threads()
        gate.set()
        opened.set()
        await site.drained()

    assert f"runs OnLoop jid={'1' * 24}" in text
    job, _, _ = text[text.index("runs OnLoop") :].partition("\ntask ")
    assert job.index("in waits_here") < job.index("in inside")
    assert f"InThread {'2' * 24}" in text
    assert "blocks_here" in text
    assert [entry.split(" in thread ")[0] for entry in stuck] == [f"InThread {'2' * 24}"]


# The embedded store, end to end.


async def test_an_application_on_memory_enqueues_schedules_retries_and_runs() -> None:
    app = Sidelong("memory://end-to-end", poll_interval=0.05)
    seen: list[str] = []

    @app.job(retry_in=lambda *_: 0.01)
    async def shaky(word: str) -> None:
        seen.append(word)
        if seen.count(word) == 1 and word == "again":
            raise ValueError("not yet")

    async with app, app.worker(concurrency=2):
        await shaky.enqueue("now")
        await shaky.enqueue_in(0.02, "later")
        await shaky.enqueue_many([("many",)] * 3)
        await shaky.enqueue("again")
        await eventually(lambda: len(seen) == 7)

    assert sorted(seen) == ["again", "again", "later", "many", "many", "many", "now"]
