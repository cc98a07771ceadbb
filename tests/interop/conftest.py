"""Each test of this folder drives real Ruby Sidekiq on a real server; it is skipped where one is missing."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sidelong import Sidelong
from tests.interop.ruby import Bridge, Ruby, RubyWorker, require_ruby
from tests.support.ledger import Ledger
from tests.support.redis_server import Database
from tests.support.timings import TEST_TIMINGS


@pytest.fixture(scope="session")
def ruby_bridge() -> Iterator[Bridge]:
    """The Ruby process that runs the scripts of all tests."""
    require_ruby()
    bridge = Bridge()
    yield bridge
    bridge.close()


@pytest.fixture
def ruby(ruby_bridge: Bridge, redis_server: Database) -> Ruby:
    """Ruby on the test's database."""
    return Ruby(ruby_bridge, redis_server)


@pytest.fixture
def run(ruby: Ruby) -> Callable[..., Any]:
    """Runs a Ruby script beside the event loop."""

    async def run(script: str, **given: Any) -> Any:
        return await asyncio.to_thread(ruby.run, script, **given)

    return run


@pytest.fixture
def ruby_worker(ruby: Ruby, redis_server: Database, ledger: Ledger) -> Callable[..., RubyWorker]:
    """Starts Ruby workers on the test's database, with the options of `RubyWorker`."""

    def start(**options: Any) -> RubyWorker:
        return RubyWorker(redis_server.url, ledger, **options)

    return start


@pytest.fixture
def app(redis_server: Database) -> Sidelong:
    """An application on the test's database."""
    return Sidelong(redis_server.url, **{**TEST_TIMINGS, "poll_interval": 0.05, "beat_interval": 0.1})
