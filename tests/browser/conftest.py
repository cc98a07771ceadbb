"""Each test of this folder opens the pages in a real Chromium; it is skipped where there is none.

All of them share one browser, and with it one event loop; each has windows, a server and a database of its own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import pytest
import pytest_asyncio
import redis
from playwright.async_api import Browser, Page, expect

from tests.browser import scene as scenes
from tests.browser.chromium import require_chromium, running_chromium
from tests.browser.scene import Scene
from tests.browser.serving import serving
from tests.browser.view import DESKTOP, REPORT_VIOLATIONS, View
from tests.support.redis_server import Database

# The machine may have much else to do.
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)

OpenView = Callable[..., Awaitable[View]]
"""Opens a window: the fixture `open_view`."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser of this process."""
    require_chromium()
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def window(chromium: Browser) -> Page:
    """A window that tests use one after the other: to open one takes longer than most of them."""
    return await _new_page(chromium)


async def _new_page(chromium: Browser, **options: Any) -> Page:
    context = await chromium.new_context(locale="en-GB", **options)
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(REPORT_VIOLATIONS)
    return await context.new_page()


@pytest.fixture
def scene(redis_client: redis.Redis) -> Scene:
    """A shop on an ordinary day, in Redis."""
    return scenes.build(redis_client)


@pytest_asyncio.fixture(loop_scope="session")
async def address(redis_server: Database) -> AsyncIterator[str]:
    """Where the pages of the test's database are."""
    async with serving(redis_server.url) as where:
        yield where


@pytest_asyncio.fixture(loop_scope="session")
async def open_view(chromium: Browser, window: Page, address: str) -> AsyncIterator[OpenView]:
    """Opens the pages of `address`; at the end no browser may have complained of anything.

    Its arguments are the width in pixels, and the colour scheme that the system asks for, `light` or `dark`. What
    else it is given are options of a browser's context, which gets a window of its own.
    """
    opened: list[View] = []

    async def start(*, width: int = DESKTOP, scheme: Literal["light", "dark"] = "light", **options: Any) -> View:
        view = View(await _new_page(chromium, **options) if options or opened else window, address)
        opened.append(view)
        await view.page.emulate_media(color_scheme=scheme)
        await view.resize(width)
        return view

    yield start
    for view in opened:
        await view.leave()
        if view.page is not window:
            await view.page.context.close()
    assert [complaint for view in opened for complaint in view.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def view(open_view: OpenView, scene: Scene) -> View:
    """A window on a shop on an ordinary day."""
    return await open_view()
