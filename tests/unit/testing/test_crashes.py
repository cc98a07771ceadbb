import asyncio
import cProfile
import gc
import pstats
import subprocess
import sys
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock

import pytest

from sidelong import JobClass, current_context
from sidelong.testing import crash_after_each_await, fake
from tests.support.eventually import eventually


class World:
    """What a job does outside of itself."""

    def __init__(self):
        self.done = []

    async def do(self, what):
        """Does not wait for anything, as most fakes."""
        self.done.append(what)

    async def do_slowly(self, what):
        await asyncio.sleep(0)
        self.done.append(what)
        await asyncio.sleep(0)


@pytest.fixture
def worlds():
    """The worlds so far; the last one is that of the running round."""
    return []


@pytest.fixture
def new_world(worlds):
    def new_world():
        worlds.append(World())
        return worlds[-1]

    return new_world


async def test_kills_a_job_after_each_await_and_runs_it_again(app, worlds, new_world):
    @app.job
    async def complete(order_id: int) -> None:
        world = worlds[-1]
        await world.do("charge")
        await world.do_slowly("ship")
        await world.do("mail")

    crashes = [crash async for crash in crash_after_each_await(complete, 7, setup=new_world)]

    whole = ["charge", "ship", "mail"]
    assert [crash.state.done for crash in crashes] == [
        ["charge", *whole],
        ["charge", *whole],
        ["charge", "ship", *whole],
        ["charge", "ship", *whole],
        [*whole, *whole],
        [*whole, *whole],
    ]
    assert [crash.number for crash in crashes] == [1, 2, 3, 4, 5, 6]
    places = [crash.after.partition(" in ") for crash in crashes]
    assert [function.rpartition(".")[2] for _, _, function in places] == [
        "complete",
        "do_slowly",
        "do_slowly",
        "complete",
        "complete",
        "",
    ]
    line = int(places[0][0].removeprefix("tests/unit/testing/test_crashes.py:"))
    assert places[4][0] == f"tests/unit/testing/test_crashes.py:{line + 2}"
    assert str(crashes[5]) == "killed after its end, and run again"


async def test_nothing_runs_in_a_killed_job_that_would_not_run_in_a_killed_process(app):
    ran = []

    @asynccontextmanager
    async def transaction():
        ran.append("begin")
        try:
            yield
            ran.append("commit")
        finally:
            ran.append("end")

    class Lock:
        async def __aenter__(self):
            ran.append("enter")

        async def __aexit__(self, *exc_info):
            ran.append("exit")

    async def write():
        ran.append("write")

    @app.job
    async def work() -> None:
        try:
            async with transaction(), Lock():
                await write()
        except BaseException:
            ran.append("except")
            raise
        finally:
            ran.append("finally")

    def setup():
        ran.clear()

    first_runs, places = [], []
    async for crash in crash_after_each_await(work, setup=setup, restart=lambda: ran.append("restart")):
        places.append(crash.after)
        gc.collect()
        first_runs.append(ran[: ran.index("restart")])
        assert ran[len(first_runs[-1]) + 1 :] == ["begin", "enter", "write", "exit", "commit", "end", "finally"]

    assert places[-1] == "its end"
    assert first_runs == [
        ["begin"],
        ["begin", "enter"],
        ["begin", "enter", "write"],
        ["begin", "enter", "write", "exit"],
        ["begin", "enter", "write", "exit", "commit", "end"],
        ["begin", "enter", "write", "exit", "commit", "end", "finally"],
    ]


