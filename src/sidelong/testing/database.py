"""A Redis database of a test's own, and connections that end with the event loops of tests."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any, Final

from sidelong.app import Sidelong
from sidelong.core.config import Config
from sidelong.errors import ConfigurationError
from sidelong.store.embedded import forget_embedded_server
from sidelong.store.link import Link
from sidelong.store.spare_database import spare_database
from sidelong.store.store import Store

_EMBEDDED: Final = "memory://"
_numbers = count(1)


@contextmanager
def own_database(app: Sidelong, redis_url: str | None = None) -> Iterator[str]:
    """Let an app use a Redis database that nobody else uses, in this block of a `with` statement.

    It is an empty one of those with the numbers 1 to 15, and is empty again afterwards; what already holds something
    is never touched. For an app on `memory://` it is a store of its own in memory.

    Connections need not be given back: they are closed when the event loop that opened them ends.

    Args:
        app: whose jobs go there, and whose workers take them from there.
        redis_url: the server; by default that of the app.

    Yields:
        Its address.

    Raises:
        ConfigurationError: the address cannot be used, or there is none, as the app was given a client.
        StoreError: there is no connection, or no empty database.
    """
    if redis_url is None and Store(app.config).address != app.store.address:
        raise ConfigurationError("the app was given a Redis client and no address: name the server for tests")
    before = app.config, app.sources, app.store
    with _database(redis_url or app.config.redis_url, app.config) as url:
        store = _LoopBoundStore(replace(app.config, redis_url=url))
        app.config, app.store = store.config, store
        try:
            yield url
        finally:
            app.config, app.sources, app.store = before
            store.end()


@contextmanager
def _database(url: str, config: Config) -> Iterator[str]:
    if not url.startswith(_EMBEDDED):
        with spare_database(url, connect_timeout=config.connect_timeout) as address:
            yield address
        return
    name = f"sidelong-test-{next(_numbers)}"
    try:
        yield f"{_EMBEDDED}{name}"
    finally:
        forget_embedded_server(name)


class _LoopBoundStore(Store):
    """Gives the connections of each event loop back as the loop ends, which cancels all of its tasks.

    Args:
        config: addresses and time limits.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._keepers: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    def link(self, *args: Any, **kwargs: Any) -> Link:
        """See `Store.link`."""
        loop = asyncio.get_running_loop()
        if loop not in self._keepers:
            self._keepers[loop] = loop.create_task(self._close_at_end(), name="sidelong-test-connections")
        return super().link(*args, **kwargs)

    def end(self) -> None:
        """Give the connections back of all loops that have not ended yet."""
        for loop, keeper in list(self._keepers.items()):
            with suppress(RuntimeError):  # it has ended in another thread meanwhile
                if loop.is_running():
                    loop.call_soon_threadsafe(keeper.cancel)
                elif not loop.is_closed() and asyncio._get_running_loop() is None:
                    keeper.cancel()
                    loop.run_until_complete(asyncio.wait({keeper}))

    async def _close_at_end(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.close()
