"""What a failure becomes: another attempt, the dead set, or nothing."""

import asyncio
import base64
import json
import math
import zlib
from typing import Any, ClassVar

import pytest

from sidelong import Discard, JobClass, Kill, RetryIn, Sidelong
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


class OddError(BaseException):
    """Derives from nothing that `except Exception` catches."""


def failing(app: Sidelong, error: BaseException | None = None, **options: Any) -> None:
    @app.job(name="Bad", **options)
    async def bad() -> None:
        raise error or ValueError("no")


async def failed(site: Site, count: int = 1) -> None:
    await eventually(lambda: site.counter("stat:failed") == count)


@pytest.mark.parametrize(
    ("before", "after", "earliest", "width"),
    [(None, 0, 15, 10), (0, 1, 16, 20), (1, 2, 31, 30), (2, 3, 96, 40), (3, 4, 271, 50)],
)
async def test_waits_longer_after_each_failure(
    site: Site, before: int | None, after: int, earliest: int, width: int
) -> None:
    app = site.app()
    failing(app)

    site.push("Bad", retry_count=before, failed_at=None if before is None else 1795217166.5)
    async with app, app.worker():
        await site.has("retry")

    item, score = site.only("retry")
    assert item["retry_count"] == after
    # The jitter is a whole number below `width`; the test itself takes a little.
    assert earliest - 5 < site.seconds_until(score) < earliest + width


async def test_spreads_what_failed_together(site: Site) -> None:
    app = site.app()
    failing(app)

    for number in range(60):
        site.push("Bad", jid=f"{number:024}")
    async with app, app.worker(concurrency=60):
        await site.has("retry", 60)

    delays = [site.seconds_until(score) for _, score in site.members("retry")]
    assert max(delays) - min(delays) > 4


async def test_records_the_first_failure_and_the_latest(site: Site) -> None:
    app = site.app()
    attempts: list[int] = []

    @app.job(name="Bad")
    async def bad() -> None:
        attempts.append(len(attempts))
        raise ValueError(f"attempt {len(attempts)}")

    site.push("Bad")
    async with app, app.worker():
        await failed(site)
        await site.has("retry")
        first, _ = site.only("retry")
        site.make_due()
        await failed(site, 2)
        await site.has("retry")
        second, _ = site.only("retry")

    assert [first[key] for key in ("error_message", "error_class", "retry_count")] == ["attempt 1", "ValueError", 0]
    assert "retried_at" not in first
    assert type(first["failed_at"]) is float
    assert [second[key] for key in ("error_message", "retry_count")] == ["attempt 2", 1]
    assert second["failed_at"] == first["failed_at"]
    assert type(second["retried_at"]) is float
    assert second["retried_at"] >= second["failed_at"]


async def test_unknown_keys_survive_in_their_order(site: Site) -> None:
    app = site.app()
    failing(app)
    odd = b'"a":{"y":[1.0e-05,null],"x":"\xc3\xa9"}'
    before = b'{"z":1,"class":"Bad",' + odd + b',"args":[],"jid":"j1","queue":"default","b":1.0e+16}'

    site.push_raw(before)
    async with app, app.worker():
        await site.has("retry")

    (after,) = site.client.zrange("retry", 0, -1)
    assert after.startswith(before[:-1] + b',"error_message":"no","error_class":"ValueError","failed_at":')


async def test_succeeds_at_a_later_attempt_and_leaves_nothing(site: Site) -> None:
    app = site.app()
    attempts: list[int] = []

    @app.job(name="Shaky")
    async def shaky() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("not yet")

    site.push("Shaky")
    async with app, app.worker():
        for count in (1, 2):
            await failed(site, count)
            await site.has("retry")
            site.make_due()
        await eventually(lambda: site.counter("stat:processed") == 3)

    assert site.counter("stat:failed") == 2
    assert site.client.zcard("retry") == site.client.zcard("dead") == 0
    assert site.is_drained()