async def test_awaits_of_helpers_mocks_futures_and_generators_count(app, worlds, new_world):
    @app.job
    async def work() -> None:
        await helper()
        async for number in stream():
            worlds[-1].done.append(number)

    async def helper():
        mock = AsyncMock(side_effect=worlds[-1].do)
        await mock("mock")
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future
        worlds[-1].done.append("future")

    async def stream():
        for number in (1, 2):
            await worlds[-1].do(f"read {number}")
            yield number

    whole = ["mock", "future", "read 1", 1, "read 2", 2]
    seen = []
    async for crash in crash_after_each_await(work, setup=new_world):
        done = crash.state.done
        assert done[-6:] == whole
        seen.append(done[:-6])

    assert seen == [
        ["mock"],
        ["mock"],
        ["mock", "future"],
        ["mock", "future", "read 1"],
        ["mock", "future", "read 1"],
        ["mock", "future", "read 1", 1, "read 2"],
        ["mock", "future", "read 1", 1, "read 2"],
        whole,
        whole,
    ]


async def test_each_step_of_a_generator_that_never_waits_counts(app, worlds, new_world):
    async def rows():
        for row in (1, 2):
            yield row

    class Table:
        async def __aiter__(self):
            yield 3

    @app.job
    async def work() -> None:
        done = worlds[-1].done
        async for row in rows():
            done.append(row)
        async for row in Table():
            done.append(row)
        stream = rows()
        done.append(await anext(stream, None) + 3)
        await stream.aclose()
        done.append("end")

    whole = [1, 2, 3, 4, "end"]
    crashes = [crash async for crash in crash_after_each_await(work, setup=new_world)]

    assert all(crash.state.done[-5:] == whole for crash in crashes)
    # Two rows and the end, one row and the end, one row, and the end of the job.
    assert [crash.state.done[:-5] for crash in crashes] == [[], [1], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3], whole]


async def test_generators_are_driven_as_ever(app, worlds, new_world):
    def note(what):
        worlds[-1].done.append(what)

    async def echo(first, /, *, more="more"):
        got = yield first, more
        try:
            while True:
                try:
                    got = yield got
                except LookupError as error:
                    got = type(error)
        finally:
            await worlds[-1].do("closed")

    async def fail():
        yield 1
        raise ZeroDivisionError

    async def read_all():
        async for number in fail():
            note(number)

    async def enter():
        async with asynccontextmanager(fail)() as number:
            note(number)

    @app.job
    async def work() -> None:
        stream = echo(0, more=1)
        note([await anext(stream), await stream.asend("a"), await stream.athrow(KeyError), await stream.asend("b")])
        await stream.aclose()
        note(await anext(stream, "over"))
        for read in (read_all, read_all, enter):
            with pytest.raises(ZeroDivisionError):
                await read()
        async for number in echo(1):
            note(number)
            break

    whole = [[(0, 1), "a", KeyError, "b"], "closed", "over", 1, 1, 1, (1, "more")]
    crashes = [crash async for crash in crash_after_each_await(work, setup=new_world)]

    # The generator that was left may be closed by then.
    runs = [[what for what in crash.state.done if what != "closed"] for crash in crashes]
    whole.remove("closed")
    assert all(run[-6:] == whole for run in runs)
    assert runs[-1] == whole + whole


async def test_an_await_that_raises_counts(app, worlds, new_world):
    async def refuse():
        worlds[-1].done.append("refused")
        raise PermissionError

    async def fail_later():
        await asyncio.sleep(0)
        raise PermissionError

    @app.job
    async def work() -> None:
        try:
            await refuse()
        except PermissionError:
            worlds[-1].done.append("seen")
        try:
            await asyncio.get_running_loop().create_task(fail_later())
        except PermissionError:
            worlds[-1].done.append("seen again")

    firsts = [crash.state.done[:-3] async for crash in crash_after_each_await(work, setup=new_world)]

    whole = ["refused", "seen", "seen again"]
    # The second is the sleep in the task.
    assert firsts == [whole[:1], whole[:2], whole[:2], whole]


