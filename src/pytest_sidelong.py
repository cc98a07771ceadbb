"""The pytest plugin: fixtures for tests of what enqueues, and of what is enqueued.

Every test run of an environment in which Sidelong is installed loads it. So it lies beside the package, whose import
loads a Redis client, and imports the package only where a fixture is used. See `docs/decisions/0038`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sidelong.app import Sidelong
    from sidelong.testing import Jobs
    from sidelong.testing.modes import ServerMiddleware


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the app is, and which Redis is for tests."""
    parser.addini("sidelong_app", "the app of the sidelong fixtures, as module:attribute")
    parser.addini("sidelong_redis_url", "a Redis server for tests; by default that of the app")
    parser.getgroup("sidelong").addoption(
        "--sidelong-redis-url", metavar="URL", help="a Redis server for tests, in the place of sidelong_redis_url"
    )


@pytest.fixture
def sidelong_app(pytestconfig: pytest.Config) -> "Sidelong":
    """The app under test: the one that `sidelong_app` in the settings of pytest names, unless you define this anew."""
    target = pytestconfig.getini("sidelong_app")
    if not target:
        pytest.fail(
            "the sidelong fixtures do not know your app: name it in the settings of pytest, as in"
            " sidelong_app = shop.app:app, or define a fixture sidelong_app that returns it",
            pytrace=False,
        )
    from sidelong.app import Sidelong

    app = resolve_name(target)
    if not isinstance(app, Sidelong):
        pytest.fail(
            f"sidelong_app = {target} in the settings of pytest names a {type(app).__name__}, not a Sidelong app: is"
            " it module:attribute, as in shop.app:app?",
            pytrace=False,
        )
    return app


@pytest.fixture
def sidelong_server_middleware() -> "ServerMiddleware":
    """Whether the server middleware of the app runs around jobs; off, unless you define this anew."""
    return False


@pytest.fixture
def sidelong_fake(sidelong_app: "Sidelong", sidelong_server_middleware: "ServerMiddleware") -> "Iterator[Jobs]":
    """Keeps what the app enqueues in this test: see `sidelong.testing.fake`."""
    from sidelong.testing import fake

    with fake(sidelong_app, server_middleware=sidelong_server_middleware) as jobs:
        yield jobs


@pytest.fixture
def sidelong_inline(sidelong_app: "Sidelong", sidelong_server_middleware: "ServerMiddleware") -> "Iterator[Jobs]":
    """Runs what the app enqueues in this test at once: see `sidelong.testing.inline`."""
    from sidelong.testing import inline

    with inline(sidelong_app, server_middleware=sidelong_server_middleware) as jobs:
        yield jobs


@pytest.fixture
def sidelong_redis(sidelong_app: "Sidelong", pytestconfig: pytest.Config) -> Iterator[str]:
    """Lets the app use a Redis database of this test's own; gives its address: see `sidelong.testing.own_database`."""
    from sidelong.errors import SidelongError
    from sidelong.testing import own_database

    server = pytestconfig.getoption("--sidelong-redis-url") or pytestconfig.getini("sidelong_redis_url") or None
    with ExitStack() as stack:
        try:
            url = stack.enter_context(own_database(sidelong_app, server))
        except SidelongError as error:
            pytest.fail(f"{error}; sidelong_redis_url in the settings of pytest names another server", pytrace=False)
        yield url