@pytest.mark.parametrize(
    ("retry", "retry_count", "place"),
    [
        (True, None, "retry"),
        (True, 23, "retry"),
        (True, 24, "dead"),
        (0, None, "dead"),
        (1, None, "retry"),
        (1, 0, "dead"),
        (3, 1, "retry"),
        (3, 2, "dead"),
        (-1, None, "dead"),
        # As in Sidekiq: what is no number and no boolean counts as true.
        ("x", None, "retry"),
        ([], None, "retry"),
        (1e308, None, "retry"),
    ],
)
async def test_dies_when_its_retries_are_used_up(site: Site, retry: Any, retry_count: int | None, place: str) -> None:
    app = site.app()
    failing(app)

    site.push("Bad", retry=retry, retry_count=retry_count)
    async with app, app.worker():
        await site.has(place)

    item, _ = site.only(place)
    assert item["retry_count"] == (0 if retry_count is None else retry_count + 1)
    assert site.client.zcard("dead" if place == "retry" else "retry") == 0
    assert site.counter("stat:processed") == site.counter("stat:failed") == 1


async def test_max_retries_is_the_limit_of_jobs_that_name_none(site: Site) -> None:
    app = site.app(max_retries=2)
    failing(app)

    site.push("Bad", jid="1" * 24, retry_count=0)
    site.push("Bad", jid="2" * 24, retry_count=1)
    async with app, app.worker():
        await failed(site, 2)
        await site.drained()

    assert site.only("retry")[0]["jid"] == "1" * 24
    assert site.only("dead")[0]["jid"] == "2" * 24


async def test_a_payload_without_retry_has_that_of_its_job(site: Site) -> None:
    app = site.app()
    failing(app, retry=0)

    site.push("Bad", retry=None)
    async with app, app.worker():
        await site.has("dead")

    assert site.client.zcard("retry") == 0


async def test_retry_false_is_dropped_after_the_death_handlers(site: Site) -> None:
    app = site.app()
    failing(app)
    deaths: list[tuple[dict[str, Any], BaseException]] = []

    @app.death_handler
    async def remember(item: dict[str, Any], error: BaseException) -> None:
        deaths.append((item, error))

    site.push("Bad", retry=False)
    async with app, app.worker():
        await failed(site)
        await site.drained()

    ((item, error),) = deaths
    assert type(item["discarded_at"]) is int
    assert str(error) == "no"
    assert site.client.zcard("retry") == site.client.zcard("dead") == 0
    assert site.counter("stat:processed") == 1


@pytest.mark.parametrize(
    ("failed_ago", "retry_count", "place"), [(None, None, "retry"), (50.0, 99, "retry"), (200.0, 0, "dead")]
)
async def test_retry_for_takes_the_place_of_the_count(
    site: Site, failed_ago: float | None, retry_count: int | None, place: str
) -> None:
    app = site.app()
    failing(app)
    seconds, _ = site.client.time()

    failed_at = None if failed_ago is None else float(seconds) - failed_ago
    site.push("Bad", retry=1, retry_for=100, retry_count=retry_count, failed_at=failed_at)
    async with app, app.worker():
        await site.has(place)

    assert site.client.zcard("dead" if place == "retry" else "retry") == 0


async def test_retry_for_reads_the_milliseconds_of_sidekiq_8(site: Site) -> None:
    app = site.app()
    failing(app)
    now = int(site.client.time()[0])

    site.push("Bad", jid="1" * 24, retry_for=100, retry_count=0, failed_at=(now - 50) * 1000)
    site.push("Bad", jid="2" * 24, retry_for=100, retry_count=0, failed_at=(now - 200) * 1000)
    async with app, app.worker():
        await failed(site, 2)
        await site.drained()

    assert site.only("retry")[0]["jid"] == "1" * 24
    assert site.only("retry")[0]["failed_at"] == (now - 50) * 1000
    assert site.only("dead")[0]["jid"] == "2" * 24