async def test_tasks_of_the_job_die_with_it(app, worlds, new_world):
    @app.job
    async def work() -> None:
        world = worlds[-1]
        asyncio.get_running_loop().create_task(background(world))
        asyncio.get_running_loop().create_task(wait_for_ever(world))
        async with asyncio.TaskGroup() as group:
            group.create_task(world.do_slowly("one"))
            group.create_task(world.do_slowly("two"))
        await asyncio.gather(world.do_slowly("three"), asyncio.wait_for(world.do_slowly("four"), 30))

    async def background(world):
        try:
            for number in range(1000):
                await asyncio.sleep(0)
                world.done.append(f"background {number}")
        finally:
            world.done.append("cleaned up")

    async def wait_for_ever(world):
        # An event loop keeps no task alive that waits for what nobody else knows.
        world.never = asyncio.get_running_loop().create_future()
        try:
            await world.never
        finally:
            world.done.append("cleaned up")

    before = asyncio.all_tasks()
    async for crash in crash_after_each_await(work, setup=new_world):
        state = crash.state
        # What the second run has started is the job's own affair; that of the first is dead.
        background_tasks = asyncio.all_tasks() - before
        assert len(background_tasks) == 2
        done = [each for each in state.done if not each.startswith("background")]
        assert "cleaned up" not in done
        assert set(done[-4:]) == {"one", "two", "three", "four"}
        for task in background_tasks:
            task.cancel()
        await asyncio.wait(background_tasks)
        state.done.clear()
        await asyncio.sleep(0)
        assert state.done == []

    assert crash.number > 8


async def test_a_task_that_would_begin_after_the_end_never_does(app, worlds, new_world):
    @app.job
    async def work() -> None:
        world, loop = worlds[-1], asyncio.get_running_loop()
        world.never = loop.create_future()
        loop.create_task(asyncio.wait({world.never}))
        # In the turn after the one in which it is known that the job has ended.
        loop.call_soon(loop.call_soon, loop.call_soon, lambda: loop.create_task(late(world)))

    async def late(world):
        world.done.append("late")

    async for crash in crash_after_each_await(work, setup=new_world):
        await eventually(lambda state=crash.state: state.done)
        gc.collect()
        # It is that of the second run.
        assert crash.state.done == ["late"]
        crash.state.never.set_result(None)


async def test_functions_of_every_kind_are_called_as_ever(app, worlds, new_world):
    class Base:
        async def method(self, first, /, second=2, *rest, third=3, **more):
            worlds[-1].done.append((first, second, rest, third, more))

        @staticmethod
        async def static(value="static"):
            worlds[-1].done.append(value)

        @classmethod
        async def make(cls):
            worlds[-1].done.append(cls)
            return cls()

    class Derived(Base):
        async def method(self, *args, **kwargs):
            await super().method(*args, **kwargs)

    async def closed():
        await asyncio.get_running_loop().create_future()

    @app.job
    async def work() -> None:
        thing = await Derived.make()
        await thing.method(1)
        await thing.method(1, 4, 5, third=6, fourth=7)
        await thing.static()
        coroutine = closed()
        coroutine.send(None)
        close(coroutine)

    def close(coroutine):
        coroutine.close()

    whole = [Derived, (1, 2, (), 3, {}), (1, 4, (5,), 6, {"fourth": 7}), "static"]
    firsts = [crash.state.done[:-4] async for crash in crash_after_each_await(work, setup=new_world)]

    # The two calls of `method` end twice: that of the base class, and that which calls it.
    assert firsts == [whole[:1], whole[:2], whole[:2], whole[:3], whole[:3], whole, whole]


async def test_what_the_job_enqueues_is_kept(app):
    @app.job
    async def child(number: int) -> None:
        raise AssertionError("it does not run")

    @app.job
    async def parent(number: int) -> None:
        await child.enqueue(number)
        await child.enqueue(number + 1)

    with fake(app) as outer:
        found = [[job.args[0] for job in crash.jobs] async for crash in crash_after_each_await(parent, 1)]
        await child.enqueue(9)

    assert found == [[1, 1, 2], [1, 2, 1, 2], [1, 2, 1, 2]]
    assert [job.args for job in outer] == [[9]]


async def test_crash_jobs_can_be_asserted_of(app):
    @app.job
    async def child(number: int) -> None: ...

    @app.job
    async def parent() -> None:
        await child.enqueue(1)

    async for crash in crash_after_each_await(parent):
        crash.jobs.assert_enqueued(child, [1])
        with pytest.raises(RuntimeError, match="the block has ended"):
            await crash.jobs.drain()


