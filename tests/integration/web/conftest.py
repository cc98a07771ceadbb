"""Each test of this folder runs on the embedded store and on a real server, as a browser would see the pages."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from sidelong import Sidelong
from sidelong.web import dashboard
from tests.integration.api.conftest import app
from tests.integration.worker.conftest import real_site, site
from tests.support.browser import Browser

__all__ = ["app", "real_site", "site"]


@pytest.fixture
async def open_pages(app: Sidelong) -> AsyncIterator[Callable[..., Browser]]:
    """Opens the pages of an application, with the arguments of `dashboard`."""
    opened: list[httpx.AsyncClient] = []

    def start(*, of: Sidelong | None = None, **arguments: object) -> Browser:
        browser = Browser(dashboard(of or app, **{"auth": None, "interval": 0.1, **arguments}))
        opened.append(browser)
        return browser

    yield start
    for browser in opened:
        await browser.aclose()


@pytest.fixture
def pages(open_pages: Callable[..., Browser]) -> Browser:
    """The pages, open to everybody on the loopback interface."""
    return open_pages()