async def test_retries_go_to_the_retry_queue(site: Site) -> None:
    app = site.app()
    queues: list[str] = []

    @app.job(name="Bad")
    async def bad() -> None:
        queues.append("ran")
        raise ValueError("no")

    site.push("Bad", retry_queue="slow")
    async with app, app.worker():
        await site.has("retry")
        item, _ = site.only("retry")
        site.make_due()
        await eventually(lambda: site.client.llen("queue:slow") == 1)

    assert item["queue"] == "slow"
    assert queues == ["ran"]
    assert site.client.sismember("queues", "slow")


async def test_a_failure_records_the_queue_it_was_fetched_from(site: Site) -> None:
    app = site.app()
    failing(app)

    site.push_raw(b'{"class":"Bad","args":[],"jid":"j1","queue":"elsewhere"}')
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["queue"] == "default"


@pytest.mark.parametrize("dead", [True, False, None])
async def test_dead_false_keeps_a_job_out_of_the_dead_set(site: Site, dead: bool | None) -> None:
    app = site.app()
    failing(app)
    deaths: list[str] = []
    app.death_handler(lambda item, error: deaths.append(item["jid"]))

    site.push("Bad", retry=0, dead=dead, jid="1" * 24)
    async with app, app.worker():
        await failed(site)
        await site.drained()

    assert site.client.zcard("dead") == (0 if dead is False else 1)
    assert deaths == ["1" * 24]


@pytest.mark.parametrize(
    ("backtrace", "lines"), [(True, None), (2, 2), (1, 1), (False, 0), (None, 0), (0, 0), ("x", 0)]
)
async def test_stores_as_many_lines_of_the_traceback_as_asked_for(
    site: Site, backtrace: Any, lines: int | None
) -> None:
    app = site.app()

    def deepest() -> None:
        raise ValueError("no")

    @app.job(name="Bad")
    async def bad() -> None:
        deepest()

    site.push("Bad", backtrace=backtrace)
    async with app, app.worker():
        await site.has("retry")

    item, _ = site.only("retry")
    if lines == 0:
        assert "error_backtrace" not in item
        return
    text = item["error_backtrace"]
    frames = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
    assert "\n" not in text
    assert frames[0].startswith(__file__)
    assert frames[0].endswith(":in deepest")
    assert len(frames) == lines if lines else len(frames) > 2
    assert not any("<" in frame for frame in frames)


async def test_cuts_the_error_message_at_10000_characters(site: Site) -> None:
    app = site.app()
    failing(app, ValueError("é" * 20_000))

    site.push("Bad")
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["error_message"] == "é" * 10_000


async def test_scrubs_what_is_no_unicode_from_the_error_message(site: Site) -> None:
    app = site.app()
    failing(app, ValueError("before \udcff after"))

    site.push("Bad")
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["error_message"] == "before ? after"


async def test_survives_an_error_whose_message_raises(site: Site) -> None:
    app = site.app()

    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    failing(app, SilentError())

    site.push("Bad")
    async with app, app.worker():
        await site.has("retry")

    assert site.only("retry")[0]["error_message"] == "!!! ERROR MESSAGE THREW AN ERROR !!!"


async def test_an_unknown_class_takes_the_retry_path(site: Site) -> None:
    app = site.app()

    site.push("Nobody::Knows", jid="1" * 24)
    site.push("Nobody::Knows", jid="2" * 24, retry=0)
    site.push("Nobody::Knows", jid="3" * 24, retry=False)
    async with app, app.worker(queues=["default"]):
        await failed(site, 3)
        await site.drained()

    item, score = site.only("retry")
    assert item["jid"] == "1" * 24
    assert item["error_class"] == "sidelong.errors.UnknownJobError"
    assert "Nobody::Knows" in item["error_message"]
    assert 10 < site.seconds_until(score) < 25
    assert sorted(item["jid"] for item, _ in site.members("dead")) == ["2" * 24, "3" * 24]


# What a job raises to choose its end.


