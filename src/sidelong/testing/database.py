"""A Redis database of a test's own, and connections that end with the event loops of tests."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
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
from sidelong.testing.decorating import block_of_code

_EMBEDDED: Final = "memory://"
_State = tuple[Config, Mapping[str, str], Store]

_numbers = count(1)
_lock = threading.Lock()
_states: dict[Sidelong, list[_State]] = {}
"""What the apps with a database of a test's own go back to: first what is theirs, then what each open block gave."""


@block_of_code
def own_database(app: Sidelong, redis_url: str | None = None) -> Iterator[str]:
    """Let an app use a Redis database that nobody else uses, in this block of a `with` statement.

    It is an empty one of those with the numbers 1 to 15, and is empty again afterwards; what already holds something
    is never touched. For an app on `memory://` it is a store of its own in memory. Where several blocks of one app are
    open, it uses the database of the one that was opened last.

    Connections need not be given back: they are closed when the event loop that opened them ends.

    Args:
        app: whose jobs go there, and whose workers take them from there.
        redis_url: the server; by default that of the app.

    Yields:
        Its address.

    Raises:
        ConfigurationError: the address cannot be used, or there is none, as the app was given a client.
        StoreError: there is no connection, or no empty database, or it may not be emptied.
    """
    if redis_url is None and Store(app.config).address != app.store.address:
        raise ConfigurationError("the app was given a Redis client and no address: name the server for tests")
    with _database(redis_url or app.config.redis_url, app.config) as url:
        store = _LoopBoundStore(replace(app.config, redis_url=url))
        state = store.config, app.sources, store
        _enter(app, state)
        try:
            yield url
        finally:
            _leave(app, state)
            store.end()


def _enter(app: Sidelong, state: _State) -> None:
    with _lock:
        states = _states.setdefault(app, [(app.config, app.sources, app.store)])
        states.append(state)
        app.config, app.sources, app.store = state


def _leave(app: Sidelong, state: _State) -> None:
    """Let an app use what it would, had this block never been opened: blocks may end in any order."""
    with _lock:
        states = [other for other in _states.pop(app) if other is not state]
        app.config, app.sources, app.store = states[-1]
        if len(states) > 1:
            _states[app] = states


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
