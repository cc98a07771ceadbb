import pytest

from sidelong import Sidelong
from tests.support.eventually import eventually
from tests.unit.cli.top.screens import session


@pytest.fixture
async def app():
    async with Sidelong("memory://") as app:
        yield app


async def test_the_help_comes_and_goes(app):
    async with session(app) as screen:
        await screen.shows("QUEUES 0")
        screen.press("?")
        await screen.shows("the chosen queue")
        screen.press("j")
        await screen.shows("QUEUES 0")


async def test_the_end_of_the_keyboard_ends_it(app):
    async with session(app) as screen:
        await screen.shows("QUEUES 0")
        screen.keys.put_nowait(None)
        await eventually(screen.running.done, 30)


async def test_no_redis_is_told_and_asked_again():
    async with Sidelong("redis://127.0.0.1:1/0") as app, session(app) as screen:
        await screen.shows("trying again: no connection to Redis")
        drawn = screen.drawn
        await eventually(lambda: screen.drawn > drawn + 2, 30)
