"""Fixtures that every test may use, and the rules that hold for all of them."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from sidelong.core.logs.repeats import REPEATS
from tests.support import keys
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.redis_server import Database, RedisServer
from tests.support.server_required import require_server

_NEEDS_SERVER = frozenset({"redis_server", "own_redis", "start_redis"})
_FAILED = pytest.StashKey[bool]()
_numbers = count()

# Most tests wait most of the time: three processes keep two cores half busy.
_PROCESSES = 3

# Shared machines pause: how long one example takes says nothing.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "default"))

# A run starts a thousand Python processes, which would each compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell may have started the run in the background, or with nohup: programs would inherit that these are ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# Debug mode changes timings and logs slow callbacks; a test that wants it asks its own loop.
os.environ.pop("PYTHONASYNCIODEBUG", None)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers that belong to the fixtures of this file."""
    config.addinivalue_line("markers", "allow_any_keys: may leave keys that the catalogue does not declare")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run the whole suite in parallel, and a choice of tests, or one whose output is wanted, in this process."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_whole or config.option.capture == "no":
        return 0
    config.option.dist = "worksteal"
    return _PROCESSES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a real server, so that `-m 'not redis_server'` leaves it out."""
    for item in items:
        if _NEEDS_SERVER.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("redis_server")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the body of a test failed; leaks are then no news."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any], dict[str, Any]]:
    """Escape what tests log of lone surrogates: reports travel between processes as UTF-8."""
    data = yield
    data["sections"] = [
        (title, text.encode("utf-8", "backslashreplace").decode()) for title, text in data.get("sections", ())
    ]
    return data


@pytest.fixture(autouse=True)
def _no_repeats_of_other_tests() -> Iterator[None]:
    yield
    REPEATS.forget()


@pytest.fixture(scope="session")
def shared_redis_server() -> Iterator[RedisServer]:
    """The server that tests of this process share; use `redis_server`, which hands out clean databases."""
    require_server()
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, shared_redis_server: RedisServer) -> Iterator[Database]:
    """An empty database on the shared server; after the test every key left must be declared.

    The server is not to be configured, paused or stopped: that is what `own_redis` is for.
    """
    # A process that an earlier test left behind writes to another database.
    database = shared_redis_server.database(next(_numbers) % 16)
    with database.client() as client:
        client.flushall()
        yield database
        if request.node.stash.get(_FAILED, False) or request.node.get_closest_marker("allow_any_keys"):
            return
        if leaked := keys.leaks(client, keys.catalogue()):
            pytest.fail("\n".join(["keys left in Redis:", *leaked]), pytrace=False)


@pytest.fixture
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of the test's own, with the options of `RedisServer`."""
    require_server()
    servers: list[RedisServer] = []

    def start(**options: object) -> RedisServer:
        server = RedisServer(**options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def own_redis(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """A server that the test may configure, pause, kill and start again."""
    return start_redis()


@pytest.fixture
def redis_client(redis_server: Database) -> Iterator[redis.Redis]:
    """A blocking client of `redis_server`, for seeding and looking."""
    with redis_server.client() as client:
        yield client


@pytest.fixture
def proxy(redis_server: Database) -> Iterator[Proxy]:
    """A fault-injecting proxy in front of `redis_server`; its `url(db)` goes to the program under test."""
    with Proxy(redis_server.server.port) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in a directory of the test's own."""
    written = Ledger(tmp_path / "ledger")
    yield written
    written.close()
