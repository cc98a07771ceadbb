import re
from datetime import UTC, datetime, timedelta

import pytest

from sidelong import ArgumentError, JobClass
from sidelong.testing import fake


@pytest.fixture
def send(app):
    @app.job(queue="mail", name="send", aliases=["old.send"])
    async def send(user_id: int, note: str = "") -> None: ...

    return send


async def test_returns_the_job_that_was_meant(app, send):
    with fake(app) as jobs:
        await send.enqueue(1)
        second = await send.enqueue(2, note="x")

    assert jobs.assert_enqueued(send).args == [1]
    assert jobs.assert_enqueued(send, [2, "x"]).jid == second.jid
    assert jobs.assert_enqueued("send", (1,), queue="mail", at=None).args == [1]
    assert jobs.assert_enqueued("old.send").args == [1]


@pytest.mark.parametrize(
    "expected",
    [
        {"args": [3]},
        {"args": [1, "x"]},
        {"queue": "default"},
        {"at": timedelta(hours=1)},
        {"at": 1_000_000.0},
    ],
    ids=str,
)
async def test_says_by_job_and_by_queue_what_was_enqueued_instead(app, send, expected):
    @app.job(queue="ship", name="ship")
    async def ship(order_id: int) -> None: ...

    with fake(app) as jobs:
        await send.enqueue(1)
        await jobs.perform_one()
        await send.with_options(queue="ship").enqueue(2)
        await ship.enqueue_at(datetime(2100, 1, 1, tzinfo=UTC), 7)
        with pytest.raises(AssertionError) as caught:
            jobs.assert_enqueued(send, **expected)

    first, *rest = str(caught.value).splitlines()
    assert first.startswith("send ")
    assert first.endswith("was not enqueued")
    assert rest[0] == "enqueued, by job:"
    assert rest[1:4] == ["  send", "    [1] to mail, has run", "    [2] to ship"]
    assert rest[4] == "  ship"
    assert re.fullmatch(r"    \[7\] to ship, for 2100-01-01 00:00:00 UTC \(in \d{10} s\)", rest[5])
    assert rest[6:9] == ["by queue:", "  mail", "    send [1], has run"]
    assert rest[9:11] == ["  ship", "    send [2]"]
    assert rest[11].startswith("    ship [7], for 2100")
    assert len(rest) == 12


async def test_names_what_was_expected(app, send):
    with fake(app) as jobs:
        for arguments, message in [
            ({"args": [1]}, "send with [1] was not enqueued\nnothing was enqueued"),
            ({"queue": "x"}, "send to x was not enqueued"),
            ({"at": None}, "send for at once was not enqueued"),
            ({"at": timedelta(minutes=1)}, "send for 60 s later was not enqueued"),
            ({"args": [1], "at": 0.0}, "send with [1] for 1970-01-01 00:00:00 UTC was not enqueued"),
        ]:
            with pytest.raises(AssertionError) as caught:
                jobs.assert_enqueued(send, **arguments)
            assert str(caught.value).startswith(message)


async def test_compares_the_time(app, send):
    when = datetime(2100, 1, 1, tzinfo=UTC)
    with fake(app) as jobs:
        await send.enqueue_at(when, 1)
        await send.enqueue_in(3600, 2)
        await send.enqueue(3)

        assert jobs.assert_enqueued(send, at=when).args == [1]
        assert jobs.assert_enqueued(send, at=when.timestamp() + 0.5).args == [1]
        assert jobs.assert_enqueued(send, at=timedelta(hours=1)).args == [2]
        assert jobs.assert_enqueued(send, at=None).args == [3]
        for wrong in (when + timedelta(seconds=2), timedelta(hours=1, seconds=2)):
            with pytest.raises(AssertionError):
                jobs.assert_enqueued(send, at=wrong)

        await jobs.travel(3600)
        assert jobs.assert_enqueued(send, at=timedelta(hours=1)).args == [2]


@pytest.mark.parametrize("at", ["in an hour", True, [3600]], ids=ascii)
async def test_what_is_no_time_is_refused_whatever_was_enqueued(app, send, at):
    with fake(app) as jobs:
        await send.enqueue(1)
        with pytest.raises(TypeError, match="a time must be an aware datetime or epoch seconds"):
            jobs.assert_enqueued(send, at=at)


async def test_arguments_are_those_that_enqueue_takes(app):
    @app.job(name="book")
    async def book(when: datetime, seats: set[str]) -> None: ...

    @app.job
    class Book(JobClass):
        async def perform(self, when: datetime) -> None: ...

    when = datetime(2026, 5, 1, tzinfo=UTC)
    with fake(app) as jobs:
        for seats in (["1a", "1b"], ["1b", "1a"]):
            # Written in the order of the set that is expected, and in another one.
            await app.client.push({"class": book, "args": ["2026-05-01T00:00:00Z", seats]})
            jobs.assert_enqueued(book, [when, {"1a", "1b"}])
            jobs.clear()
        await book.enqueue(when, {"1a", "1b"})
        await Book.enqueue(when)
        await app.enqueue("HardJob", {"a": [1]})

        jobs.assert_enqueued(Book, [when])
        jobs.assert_enqueued("HardJob", [{"a": [1]}])
        with pytest.raises(AssertionError):
            jobs.assert_enqueued(book, [when, {"1a"}])
        # An expectation that no call could meet is a mistake of the test.
        with pytest.raises(TypeError, match="it takes when, seats"):
            jobs.assert_enqueued(book, [when])
        with pytest.raises(ArgumentError):
            jobs.assert_enqueued(Book, ["soon"])
        with pytest.raises(TypeError, match=r"must be a list or tuple, as in \[7\]"):
            jobs.assert_enqueued("HardJob", 7)
        with pytest.raises(TypeError, match="a time must be"):
            jobs.assert_enqueued("HardJob", at=True)


async def test_a_long_list_is_cut(app, send):
    with fake(app) as jobs:
        await send.enqueue_many([(number, "x" * 300) for number in range(200)])
        with pytest.raises(AssertionError) as caught:
            jobs.assert_enqueued("other")

    assert str(caught.value).count("\n    and 150 more") == 2
    assert max(map(len, str(caught.value).splitlines())) < 250
