"""Each test of this folder runs on the embedded store and on a real server."""

from collections.abc import AsyncIterator

import pytest

from sidelong import Sidelong
from tests.integration.worker.conftest import log, real_site, site
from tests.integration.worker.site import Site

__all__ = ["app", "log", "real_site", "site"]


@pytest.fixture
async def app(site: Site) -> AsyncIterator[Sidelong]:
    """An application on the site's store, closed at the end."""
    async with site.app() as running:
        yield running
