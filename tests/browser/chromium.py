"""The Chromium of this machine, driven by playwright, which downloads none."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.server_required import REQUIRED

EXECUTABLE = "chromium"


def require_chromium() -> None:
    """Skip the running test, and say why, where Chromium is not installed; fail it where it must be."""
    if shutil.which(EXECUTABLE) is not None:
        return
    reason = f"{EXECUTABLE} is not on PATH (Debian: chromium)"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run a browser without a window for as long as the block lasts."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which(EXECUTABLE))
        try:
            yield browser
        finally:
            await browser.close()
