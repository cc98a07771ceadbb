"""Each test of this folder runs on the embedded store and on a real server."""

import logging
from collections.abc import Iterator
from itertools import count

import pytest

from sidelong.store.embedded import embedded_server
from tests.integration.worker.site import Lines, Site
from tests.support import keys
from tests.support.redis_server import Database

_numbers = count()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis_server)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """An empty store; after the test every key left must be declared, and no job may be in flight."""
    if request.param == "redis":
        database: Database = request.getfixturevalue("redis_server")
        with database.client() as client:
            yield Site(database.url, client)
        return
    name = f"worker-tests-{next(_numbers)}"
    with embedded_server(name).client() as client:
        yield Site(f"memory://{name}", client)
        if not request.node.get_closest_marker("allow_any_keys"):
            assert keys.leaks(client, keys.catalogue()) == []


@pytest.fixture
def real_site(redis_server: Database) -> Iterator[Site]:
    """An empty database on a real server, for what the embedded store only imitates."""
    with redis_server.client() as client:
        yield Site(redis_server.url, client)


@pytest.fixture
def log() -> Iterator[Lines]:
    """What the product logs at INFO and above."""
    lines = Lines()
    logger = logging.getLogger("sidelong")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)