async def test_both_runs_are_of_one_job_and_the_second_knows_of_the_crash(app, worlds, new_world):
    @app.job
    class Work(JobClass):
        async def perform(self) -> None:
            context = current_context()
            await worlds[-1].do((context.jid, context.attempt, len(context.item.get("crashed_at", ()))))

    async for crash in crash_after_each_await(Work, setup=new_world):
        (jid, _, _), _ = crash.state.done
        assert crash.state.done == [(jid, 1, 0), (jid, 1, 1)]


async def test_a_def_job_is_killed_after_its_end_only(app, worlds, new_world):
    @app.job
    def work(number: int) -> None:
        worlds[-1].done.append(number)

    crashes = [crash async for crash in crash_after_each_await(work, 1, setup=new_world)]

    assert [(crash.after, crash.state.done) for crash in crashes] == [("its end", [1, 1])]
    assert len(worlds) == 1


async def test_server_middleware_is_off_unless_it_is_asked_for(app, worlds, new_world):
    @app.server_middleware
    async def server(job, call_next):
        await worlds[-1].do("before")
        await call_next()
        await worlds[-1].do("after")

    @app.job
    async def work() -> None:
        await worlds[-1].do("work")

    async def ends(**options):
        return [crash.state.done async for crash in crash_after_each_await(work, setup=new_world, **options)]

    whole = ["before", "work", "after"]
    assert await ends() == [["work", "work"]] * 2
    # After each of three awaits, after that of the job itself, and after the end.
    assert await ends(server_middleware=True) == [
        ["before", *whole],
        ["before", "work", *whole],
        ["before", "work", *whole],
        [*whole, *whole],
        [*whole, *whole],
    ]


async def test_setup_and_restart_may_be_async(app):
    calls = []

    async def setup():
        calls.append("setup")

    async def restart():
        calls.append("restart")

    @app.job
    async def work() -> None:
        calls.append("work")

    async for _ in crash_after_each_await(work, setup=setup, restart=restart):
        pass

    assert calls == ["setup", "work"] * 3 + ["restart", "work"]


async def test_what_a_job_raises_comes_out_and_says_after_which_crash(app, worlds, new_world):
    @app.job
    async def once() -> None:
        if worlds[-1].done:
            raise ValueError("it is done already")
        await worlds[-1].do("it")

    @app.job
    async def fail() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="it is done already") as caught:
        async for _ in crash_after_each_await(once, setup=new_world):
            pass
    with pytest.raises(ValueError, match="at once"):
        async for _ in crash_after_each_await(fail):
            pass

    (note,) = caught.value.__notes__
    assert "once was killed after tests/unit/testing/test_crashes.py:" in note


async def test_a_world_that_is_not_put_back_is_found_out(app):
    world = World()

    @app.job
    async def work() -> None:
        if len(world.done) < 5:
            await world.do("it")
            await world.do("it")

    with pytest.raises(RuntimeError, match="let setup= put everything back"):
        async for _ in crash_after_each_await(work):
            pass


async def test_what_the_killed_run_still_holds_is_told_and_may_be_replaced(app):
    locks = []

    def new_lock():
        locks.append(asyncio.Lock())

    @app.job
    async def work() -> None:
        async with locks[-1]:
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError, match="a lock or a connection that the killed run still holds"):
        async for _ in crash_after_each_await(work, setup=new_lock, patience=0.05):
            pass
    count = len([crash async for crash in crash_after_each_await(work, setup=new_lock, restart=new_lock)])

    assert count == 4


async def test_a_timeout_of_the_jobs_own_is_its_own(app, worlds, new_world):
    @app.job
    async def fail() -> None:
        raise TimeoutError("of the bank")

    @app.job
    async def fail_again() -> None:
        if worlds[-1].done:
            raise TimeoutError("of the bank")
        await worlds[-1].do("it")

    for job in (fail, fail_again):
        with pytest.raises(TimeoutError, match="of the bank"):
            async for _ in crash_after_each_await(job, setup=new_world):
                pass


