"""The store of one application: links, scripts and pushes for each event loop that uses it."""

import asyncio
import copy
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import redis.asyncio

from sidelong.core.clock import Clock, SystemClock
from sidelong.core.config import Config
from sidelong.errors import ConfigurationError
from sidelong.store.checks import StartChecks
from sidelong.store.control import Control, ControlList
from sidelong.store.embedded import EmbeddedLink, embedded_server
from sidelong.store.endpoint import Endpoint
from sidelong.store.link import Link, RedisLink
from sidelong.store.metrics_writer import MetricsWriter
from sidelong.store.processes import Heart, Owners
from sidelong.store.pusher import Pusher
from sidelong.store.queues import CapsuleQueues
from sidelong.store.scripts import Scripts
from sidelong.store.sentinel_url import SCHEME
from sidelong.store.sets import TimedSets
from sidelong.store.steps import StoredSteps

_MEMORY = "memory://"
_SCHEMES = ("redis://", "rediss://", "unix://", SCHEME)
_Place = tuple[int, asyncio.AbstractEventLoop]
"""A process id and an event loop that turns in it."""

_TRUSTED_FOR = 30.0
"""Seconds of silence; a push cut off by what happened meanwhile would end as `EnqueueUncertain`."""


class Store:
    """Makes everything that touches Redis.

    Args:
        config: addresses and time limits.
        client: a `redis.asyncio.Redis` whose address and credentials are used instead of `config.redis_url`.
        clock: source of time.

    Raises:
        ConfigurationError: the address cannot be used.
    """

    def __init__(
        self,
        config: Config,
        client: "redis.asyncio.Redis | None" = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self._client = client
        url = config.redis_url
        self._embedded = (
            embedded_server(url.removeprefix(_MEMORY)) if client is None and url.startswith(_MEMORY) else None
        )
        self.scripts = Scripts(has_flags=self._embedded is None)
        if self._embedded is None:
            self.address = self._new_endpoint().address
        else:
            self.address = url
        # By process as well: a fork shares the sockets of its parent, and talking over them would mix up the replies
        # of both. Several threads use these, each for its own loop.
        self._endpoints: dict[_Place, Endpoint] = {}
        self._pushes: dict[_Place, tuple[Link, Pusher]] = {}
        self._admins: dict[_Place, Link] = {}
        self._step_links: dict[_Place, Link] = {}

    def configured(self, config: Config) -> Self:
        """Return this store with other settings, such as those of one worker; the address stays what it is."""
        other = copy.copy(self)
        other.config = config
        return other

    @property
    def pusher(self) -> Pusher:
        """The pusher of the running event loop."""
        place = _here()
        if place not in self._pushes:
            self._forget_closed_loops()
            link = self.link("push", trusted_for=_TRUSTED_FOR)
            self._pushes[place] = (link, Pusher(link))
        return self._pushes[place][1]

    @property
    def admin(self) -> Link:
        """The connection of the running event loop for reading and steering; shared, so nothing may block on it."""
        return self._shared(self._admins, "admin")

    @property
    def steps(self) -> StoredSteps:
        """What remembers the finished steps of jobs, from whichever event loop; its connections are its own."""
        return StoredSteps(lambda: self._shared(self._step_links, "steps"), self.scripts)

    @property
    def control(self) -> Control:
        """What tells the workers of this Redis what to do at once, from the running event loop."""
        return Control(self.admin, self.scripts)

    def control_list(self, wait: Link, link: Link, *, identity: str) -> ControlList:
        """Return the messages to one worker; `wait` is used for nothing else, `link` for answers."""
        return ControlList(wait, link, self.scripts, identity=identity)

    def link(self, name: str, *, answer_within: float | None = None, trusted_for: float = math.inf) -> Link:
        """Return a new connection for the running event loop, opened when first used.

        Args:
            name: what CLIENT LIST shows.
            answer_within: seconds; the default is `config.answer_timeout`.
            trusted_for: seconds of silence after which the connection is checked before it is used.
        """
        if self._embedded is not None:
            return EmbeddedLink(self._embedded)
        return RedisLink(
            self._endpoint(),
            name=name,
            answer_within=answer_within or self.config.answer_timeout,
            trusted_for=trusted_for,
        )

    def capsule_queues(self, link: Link, *, identity: str, capsule: str, names: list[str]) -> CapsuleQueues:
        """Return the queues of one capsule, taken over `link`."""
        return CapsuleQueues(
            link, self.scripts, self.config, self.clock, identity=identity, capsule=capsule, names=names
        )

    def timed_sets(self, link: Link) -> TimedSets:
        """Return the schedule and retry sets, reached over `link`."""
        return TimedSets(link, self.scripts, self.config)

    def owners(self, link: Link) -> Owners:
        """Return the identities that hold lists, reached over `link`."""
        return Owners(link, self.scripts, self.config)

    def metrics_writer(self, link: Link, identity: str) -> MetricsWriter:
        """Return what adds the figures that `identity` counts, over `link`."""
        return MetricsWriter(link, self.scripts, self.config, self.clock, identity=identity)

    def heart(self, identity: str) -> Heart:
        """Return what sends heartbeats for `identity` from a thread."""
        if self._embedded is not None:
            client = self._embedded.client()
        else:
            try:
                # The endpoint of a worker's loop learns first when the master moves.
                endpoint = self._endpoint()
            except RuntimeError:
                endpoint = self._new_endpoint()
            client = endpoint.blocking_client(timeout=min(self.config.beat_interval, 3.0))
        return Heart(client, self.scripts, self.config, self.clock, identity=identity)

    async def check(self) -> None:
        """See whether this Redis can be worked with, and warn of what may lose or delay jobs.

        Raises:
            StoreError: it is not; the message is one sentence that says what to do.
        """
        async with self._checks() as checks:
            if checks is not None:
                await checks.run()

    async def look(self) -> None:
        """See whether there is a Redis of a kind that can be worked with; less than `check`, and it warns of nothing.

        Raises:
            StoreError: there is not; the message is one sentence that says what to do.
        """
        async with self._checks() as checks:
            if checks is not None:
                await checks.look()

    async def close(self) -> None:
        """Give back the connections of the running event loop."""
        place = _here()
        link_and_pusher = self._pushes.pop(place, None)
        admin = self._admins.pop(place, None)
        if link_and_pusher is not None:
            await link_and_pusher[0].close()
        if admin is not None:
            await admin.close()
        await self.close_steps()

    async def close_steps(self) -> None:
        """Give back the connection of the running event loop that is for steps; a worker does when it ends."""
        link = self._step_links.pop(_here(), None)
        if link is not None:
            await link.close()

    def _shared(self, links: dict[_Place, Link], name: str) -> Link:
        place = _here()
        if place not in links:
            self._forget_closed_loops()
            links[place] = self.link(name, trusted_for=_TRUSTED_FOR)
        return links[place]

    @asynccontextmanager
    async def _checks(self) -> AsyncIterator[StartChecks | None]:
        """Yield the checks; None where there is nothing to check."""
        if self._embedded is not None:
            yield None
            return
        link = self.link("check")
        try:
            yield StartChecks(link, self.address, self.scripts, self.config, self.clock)
        finally:
            await link.close()

    def _endpoint(self) -> Endpoint:
        place = _here()
        if place not in self._endpoints:
            self._forget_closed_loops()
            self._endpoints[place] = self._new_endpoint()
        return self._endpoints[place]

    def _new_endpoint(self) -> Endpoint:
        config = self.config
        if self._client is not None:
            return Endpoint.from_client(self._client, connect_timeout=config.connect_timeout, client_name="sidelong")
        if not config.redis_url.startswith(_SCHEMES):
            raise ConfigurationError(f"the Redis URL must begin with {', '.join(_SCHEMES)} or {_MEMORY}")
        return Endpoint.from_url(config.redis_url, connect_timeout=config.connect_timeout, client_name="sidelong")

    def _forget_closed_loops(self) -> None:
        # Connections hold their loop: weak keys would keep both for ever where `asyncio.run` is called again and again.
        for uses in (self._endpoints, self._pushes, self._admins, self._step_links):
            for place in [place for place in tuple(uses) if place[1].is_closed()]:
                uses.pop(place, None)


def _here() -> _Place:
    return os.getpid(), asyncio.get_running_loop()
