import logging
import re
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum

import pytest

from sidelong import (
    ConfigurationError,
    JobDefinitionError,
    NotEnqueued,
    PayloadTooLargeError,
    Sidelong,
    current_context,
)
from sidelong.errors import ArgumentError


async def test_enqueue_stores_the_payload_with_the_keys_in_sidekiqs_order(app, pusher):
    @app.job(queue="mailers", retry=5, timeout=30, tags=["vip"], name="Welcome")
    async def send_welcome(user_id): ...

    before = time.time()

    ref = await send_welcome.enqueue(42)

    payload = pusher.payload
    assert list(payload) == [
        "retry", "queue", "tags", "timeout", "args", "class", "jid", "created_at", "enqueued_at",
    ]  # fmt: skip
    assert payload["args"] == [42]
    assert payload["class"] == "Welcome"
    assert payload["jid"] == ref.jid == str(ref)
    assert before <= payload["created_at"] <= payload["enqueued_at"] <= time.time()
    assert re.fullmatch("[0-9a-f]{24}", ref.jid)
    assert pusher.pushes[0].queue == "mailers"
    assert pusher.pushes[0].at is None


async def test_names_a_job_by_module_and_qualified_name(app):
    @app.job
    async def charge(): ...

    assert charge.name == f"{__name__}.test_names_a_job_by_module_and_qualified_name.<locals>.charge"


async def test_binds_keywords_to_positions_and_leaves_trailing_defaults_out(app, pusher):
    @app.job
    async def resize(image, width=100, height=100): ...

    await resize.enqueue(1)
    await resize.enqueue(image=1)
    await resize.enqueue(1, height=5)
    await resize.enqueue(1, 100)

    assert [payload["args"] for payload in pusher.payloads] == [[1], [1], [1, 100, 5], [1, 100]]


async def test_takes_any_number_of_arguments_where_the_function_does(app, pusher):
    @app.job
    async def add(first, *others): ...

    await add.enqueue(1)
    await add.enqueue(1, 2, 3)

    assert [payload["args"] for payload in pusher.payloads] == [[1], [1, 2, 3]]


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'user_id'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"nmae": 2}, "unexpected keyword argument 'nmae'"),
        ((1,), {"user_id": 2}, "multiple values for argument 'user_id'"),
    ],
)
async def test_refuses_arguments_that_do_not_fit_the_signature(app, pusher, args, kwargs, words):
    @app.job(name="greet")
    async def greet(user_id, name="x"): ...

    with pytest.raises(TypeError, match=f"greet: .*{words}"):
        await greet.enqueue(*args, **kwargs)

    assert pusher.pushes == []


async def test_refuses_an_argument_that_json_cannot_carry_and_names_its_path(app, pusher):
    @app.job
    async def remind(options): ...

    with pytest.raises(ArgumentError, match=r'args\[0\]\["when"\] is of type datetime'):
        await remind.enqueue({"when": datetime.now(UTC)})

    assert pusher.pushes == []


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        42,
    ],
)
def test_refuses_what_has_no_name_or_cannot_be_called(app, function):
    with pytest.raises(JobDefinitionError):
        app.job(function)


def test_takes_a_lambda_that_is_given_a_name(app):
    job = app.job(name="double")(lambda number: number * 2)

    assert job(2) == 4


def test_refuses_parameters_that_a_list_cannot_fill(app):
    with pytest.raises(JobDefinitionError, match="'loud' can only be given by keyword"):

        @app.job
        async def greet(*, loud): ...

    with pytest.raises(JobDefinitionError, match=r"`\*\*rest` cannot be filled"):

        @app.job
        async def greet_all(**rest): ...


def test_refuses_generators_and_jobs(app):
    with pytest.raises(JobDefinitionError, match="it yields"):

        @app.job
        async def stream():
            yield 1

    @app.job
    async def fine(): ...

    with pytest.raises(JobDefinitionError, match="is a job already"):
        app.job(fine)


