import asyncio
import logging
import threading
import traceback

import pytest

from sidelong.core.lifecycle import Hooks, log_error
from sidelong.errors import ConfigurationError, UnknownJobError


@pytest.fixture
def reports():
    return []


@pytest.fixture
def hooks(reports):
    hooks = Hooks()
    hooks.error_handlers.clear()
    hooks.add_error_handler(lambda exception, context: reports.append((exception, context)))
    return hooks


@pytest.mark.parametrize(
    ("event", "order"),
    [("startup", "ab"), ("heartbeat", "ab"), ("quiet", "ba"), ("shutdown", "ba"), ("exit", "ba")],
)
async def test_runs_plain_and_async_handlers_in_the_order_of_the_event(hooks, event, order):
    seen = []

    async def second():
        seen.append("b")

    hooks.register(event, lambda: seen.append("a"))
    hooks.register(event, second)

    await hooks.emit(event)

    assert "".join(seen) == order


async def test_a_failing_handler_is_reported_and_the_others_run(hooks, reports):
    seen = []

    async def fail():
        raise LookupError("no")

    hooks.register("quiet", lambda: seen.append(1))
    hooks.register("quiet", fail)

    await hooks.emit("quiet")

    ((exception, context),) = reports
    assert isinstance(exception, LookupError)
    assert context == {"context": "quiet handler", "event": "quiet"}
    assert seen == [1]


async def test_a_failing_startup_is_reported_and_raised(hooks, reports):
    def fail():
        raise LookupError("no")

    hooks.register("startup", fail)

    with pytest.raises(LookupError, match="no"):
        await hooks.emit("startup")

    assert len(reports) == 1


def test_refuses_unknown_events_and_what_cannot_be_called():
    with pytest.raises(ConfigurationError, match="no event 'start': use one of startup"):
        Hooks().register("start", print)
    with pytest.raises(ConfigurationError, match="must be callable"):
        Hooks().register("startup", "print")


class OddError(BaseException):
    pass


@pytest.mark.parametrize(
    "exception", [LookupError("no"), SystemExit(1), asyncio.CancelledError(), GeneratorExit(), OddError()]
)
async def test_a_failing_death_handler_is_reported_and_costs_nothing(hooks, reports, exception):
    seen = []

    def fail(payload, error):
        raise exception

    async def note(payload, error):
        seen.append((payload["jid"], str(error)))

    hooks.add_death_handler(fail)
    hooks.add_death_handler(note)

    await hooks.report_death({"jid": "a"}, ValueError("dead"))

    assert seen == [("a", "dead")]
    assert reports[0][0] is exception
    assert reports[0][1]["job"] == {"jid": "a"}


async def test_a_failing_error_handler_is_logged_and_the_others_run(hooks, reports, caplog):
    def fail(exception, context):
        raise LookupError("broken handler")

    hooks.error_handlers.insert(0, fail)

    with caplog.at_level(logging.ERROR, "sidelong"):
        await hooks.report_error(ValueError("first"), {"context": "test"})

    assert "broken handler" in caplog.text
    assert len(reports) == 1


async def test_each_handler_gets_a_copy_of_the_job(hooks):
    seen = []
    item = {"jid": "a", "args": [{"password": "secret"}]}

    def scrub(job):
        seen.append(job["args"][0].copy())
        job["args"][0]["password"] = "***"
        job.pop("jid")

    for _ in range(2):
        hooks.add_error_handler(lambda error, context: scrub(context["job"]))
        hooks.add_death_handler(lambda job, error: scrub(job))

    await hooks.report_error(ValueError("no"), {"context": "job", "job": item})
    await hooks.report_death(item, ValueError("no"))

    assert seen == [{"password": "secret"}] * 4
    assert item == {"jid": "a", "args": [{"password": "secret"}]}


async def test_what_cannot_be_copied_in_a_job_is_handed_on_as_it_is(hooks, reports):
    lock = threading.Lock()

    await hooks.report_error(ValueError("no"), {"context": "job", "job": {"args": [lock]}})

    assert reports[0][1]["job"]["args"] == [lock]


async def test_a_log_that_fails_costs_nothing(hooks, reports):
    class Full(logging.Handler):
        def emit(self, record):
            raise OSError("disk full")

    full = Full()
    logger = logging.getLogger("sidelong")
    hooks.error_handlers[:0] = [log_error, lambda exception, context: 1 / 0]

    logger.addHandler(full)
    try:
        await hooks.report_error(ValueError("first"), {"context": "test"})
    finally:
        logger.removeHandler(full)

    assert len(reports) == 1


async def test_errors_are_logged_without_the_arguments_by_default(caplog):
    with caplog.at_level(logging.ERROR, "sidelong"):
        await Hooks().report_error(
            ValueError("boom"),
            {"context": "job", "job": {"class": "Pay", "jid": "abc", "args": ["secret"]}},
        )

    assert "job: ValueError: boom class=Pay jid=abc" in caplog.text
    assert "secret" not in caplog.text


async def test_a_logged_traceback_begins_at_the_code_of_others(caplog):
    hooks = Hooks()

    def fail():
        raise ValueError("boom")

    hooks.register("beat", fail)

    with caplog.at_level(logging.ERROR, "sidelong"):
        await hooks.emit("beat")

    (record,) = caplog.records
    assert [frame.name for frame in traceback.extract_tb(record.exc_info[2])] == ["fail"]


async def test_a_job_that_nobody_knows_is_logged_in_one_line(caplog):
    with caplog.at_level(logging.ERROR, "sidelong"):
        await Hooks().report_error(UnknownJobError("no job is called Pay"), {"context": "job"})

    assert [record.exc_info for record in caplog.records] == [None]


async def test_a_real_cancellation_goes_on_its_way(hooks):
    started = asyncio.Event()

    async def wait():
        started.set()
        await asyncio.Event().wait()

    hooks.register("beat", wait)
    task = asyncio.create_task(hooks.emit("beat"))
    await started.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