async def test_discard_drops_the_job_after_the_death_handlers(site: Site) -> None:
    app = site.app()
    failing(app, Discard("not wanted"))
    deaths: list[dict[str, Any]] = []
    errors: list[BaseException] = []
    app.death_handler(lambda item, error: deaths.append(item))
    app.error_handler(lambda error, context: errors.append(error))

    site.push("Bad")
    async with app, app.worker():
        await failed(site)
        await site.drained()

    assert [type(item["discarded_at"]) for item in deaths] == [int]
    assert errors == []
    assert site.client.zcard("retry") == site.client.zcard("dead") == 0


async def test_kill_moves_the_job_to_the_dead_set_at_once(site: Site) -> None:
    app = site.app()
    exhausted: list[str] = []
    failing(app, Kill("hopeless"), retries_exhausted=lambda item, error: exhausted.append(str(error)))

    site.push("Bad")
    async with app, app.worker():
        await site.has("dead")

    item, _ = site.only("dead")
    assert item["error_message"] == "hopeless"
    assert exhausted == ["hopeless"]
    assert site.client.zcard("retry") == 0


async def test_retry_in_waits_just_as_long_as_the_job_says(site: Site) -> None:
    app = site.app()
    failing(app, RetryIn(1000, "busy"))

    site.push("Bad")
    async with app, app.worker():
        await site.has("retry")

    item, score = site.only("retry")
    assert item["error_message"] == "busy"
    assert 990 < site.seconds_until(score) <= 1000


async def test_retry_in_uses_up_retries(site: Site) -> None:
    app = site.app()
    failing(app, RetryIn(1000))

    site.push("Bad", retry=2, retry_count=1)
    async with app, app.worker():
        await site.has("dead")

    assert site.client.zcard("retry") == 0


# Hooks.


@pytest.mark.parametrize(
    ("answer", "earliest", "latest"),
    [
        (1000, 1000, 1010),
        (1000.5, 1000, 1011),
        (None, 15, 25),
        (0, 15, 25),
        (-5, 15, 25),
        ("x", 15, 25),
        (True, 15, 25),
        (math.nan, 15, 25),
        (math.inf, 15, 25),
        (10**300, 100 * 365 * 86_400, 100 * 365 * 86_400 + 1),
    ],
)
async def test_the_retry_in_hook_chooses_the_delay(site: Site, answer: Any, earliest: float, latest: float) -> None:
    app = site.app()
    asked: list[tuple[int, str, str]] = []

    async def retry_in(count: int, error: BaseException, item: dict[str, Any]) -> Any:
        asked.append((count, str(error), item["jid"]))
        return answer

    failing(app, retry_in=retry_in)

    site.push("Bad", jid="1" * 24)
    async with app, app.worker():
        await site.has("retry")

    _, score = site.only("retry")
    assert asked == [(0, "no", "1" * 24)]
    assert earliest - 5 < site.seconds_until(score) < latest


@pytest.mark.parametrize("how", ["return class", "return instance", "return word", "raise"])
@pytest.mark.parametrize(("choice", "place"), [(Discard, None), (Kill, "dead")])
async def test_the_retry_in_hook_may_discard_or_kill(
    site: Site, how: str, choice: type[Exception], place: str | None
) -> None:
    app = site.app()
    deaths: list[str] = []
    app.death_handler(lambda item, error: deaths.append(str(error)))

    def retry_in(count: int, error: BaseException, item: dict[str, Any]) -> Any:
        match how:
            case "return class":
                return choice
            case "return instance":
                return choice("chosen")
            case "return word":
                return choice.__name__.lower()
            case _:
                raise choice("chosen")

    failing(app, retry_in=retry_in)

    site.push("Bad")
    async with app, app.worker():
        await failed(site)
        await site.drained()

    assert site.client.zcard("dead") == (place is not None)
    assert site.client.zcard("retry") == 0
    assert deaths == ["no"]