async def test_schedules_after_a_delay_without_storing_at(app, pusher):
    @app.job
    async def remind(user_id): ...

    before = time.time()

    await remind.enqueue_in(60, 1)
    await remind.enqueue_in(timedelta(hours=1), user_id=2)

    soon, later = pusher.pushes
    after = time.time()
    assert before + 60 <= soon.at <= after + 60
    assert before + 3600 <= later.at <= after + 3600
    assert all("at" not in payload and "enqueued_at" not in payload for payload in pusher.payloads)


async def test_schedules_at_an_aware_datetime_or_epoch_seconds(app, pusher):
    @app.job
    async def remind(): ...

    when = datetime(2999, 1, 1, tzinfo=UTC)

    await remind.enqueue_at(when)
    await remind.enqueue_at(when.timestamp())

    assert [push.at for push in pusher.pushes] == [when.timestamp()] * 2


async def test_enqueues_at_once_what_is_due(app, pusher):
    @app.job
    async def remind(): ...

    await remind.enqueue_in(0)
    await remind.enqueue_in(-5)
    await remind.enqueue_at(datetime(1970, 1, 2, tzinfo=UTC))

    assert [push.at for push in pusher.pushes] == [None] * 3
    assert all("enqueued_at" in payload for payload in pusher.payloads)


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), 1e12, 10**400])
async def test_refuses_a_delay_without_end(app, pusher, delay):
    @app.job
    async def remind(): ...

    with pytest.raises(ValueError, match=r"finite|9999"):
        await remind.enqueue_in(delay)

    assert pusher.pushes == []


async def test_refuses_a_time_without_a_zone_or_of_another_type(app, pusher):
    @app.job
    async def remind(): ...

    with pytest.raises(ValueError, match="without a time zone"):
        await remind.enqueue_at(datetime(2999, 1, 1))
    with pytest.raises(TypeError, match="epoch seconds, not str"):
        await remind.enqueue_at("tomorrow")
    with pytest.raises(TypeError, match="seconds or a timedelta, not bool"):
        await remind.enqueue_in(True)

    assert pusher.pushes == []


async def test_with_options_changes_only_the_pushes_made_through_it(app, pusher):
    @app.job(queue="high", retry=3)
    async def charge(amount): ...

    low = charge.with_options(queue="low", tags=["vip"], expires_in=60)

    await low.enqueue(1)
    await charge.enqueue(2)

    first, second = pusher.payloads
    assert (first["queue"], first["retry"], first["tags"], first["expires_in"]) == ("low", 3, ["vip"], 60)
    assert second["queue"] == "high"
    assert "tags" not in second
    assert app.registry.get(charge.name) is charge


def test_with_options_refuses_hooks_and_impossible_values(app):
    @app.job
    async def charge(): ...

    with pytest.raises(ConfigurationError, match="retry_in does not travel"):
        charge.with_options(retry_in=lambda count, error, payload: 1)
    with pytest.raises(ConfigurationError, match="not a queue name"):
        charge.with_options(queue="no spaces")


async def test_a_plain_call_runs_the_function_itself(app, pusher):
    @app.job
    async def double(number):
        return number * 2

    @app.job
    def triple(number):
        return number * 3

    assert await double(2) == 4
    assert triple(2) == 6
    assert pusher.pushes == []
    assert (double.is_async, triple.is_async) == (True, False)


async def test_enqueue_many_sends_slices_and_keeps_the_order(app, pusher):
    @app.job
    async def index(page): ...

    refs = await index.enqueue_many((page,) for page in range(2500))

    assert pusher.trips == [1000, 1000, 500]
    assert [payload["args"] for payload in pusher.payloads] == [[page] for page in range(2500)]
    assert [ref.jid for ref in refs] == [push.jid for push in pusher.pushes]
    assert len(set(refs)) == 2500


