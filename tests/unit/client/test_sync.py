import asyncio
import inspect
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from sidelong import ArgumentError, EnqueueUncertain, JobClass, NotEnqueued, Sidelong
from sidelong.client.background import end_background, running_background
from sidelong.errors import ReplyLost, Unavailable

REFUSED = r"leave it out and await, as in `await job\.enqueue\(\.\.\.\)`"
user: ContextVar[str] = ContextVar("user", default="nobody")


@pytest.fixture(autouse=True)
def ended_background() -> Iterator[None]:
    yield
    end_background()


@pytest.fixture
def job(app: Sidelong) -> Any:
    @app.job(name="Resize", queue="images")
    async def resize(image: int, width: int = 100) -> None: ...

    return resize


def without_chance(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in ("jid", "created_at", "enqueued_at")}


VERBS: dict[str, Callable[[Any, Any], Any]] = {
    "enqueue": lambda app, job: job.enqueue(1, width=5),
    "enqueue_in": lambda app, job: job.enqueue_in(-1, 1, 5),
    "enqueue_at": lambda app, job: job.enqueue_at(4e9, 1, 5),
    "enqueue_many": lambda app, job: job.enqueue_many([(1,), (2, 5)], at=4e9),
    "with_options": lambda app, job: job.with_options(queue="low", own=1).enqueue(1),
    "by name": lambda app, job: app.enqueue("Other", 1, queue="ruby"),
    "by name, registered": lambda app, job: app.enqueue("Resize", 1),
    "push": lambda app, job: app.client.push({"class": "Other", "args": [1], "at": 4e9}),
    "push_bulk": lambda app, job: app.client.push_bulk({"class": "Other", "args": [[1], [2]], "own": 1}),
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_pushes_and_returns_what_its_async_twin_does(app, job, pusher, verb):
    async def twin() -> Any:
        return await VERBS[verb](app, job)

    awaited = asyncio.run(twin())
    expected = [without_chance(payload) for payload in pusher.payloads]
    pusher.pushes.clear()

    returned = VERBS[verb](app.sync, job.sync)

    assert [without_chance(payload) for payload in pusher.payloads] == expected != []
    assert type(returned) is type(awaited)
    references = returned if isinstance(returned, list) else [returned]
    assert [str(reference) for reference in references] == [payload["jid"] for payload in pusher.payloads]


def test_the_options_given_before_sync_hold(job, pusher):
    job.with_options(queue="low").sync.enqueue(1)

    assert pusher.payload["queue"] == "low"


def test_a_class_has_the_verbs_too(app, pusher):
    @app.job(queue="orders")
    class Complete(JobClass):
        async def perform(self, order: int) -> None: ...

    Complete.sync.enqueue(order=7)

    assert (pusher.payload["args"], pusher.payload["queue"]) == ([7], "orders")


def test_a_class_that_is_not_registered_has_no_verbs_and_can_be_inspected():
    class Base(JobClass): ...

    with pytest.raises(AttributeError, match=r"Base is not registered: decorate it with @app\.job"):
        _ = Base.sync
    assert inspect.getmembers(Base)


def test_a_push_that_a_middleware_stops_returns_none(app, job, pusher):
    @app.client_middleware
    async def stop(payload, call_next): ...

    assert job.sync.enqueue(1) is None
    assert job.sync.enqueue_many([(1,), (2,)]) == [None, None]
    assert pusher.pushes == []


def test_client_middleware_sees_the_context_of_the_caller_and_leaves_it_alone(app, job):
    seen: list[str] = []

    @app.client_middleware
    async def look(payload, call_next):
        seen.append(user.get())
        user.set("changed")
        return await call_next()

    def enqueue_as(name: str) -> str:
        user.set(name)
        job.sync.enqueue(1)
        return user.get()

    with ThreadPoolExecutor(2) as threads:
        left = list(threads.map(enqueue_as, ["ada", "grace"]))

    assert sorted(seen) == left == ["ada", "grace"]


@pytest.mark.parametrize("error", [NotEnqueued("no", ["a"]), EnqueueUncertain("maybe", ["a"])], ids=repr)
def test_an_error_of_the_push_comes_back_as_itself(job, pusher, error):
    pusher.failures = [error]

    with pytest.raises(type(error)) as raised:
        job.sync.enqueue(1)

    assert raised.value is error


def test_wrong_arguments_are_refused_as_elsewhere(app, job, pusher):
    with pytest.raises(TypeError, match="Resize: missing a required argument: 'image'"):
        job.sync.enqueue()
    with pytest.raises(ArgumentError, match=r"args\[0\]"):
        app.sync.enqueue("Other", object())
    with pytest.raises(TypeError, match="element 1"):
        job.sync.enqueue_many([(1,), ()])

    assert pusher.pushes == []


def test_a_traceback_shows_the_caller_and_what_failed(app, job):
    @app.client_middleware
    async def fail(payload, call_next):
        raise LookupError("no tenant")

    with pytest.raises(LookupError) as raised:
        job.sync.enqueue(1)

    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names[0] == "test_a_traceback_shows_the_caller_and_what_failed"
    assert names[-1] == "fail"


def test_a_bulk_push_that_fails_half_way_tells_what_was_stored(job, pusher):
    pusher.failures = [None, NotEnqueued("no", ["a"])]

    with pytest.raises(NotEnqueued) as raised:
        job.sync.enqueue_many(((n,) for n in range(3)), batch_size=1)

    assert list(raised.value.enqueued) == [pusher.payload["jid"]]


def test_lazy_arguments_are_read_by_the_caller_slice_by_slice(job, pusher):
    readers: list[tuple[int, int]] = []

    def arguments() -> Iterator[tuple[int]]:
        for number in range(5):
            # What an ORM does before it blocks: there must be no event loop in this thread.
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            readers.append((threading.get_ident(), len(pusher.pushes)))
            yield (number,)

    job.sync.enqueue_many(arguments(), batch_size=2)

    assert readers == [(threading.get_ident(), stored) for stored in (0, 0, 2, 2, 4)]
    assert pusher.trips == [2, 2, 1]


async def test_refuses_to_block_an_event_loop_and_says_what_to_do(app, job, pusher):
    read: list[int] = []

    def helper() -> None:
        job.sync.enqueue(1)

    for refused in (
        helper,
        lambda: job.sync.enqueue_in(1, 1),
        lambda: job.sync.enqueue_many((number,) for number in map(read.append, range(3))),
        lambda: app.sync.enqueue("Resize", 1),
        lambda: app.sync.client.push({"class": "Resize", "args": [1]}),
        lambda: app.sync.client.push_bulk({"class": "Resize", "args": [[1]]}),
        lambda: app.sync.cancel("a"),
        lambda: app.sync.run(asyncio.sleep, 0),
        app.sync.close,
    ):
        with pytest.raises(RuntimeError, match=REFUSED):
            refused()
    await asyncio.to_thread(helper)

    assert len(pusher.pushes) == 1
    assert read == []


def test_all_threads_share_one_background_loop(app, job):
    loops: list[asyncio.AbstractEventLoop] = []

    @app.client_middleware
    async def look(payload, call_next):
        loops.append(asyncio.get_running_loop())
        return await call_next()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(job.sync.enqueue, range(50)))

    assert len(loops) == 50
    assert len(set(loops)) == 1
    assert [thread.name for thread in threading.enumerate()].count("sidelong-sync") == 1