@pytest.mark.parametrize(
    "fault", [RuntimeError("hook"), SystemExit(3), KeyboardInterrupt(), OddError(), asyncio.CancelledError()], ids=repr
)
async def test_a_retry_in_hook_that_raises_is_reported_and_the_usual_delay_taken(
    site: Site, fault: BaseException
) -> None:
    app = site.app()
    contexts: list[str] = []
    app.error_handler(lambda error, context: contexts.append(context["context"]))

    def retry_in(count: int, error: BaseException, item: dict[str, Any]) -> Any:
        raise fault

    failing(app, retry_in=retry_in)

    site.push("Bad")
    async with app, app.worker(concurrency=1):
        await site.has("retry")
        site.push("Bad", jid="2" * 24)
        await site.has("retry", 2)

    assert 10 < site.seconds_until(site.members("retry")[0][1]) < 25
    assert contexts[:2] == ["job", "retry_in hook"]


class Odd:
    """Cannot be compared, like the arrays of some libraries."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of this is ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("answer", [10**400, -(10**400), Odd()], ids=["huge", "hugely negative", "odd"])
async def test_an_answer_that_cannot_be_read_is_reported_and_the_usual_delay_taken(site: Site, answer: Any) -> None:
    app = site.app()
    contexts: list[str] = []
    app.error_handler(lambda error, context: contexts.append(context["context"]))
    failing(app, retry_in=lambda count, error, item: answer)

    site.push("Bad")
    async with app, app.worker():
        await site.has("retry")

    assert 10 < site.seconds_until(site.only("retry")[1]) < 25
    assert contexts == ["job", "retry_in hook"]


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ("nothing", True),
        ("return class", False),
        ("return instance", False),
        ("return word", False),
        ("raise Discard", False),
        ("raise other", True),
        ("raise SystemExit", True),
        ("raise CancelledError", True),
    ],
)
async def test_the_exhausted_hook_may_keep_a_job_out_of_the_dead_set(site: Site, how: str, kept: bool) -> None:
    app = site.app()
    reported: list[str] = []
    deaths: list[str] = []
    app.error_handler(lambda error, context: reported.append(context["context"]))
    app.death_handler(lambda item, error: deaths.append(item["jid"]))

    async def exhausted(item: dict[str, Any], error: BaseException) -> Any:
        match how:
            case "return class":
                return Discard
            case "return instance":
                return Discard("no need")
            case "return word":
                return "discard"
            case "raise Discard":
                raise Discard("no need")
            case "raise other":
                raise RuntimeError("hook")
            case "raise SystemExit":
                raise SystemExit(3)
            case "raise CancelledError":
                raise asyncio.CancelledError

    failing(app, retries_exhausted=exhausted)

    site.push("Bad", retry=0, jid="1" * 24)
    async with app, app.worker():
        await failed(site)
        await site.drained()

    assert site.client.zcard("dead") == kept
    assert site.client.zcard("retry") == 0
    assert deaths == ["1" * 24]
    assert ("retries_exhausted hook" in reported) == (how.startswith("raise ") and how != "raise Discard")


async def test_a_job_class_has_its_hooks_as_methods(site: Site) -> None:
    app = site.app()
    exhausted: list[str] = []

    class Base(JobClass):
        options: ClassVar = {"retry": 1}

        def retry_in(self, count: int, error: BaseException, item: dict[str, Any]) -> float:
            return 5000

        async def retries_exhausted(self, item: dict[str, Any], error: BaseException) -> None:
            exhausted.append(item["jid"])

    @app.job(name="Bad")
    class Bad(Base):
        async def perform(self) -> None:
            raise ValueError("no")

    async with app, app.worker():
        ref = await Bad.enqueue()
        await site.has("retry")
        _, score = site.only("retry")
        site.make_due()
        await site.has("dead")

    assert 4990 < site.seconds_until(score) < 5011
    assert ref is not None
    assert exhausted == [ref.jid]


# Handlers.


@pytest.mark.parametrize(
    "fault",
    [RuntimeError("handler"), SystemExit(3), KeyboardInterrupt(), OddError(), asyncio.CancelledError()],
    ids=repr,
)
async def test_handlers_that_fail_cost_no_job(site: Site, fault: BaseException) -> None:
    app = site.app()
    called: list[str] = []

    @app.error_handler
    async def broken_error_handler(error: BaseException, context: dict[str, Any]) -> None:
        called.append("error")
        raise fault

    @app.death_handler
    def broken_death_handler(item: dict[str, Any], error: BaseException) -> None:
        called.append("death")
        raise fault

    failing(app)

    site.push("Bad", jid="1" * 24)
    site.push("Bad", jid="2" * 24, retry=0)
    site.push("Bad", jid="3" * 24, retry=False)
    async with app, app.worker(concurrency=1):
        await failed(site, 3)
        await site.drained()

    assert site.only("retry")[0]["jid"] == "1" * 24
    assert site.only("dead")[0]["jid"] == "2" * 24
    assert called.count("death") == 2
    assert site.counter("stat:processed") == 3


@pytest.mark.parametrize("place", ["retry", "dead"])
async def test_what_handlers_and_hooks_do_to_a_job_is_not_stored(site: Site, place: str) -> None:
    app = site.app()
    app.error_handler(lambda error, context: context["job"]["args"].clear())
    app.death_handler(lambda item, error: item["args"].clear())
    failing(
        app,
        retry_in=lambda count, error, item: item["args"].clear(),
        retries_exhausted=lambda item, error: item["args"].clear(),
    )

    site.push("Bad", {"password": "secret"}, retry=place == "retry" or 0)
    async with app, app.worker():
        await site.has(place)

    assert site.only(place)[0]["args"] == [{"password": "secret"}]


async def test_error_handlers_are_told_which_job_failed(site: Site) -> None:
    app = site.app()
    told: list[tuple[str, str, str, str]] = []

    @app.error_handler
    async def remember(error: BaseException, context: dict[str, Any]) -> None:
        told.append((str(error), context["context"], context["job"]["jid"], context["queue"]))

    failing(app)

    site.push("Bad", jid="1" * 24)
    async with app, app.worker():
        await site.has("retry")

    assert told == [("no", "job", "1" * 24, "default")]


# The dead set.


async def test_the_dead_set_keeps_one_less_than_its_limit_as_sidekiqs_does(site: Site, log: Lines) -> None:
    app = site.app(dead_max_jobs=3)
    failing(app)

    for number in range(3):
        site.push("Bad", retry=0, jid=f"{number:024}")
    async with app, app.worker(concurrency=1):
        await failed(site, 3)
        await site.drained()

    assert [item["jid"] for item, _ in site.members("dead")] == [f"{1:024}", f"{2:024}"]
    assert log.containing("1 entries were trimmed from the dead set")


async def test_entries_of_the_dead_set_vanish_when_they_are_too_old(site: Site, log: Lines) -> None:
    app = site.app(dead_timeout=1000.0)
    failing(app)
    now = site.client.time()[0]
    site.client.zadd("dead", {b'{"jid":"old"}': now - 1100, b'{"jid":"young"}': now - 900})

    site.push("Bad", retry=0, jid="new")
    async with app, app.worker():
        await site.has("dead", 2)
        await failed(site)

    assert [item["jid"] for item, _ in site.members("dead")] == ["young", "new"]
    assert log.containing("1 entries were trimmed from the dead set")


async def test_a_payload_that_cannot_be_read_goes_to_the_dead_set_as_it_is(site: Site, log: Lines) -> None:
    app = site.app()
    told: list[dict[str, Any]] = []
    deaths: list[Any] = []
    app.error_handler(lambda error, context: told.append(context))
    app.death_handler(lambda item, error: deaths.append(item))

    site.push_raw(b"{not json")
    async with app, app.worker():
        await site.has("dead")
        await site.drained()

    assert site.client.zrange("dead", 0, -1) == [b"{not json"]
    assert [(context["context"], context["raw"]) for context in told] == [
        ("payload goes to the dead set unread", b"{not json")
    ]
    assert deaths == []
    assert log.containing("goes to the dead set unread: InvalidPayloadError: not valid JSON")
    assert site.counter("stat:processed") == site.counter("stat:failed") == 0