async def test_enqueue_many_takes_one_time_a_time_for_each_or_a_spread(app, pusher):
    @app.job
    async def index(page): ...

    now = time.time()

    await index.enqueue_many([(1,), (2,)], at=now + 60)
    await index.enqueue_many([(1,), (2,), (3,)], at=[now + 60, datetime.now(UTC) - timedelta(1), now + 80])
    await index.enqueue_many([(page,) for page in range(250)], spread=1)

    times = [push.at for push in pusher.pushes]
    assert times[:5] == [now + 60, now + 60, now + 60, None, now + 80]
    assert pusher.trips == [2, 3, 100, 100, 50]
    # A spread of less than five seconds counts as five.
    assert now + 1 < max(at for at in times[5:] if at) < now + 10


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ([(1,)], {"at": 1, "spread": 1}, "only one of"),
        ([(1,), (2,)], {"at": [5e9]}, "one time for each job"),
        ([(1,)], {"batch_size": 0}, "batch_size"),
        ([(1,)], {"spread": 0}, "more than 0"),
        ([(1,)], {"spread": "x"}, "seconds, not str"),
        ([1], {}, "element 0: .*tuples or lists of arguments"),
        ([(1,), "ab"], {}, "element 1: .*tuples or lists of arguments"),
        ([(1,), (2, 3)], {}, "element 1: .*too many positional"),
        ([(1,), ({2},)], {}, r"element 1: args\[0\] is of type set"),
    ],
)
async def test_enqueue_many_refuses_what_cannot_work_before_anything_is_stored(app, pusher, arguments, options, words):
    @app.job
    async def index(page): ...

    with pytest.raises((TypeError, ValueError), match=words):
        await index.enqueue_many(arguments, **options)

    assert pusher.pushes == []


@pytest.mark.parametrize("has_middleware", [False, True])
async def test_enqueue_many_refuses_large_payloads_and_warns_of_large_integers(store, pusher, caplog, has_middleware):
    app = Sidelong("redis://nowhere", store=store, payload_warn=1000, payload_limit=2000)
    if has_middleware:

        @app.client_middleware
        async def pass_on(job, call_next):
            return await call_next()

    @app.job(name="A")
    async def work(value): ...

    with caplog.at_level(logging.WARNING, "sidelong"):
        await work.enqueue_many([("x" * 1500,), (2**60,), (2**60,)])
        with pytest.raises(PayloadTooLargeError, match=r"element 3: .* payload_limit"):
            await work.enqueue_many((("x" * size,) for size in (1, 1, 1, 3000)), batch_size=2)

    assert len(pusher.pushes) == 5
    assert ["store the data elsewhere" in text or "beyond 2**53" in text for text in caplog.messages] == [True, True]


@pytest.mark.parametrize("has_middleware", [False, True])
async def test_enqueue_many_writes_the_same_payloads_with_and_without_middleware(app, pusher, has_middleware):
    if has_middleware:

        @app.client_middleware
        async def pass_on(job, call_next):
            return await call_next()

    @app.job(name="A", tags=["t"], queue="mail", extra_option=[1e20])
    async def work(day, text="x"): ...

    await work.enqueue_many([(1,), [2, "ü"]])

    assert [list(payload) for payload in pusher.payloads] == 2 * [
        ["retry", "queue", "tags", "extra_option", "args", "class", "jid", "created_at", "enqueued_at"]
    ]
    assert [payload["args"] for payload in pusher.payloads] == [[1], [2, "ü"]]
    assert all(payload["created_at"] <= payload["enqueued_at"] for payload in pusher.payloads)


async def test_a_middleware_that_comes_while_a_lazy_iterable_is_read_sees_the_slices_after(app, pusher):
    seen = []

    @app.job(name="A")
    async def work(number): ...

    def numbers():
        yield (0,)
        app.client_middleware(note)
        yield (1,)

    async def note(job, call_next):
        seen.append(job["args"])
        return await call_next()

    await work.enqueue_many(numbers(), batch_size=1)

    assert seen == [[1]]
    assert [payload["args"] for payload in pusher.payloads] == [[0], [1]]


async def test_options_are_as_they_were_when_they_were_given(app, pusher):
    mine = {"k": [1]}

    @app.job(name="A")
    async def work(): ...

    changed = work.with_options(extra=mine)
    mine["k"].append({2})

    await changed.enqueue()
    await changed.enqueue_many([()])

    assert [payload["extra"] for payload in pusher.payloads] == [{"k": [1]}, {"k": [1]}]