async def test_a_run_that_does_not_end_is_told(app):
    @app.job
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError, match=r"hang has not ended within 0\.05 s"):
        async for _ in crash_after_each_await(hang, patience=0.05):
            pass


async def test_takes_jobs_that_the_app_would_enqueue_only(app):
    @app.client_middleware
    async def stop(job, call_next):
        return None

    @app.job
    async def work(number: int) -> None: ...

    for job, args, error in [
        ("work", (), TypeError("takes a job, not 'work'")),
        (work, (), TypeError("it takes number")),
        (work, (1,), RuntimeError("a client middleware has stopped it")),
    ]:
        with pytest.raises(type(error), match=str(error)):
            async for _ in crash_after_each_await(job, *args):
                pass


async def test_functions_and_the_loop_are_as_before(app, worlds, new_world):
    @app.job
    async def work() -> None:
        await worlds[-1].do("it")
        await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    functions = [World.do, asyncio.sleep, work.target()]
    before = [function.__code__ for function in functions], loop.get_task_factory(), sys.getprofile()

    async for _ in crash_after_each_await(work, setup=new_world):
        assert before == ([function.__code__ for function in functions], loop.get_task_factory(), sys.getprofile())
        break

    assert before == ([function.__code__ for function in functions], loop.get_task_factory(), sys.getprofile())


async def test_a_profiler_goes_on_afterwards(app):
    @app.job
    async def work() -> None:
        await asyncio.sleep(0)

    with cProfile.Profile() as profiler:
        before = sys.getprofile()
        async for _ in crash_after_each_await(work):
            assert sys.getprofile() is before
    seen = {function for _, _, function in pstats.Stats(profiler).stats}

    assert "crash" in seen


async def test_several_rehearsals_at_once_do_not_mix(app):
    code = World.do.__code__

    async def rehearse():
        world = World()

        @app.job(name=f"work-{id(world)}")
        async def work() -> None:
            await world.do("one")
            await world.do_slowly("two")

        return [len(crash.state) async for crash in crash_after_each_await(work, setup=lambda: start(world))]

    def start(world):
        world.done = []
        return world.done

    found = await asyncio.gather(*(rehearse() for _ in range(5)))

    assert found == [[3, 3, 4, 4, 4]] * 5
    assert World.do.__code__ is code


async def test_others_in_the_same_loop_go_on_undisturbed(app, worlds, new_world):
    beats = []

    async def beat():
        while True:
            await asyncio.sleep(0)
            await world.do("beat")
            beats.append(asyncio.current_task())

    @app.job
    async def work() -> None:
        for _ in range(5):
            await worlds[-1].do_slowly("it")

    world = World()
    beating = asyncio.create_task(beat())
    async for crash in crash_after_each_await(work, setup=new_world):
        seen, number = len(beats), crash.number
        await eventually(lambda seen=seen: len(beats) > seen)
    beating.cancel()

    # In each of five turns two in `do_slowly`, and its own end; then the end of the job.
    assert number == 16


def test_a_killed_job_is_left_alone_at_the_end_of_the_interpreter_too():
    program = """
import asyncio
import gc
from sidelong import Sidelong
from sidelong.testing import crash_after_each_await

app = Sidelong("redis://localhost")

@app.job(name="work")
async def work():
    try:
        async for number in numbers():
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
    finally:
        print("cleaned up")

async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("generator cleaned up")

async def main():
    async for crash in crash_after_each_await(work):
        gc.collect()
        print("crash")

asyncio.run(main())
"""

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines.count("crash") == 6
    # Two runs that find the awaits, six that follow a crash, and the one that was killed after its end.
    assert lines.count("cleaned up") == 9
    # Its generator had ended, too, in the run that was killed as it had noticed that.
    assert lines.count("generator cleaned up") == 10
