"""Each test of this folder runs on the embedded store and on a real server, as a browser would see the pages."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from sidelong import Sidelong
from sidelong.web import bounded, dashboard, lookup
from tests.integration.api.conftest import app
from tests.integration.worker.conftest import real_site, site
from tests.support.browser import Browser

__all__ = ["app", "real_site", "site"]

_ENOUGH = 60.0
"""Seconds."""


_LIMITS = (
    *("actions.queued._WITHIN", "api.keys._WITHIN", "api.metrics._WITHIN", "bounded._WITHIN", "job_rows._WITHIN"),
    *("listing._WITHIN", "tallies._WITHIN", "views.redis._WITHIN"),
    *(f"views.metrics.{name}" for name in ("_JOBS_WITHIN", "_COARSE_WITHIN", "_QUEUES_WITHIN")),
)


class Patient:
    """Stands in for asyncio in the one place that limits a page as a whole."""

    @staticmethod
    def timeout(_seconds: float) -> asyncio.Timeout:
        """Limit what is done, but not to the two seconds that a page has."""
        return asyncio.timeout(_ENOUGH)


@pytest.fixture(autouse=True)
def enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, pages are complete; tests of what is not say so."""
    for limit in _LIMITS:
        monkeypatch.setattr(f"sidelong.web.{limit}", _ENOUGH)
    monkeypatch.setattr("sidelong.web.application.asyncio", Patient)
    monkeypatch.setattr(lookup.look_up, "__defaults__", (lookup.PAGES, _ENOUGH))
    monkeypatch.setattr(bounded.in_steps, "__kwdefaults__", {"step_within": _ENOUGH})


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