async def test_options_may_be_members_of_enums(app, pusher):
    class Name(StrEnum):
        MAIL = "mail"

    class Number(IntEnum):
        THREE = 3

    @app.job(name=Name.MAIL, queue=Name.MAIL, retry=Number.THREE, backtrace=Number.THREE, tags=[Name.MAIL], timeout=3)
    async def work(): ...

    await work.enqueue()
    await work.enqueue_many([()])

    for payload in pusher.payloads:
        assert (payload["class"], payload["queue"], payload["tags"]) == ("mail", "mail", ["mail"])
        assert (payload["retry"], payload["backtrace"], payload["timeout"]) == (3, 3, 3)


def test_names_and_tags_must_be_text_that_can_travel(app):
    def work(): ...

    with pytest.raises(JobDefinitionError, match="UTF-8"):
        app.job(name="\ud800")(work)
    with pytest.raises(ConfigurationError, match="UTF-8"):
        app.job(tags=["\ud800"])(work)


async def test_an_option_that_others_may_round_is_no_argument(app, pusher, caplog):
    @app.job(name="A", number=2**60)
    async def work(value): ...

    with caplog.at_level(logging.WARNING, "sidelong"):
        await work.enqueue(1)
        await work.enqueue_many([(1,)])
        assert caplog.messages == []
        await work.enqueue(2**60)

    assert len(caplog.messages) == 1


async def test_enqueue_many_says_what_was_stored_before_a_failure(app, pusher):
    @app.job
    async def index(page): ...

    pusher.failures = [None, NotEnqueued("Redis is away", ["x"])]

    with pytest.raises(NotEnqueued) as caught:
        await index.enqueue_many([(page,) for page in range(4)], batch_size=2)

    assert caught.value.enqueued == tuple(push.jid for push in pusher.pushes)
    assert caught.value.jids == ("x",)
    assert len(pusher.pushes) == 2


async def test_enqueue_many_notes_how_far_a_lazy_iterable_got(app, pusher):
    @app.job
    async def index(page): ...

    pages = iter([(1,), (2,), (object(),)])

    with pytest.raises(ArgumentError) as caught:
        await index.enqueue_many(pages, batch_size=2)

    assert caught.value.__notes__ == [f"enqueued before: 2 jobs of this call, up to {pusher.pushes[-1].jid}"]


async def test_enqueue_many_counts_elements_that_a_middleware_stopped(app, pusher):
    @app.job
    async def index(page): ...

    @app.client_middleware
    async def drop_odd(job, call_next):
        return None if job["args"][0] == 1 else await call_next()

    with pytest.raises(ArgumentError, match="element 4: ") as caught:
        await index.enqueue_many([(0,), (1,), (2,), (3,), ({4},)], batch_size=2)

    assert caught.value.__notes__ == [f"enqueued before: 3 jobs of this call, up to {pusher.pushes[-1].jid}"]


async def test_inline_goes_through_both_chains_and_json(app, pusher):
    seen = []

    @app.client_middleware
    async def on_push(job, call_next):
        seen.append(("push", job["args"]))
        await call_next()

    @app.server_middleware
    async def on_run(job, call_next):
        seen.append(("run", job["args"]))
        await call_next()

    @app.job
    async def greet(who):
        seen.append(("perform", who, current_context().jid))
        return who

    who = {"name": "é"}
    result = await greet.inline(who)

    assert result == who
    assert result is not who
    assert [entry[0] for entry in seen] == ["push", "run", "perform"]
    assert re.fullmatch("[0-9a-f]{24}", seen[2][2])
    assert pusher.pushes == []


async def test_inline_raises_what_the_job_raises_and_checks_arguments(app):
    @app.job
    async def fail(argument):
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await fail.inline(1)
    with pytest.raises(ArgumentError):
        await fail.inline((1, 2))


async def test_inline_runs_a_plain_function_in_a_thread_and_leaks_no_context(app):
    variable = ContextVar("variable", default="outside")

    @app.job
    def work():
        variable.set("inside")
        return threading.current_thread()

    thread = await work.inline()

    assert thread is not threading.current_thread()
    assert variable.get() == "outside"


async def test_inline_returns_none_when_a_middleware_stops_the_job(app):
    @app.job
    async def never():
        raise AssertionError

    @app.client_middleware
    async def stop(job, call_next):
        return None

    assert await never.inline() is None
