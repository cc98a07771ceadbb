"""Each test of this folder drives real Ruby Sidekiq on a real server; it is skipped where one is missing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidelong import Sidelong
from tests.interop.ruby import Ruby, require_ruby
from tests.support.redis_server import Database
from tests.support.timings import TEST_TIMINGS


@pytest.fixture
def ruby(redis_server: Database, tmp_path: Path) -> Ruby:
    """Ruby programs on the test's database."""
    require_ruby()
    return Ruby(redis_server, tmp_path)


@pytest.fixture
def app(redis_server: Database) -> Sidelong:
    """An application on the test's database."""
    return Sidelong(redis_server.url, **{**TEST_TIMINGS, "poll_interval": 0.05, "beat_interval": 0.1})


@pytest.fixture
def run(ruby: Ruby) -> Callable[[str], Any]:
    """Runs a Ruby script beside the event loop."""

    async def run(script: str) -> Any:
        return await asyncio.to_thread(ruby.run, script)

    return run
