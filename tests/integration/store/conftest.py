"""What the tests of the store share: settings, links and things to look with."""

from collections.abc import AsyncIterator, Callable

import pytest

from sidelong.core.config import Config
from sidelong.store.link import RedisLink
from sidelong.store.store import Store

StoreMaker = Callable[..., Store]
LinkMaker = Callable[..., RedisLink]


@pytest.fixture
async def new_store() -> AsyncIterator[StoreMaker]:
    """Makes stores for a URL, and closes their pushers."""
    stores: list[Store] = []

    def make(url: str, **settings: object) -> Store:
        stores.append(Store(Config(redis_url=url, **settings)))
        return stores[-1]

    yield make
    for store in stores:
        await store.close()


@pytest.fixture
async def new_link(new_store: StoreMaker) -> AsyncIterator[LinkMaker]:
    """Makes links for a URL, and closes them."""
    links = []

    def make(url: str, *, answer_within: float | None = None, **settings: object) -> RedisLink:
        links.append(new_store(url, **settings).link("test", answer_within=answer_within))
        return links[-1]

    yield make
    for link in links:
        await link.close()