def test_a_wrong_exit_in_a_middleware_ends_neither_the_loop_nor_other_pushes(app, job, pusher):
    @app.client_middleware
    async def leave(payload, call_next):
        if payload["args"] == [1]:
            raise SystemExit(3)
        return await call_next()

    with pytest.raises(SystemExit):
        job.sync.enqueue(1)
    job.sync.enqueue(2)

    assert pusher.payload["args"] == [2]


def test_a_push_that_is_cancelled_may_have_been_stored(app, job):
    @app.client_middleware
    async def cancel(payload, call_next):
        await call_next()
        raise asyncio.CancelledError

    with pytest.raises(EnqueueUncertain, match="may or may not be stored"):
        job.sync.enqueue(1)


class Blocked:
    """A client middleware that blocks the event loop at the first push until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    async def __call__(self, payload: dict[str, Any], call_next: Any) -> Any:
        if not self.begun.is_set():
            self.begun.set()
            self.let_go.wait(10)
        return await call_next()


def test_a_push_that_a_blocked_loop_does_not_begin_is_withdrawn(store, pusher):
    app = Sidelong("redis://nowhere", store=store, connect_timeout=0.1, answer_timeout=0.2)
    blocked = Blocked()
    app.client_middleware(blocked)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(app.sync.enqueue, "Job", 1)
        blocked.begun.wait(10)
        began = time.monotonic()
        with pytest.raises(NotEnqueued, match=r"blocked the event loop for 0\.3 s") as raised:
            app.sync.enqueue("Job", 2)
        took = time.monotonic() - began
        blocked.let_go.set()
        first.result(10)
    app.sync.enqueue("Job", 3)

    assert raised.value.jids == ()
    assert [payload["args"] for payload in pusher.payloads] == [[1], [3]]
    assert 0.3 <= took < 3


def test_a_push_that_has_begun_is_waited_for_however_long_it_takes(store, pusher):
    app = Sidelong("redis://nowhere", store=store, connect_timeout=0.1, answer_timeout=0.1)
    blocked = Blocked()
    app.client_middleware(blocked)

    with ThreadPoolExecutor(1) as threads:
        pushing = threads.submit(app.sync.enqueue, "Job", 1)
        blocked.begun.wait(10)
        # Longer than both timeouts, and than a waiting thread takes to look again.
        assert not blocked.let_go.wait(0.8)
        blocked.let_go.set()

        assert str(pushing.result(10)) == pusher.payload["jid"]


def test_a_push_that_never_ends_is_given_up_with_the_loop(store, pusher):
    app = Sidelong("redis://nowhere", store=store)
    begun = threading.Event()

    @app.client_middleware
    async def hang(payload, call_next):
        begun.set()
        await asyncio.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        pushing = threads.submit(app.sync.enqueue, "Job", 1)
        begun.wait(10)
        end_background()

        with pytest.raises(EnqueueUncertain, match="broken off, as by the end of its event loop"):
            pushing.result(10)


def test_whatever_can_be_awaited_can_be_waited_for(app):
    async def add(first: int, *, second: int) -> int:
        return first + second

    async def fail() -> None:
        raise LookupError("what it raises")

    assert app.sync.run(add, 1, second=2) == 3
    with pytest.raises(LookupError, match="what it raises"):
        app.sync.run(fail)


def test_a_call_that_a_blocked_loop_does_not_begin_is_no_push_that_failed(store):
    app = Sidelong("redis://nowhere", store=store, connect_timeout=0.1, answer_timeout=0.1)
    blocked = Blocked()
    app.client_middleware(blocked)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(app.sync.enqueue, "Job", 1)
        blocked.begun.wait(10)
        for steer in (lambda: app.sync.cancel("a"), lambda: app.sync.run(asyncio.sleep, 0)):
            with pytest.raises(Unavailable, match=r"^nothing was done: something has blocked .*, and try again$"):
                steer()
        blocked.let_go.set()
        first.result(10)


def test_a_call_whose_loop_ends_may_have_been_done(app):
    begun = threading.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(app.sync.run, hang)
        begun.wait(10)
        end_background()

        with pytest.raises(ReplyLost, match=r"the call was broken off, .*: it may or may not have been done"):
            waiting.result(10)


def test_the_background_loop_closes_what_it_used_and_the_next_push_begins_another(job, store):
    job.sync.enqueue(1)

    end_background()

    assert store.is_closed
    assert running_background() is None
    job.sync.enqueue(2)
    assert len(store.pusher.pushes) == 2


def test_close_gives_back_what_the_background_loop_holds(app, job, store):
    app.sync.close()
    assert not store.is_closed
    job.sync.enqueue(1)

    app.sync.close()

    assert store.is_closed
    job.sync.enqueue(2)
    assert len(store.pusher.pushes) == 2
