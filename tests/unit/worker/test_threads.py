import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from sidelong.worker.threads import JobThreads
from tests.support.eventually import eventually


@pytest.fixture
def threads():
    pool = JobThreads("test-pool")
    yield pool
    pool.close()


async def test_gives_the_result(threads):
    result, error = await threads.start(lambda: threading.current_thread().name, "job")

    assert result.startswith("test-pool-")
    assert error is None


@pytest.mark.parametrize("fault", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), StopIteration(1)])
async def test_gives_any_exception_as_a_value(threads, fault):
    def fail():
        raise fault

    result, error = await threads.start(fail, "job")

    assert result is None
    assert error is fault


async def test_runs_in_a_copy_of_the_context(threads):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("of the caller")

    def change():
        before = variable.get()
        variable.set("of the thread")
        return before

    first, _ = await threads.start(change, "job")
    second, _ = await threads.start(change, "job")

    assert (first, second, variable.get()) == ("of the caller", "of the caller", "of the caller")


async def test_runs_as_many_at_once_as_are_started(threads):
    together = threading.Barrier(30)

    answers = await asyncio.gather(*[threads.start(lambda: together.wait(10), "job") for _ in range(30)])

    assert sorted(index for index, _ in answers) == list(range(30))


async def test_uses_its_threads_again(threads):
    used = set()

    for _ in range(50):
        await threads.start(lambda: used.add(threading.get_ident()), "job")

    assert len(used) == 1


async def test_tells_what_is_running(threads):
    gate = threading.Event()

    future = threads.start(lambda: gate.wait(10), "SlowJob 123")
    await eventually(threads.running)
    during = threads.running()
    gate.set()
    await future

    assert len(during) == 1
    assert during[0].startswith("SlowJob 123 in thread test-pool-")
    assert threads.running() == []


async def test_holds_on_to_nothing_of_a_finished_job(threads):
    class Large:
        pass

    large = Large()
    gone = weakref.ref(large)

    result, _ = await threads.start(lambda kept=large: kept, "job")
    del large, result

    def is_gone():
        gc.collect()
        return gone() is None

    await eventually(is_gone)


async def test_its_threads_end_when_it_is_closed():
    pool = JobThreads("closing-pool")
    await asyncio.gather(*[pool.start(lambda: None, "job") for _ in range(5)])

    pool.close()

    await eventually(lambda: not any(each.name.startswith("closing-pool") for each in threading.enumerate()))


async def test_a_result_for_an_abandoned_job_is_dropped(threads):
    gate = threading.Event()
    future = threads.start(lambda: gate.wait(10), "job")
    await eventually(threads.running)

    future.cancel()
    gate.set()
    result, _ = await threads.start(lambda: "next", "job")

    assert result == "next"


async def test_its_threads_keep_no_process_alive(threads):
    await threads.start(lambda: None, "job")

    assert all(each.daemon for each in threading.enumerate() if each.name.startswith("test-pool"))


async def test_runs_nothing_where_the_system_refuses_another_thread(threads, monkeypatch):
    ran = []

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            threads.start(lambda: ran.append("first"), "job")
    await threads.start(lambda: ran.append("second"), "job")

    assert ran == ["second"]
