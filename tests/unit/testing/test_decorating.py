import inspect
import unittest

import pytest

from sidelong.testing import fake, inline


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(app, ran):
    @app.job
    async def note(number: int) -> None:
        ran.append(number)

    return note


async def test_a_block_may_be_put_around_a_test_async_or_not(app, note, ran):
    @inline(app)
    async def test(number, *, other):
        """Says what it tests."""
        await note.enqueue(number)
        await note.enqueue(other)
        return "returned"

    assert [await test(1, other=2), await test(3, other=4)] == ["returned", "returned"]
    assert ran == [1, 2, 3, 4]
    assert (test.__doc__, str(inspect.signature(test))) == ("Says what it tests.", "(number, *, other)")


def test_a_block_may_be_put_around_a_test_without_an_event_loop(app, note, ran):
    class Tests(unittest.IsolatedAsyncioTestCase):
        @inline(app)
        def test_it(self):
            note.sync.enqueue(1)

        @inline(app)
        async def test_it_on_a_loop(self):
            await note.enqueue(2)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)

    assert (result.testsRun, result.failures, result.errors) == (2, [], [])
    assert ran == [1, 2]


async def test_a_block_ends_where_a_test_fails_and_can_be_entered_again(app, note):
    block = fake(app)
    pusher = app.client.pusher

    for number in (1, 2):
        with pytest.raises(ZeroDivisionError), block as jobs:  # noqa: PT012 - what is entered fails
            await note.enqueue(number)
            raise ZeroDivisionError
        assert [job.args for job in jobs] == [[number]]

    assert app.client.pusher == pusher


async def test_what_would_not_run_in_the_block_is_refused(app):
    class Tests: ...

    def fixture():
        yield

    async def async_fixture():
        yield

    for other in (Tests, fixture, async_fixture):
        with pytest.raises(TypeError, match="only a function can have this block around it"):
            fake(app)(other)
