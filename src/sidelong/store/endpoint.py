"""Where Redis is and how to get in; one per event loop, so that a dead server is not stormed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from sidelong.errors import ConfigurationError, Unavailable
from sidelong.store.connect_faults import explained
from sidelong.store.credentials import credentials, secrets
from sidelong.store.patience import patience
from sidelong.store.sentinel import Sentinels
from sidelong.store.sentinel_url import SCHEME, Address, SentinelGroup, read_sentinel_url
from sidelong.store.tls import tls_context

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 2.0
_COPIED = frozenset({"host", "port", "db", "username", "password", "path", "credential_provider", "connection_class"})
_KINDS = {
    redis.asyncio.Connection: redis.Connection,
    SSLConnection: redis.SSLConnection,
    UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
}
"""What can be copied, and the same for a thread."""
_MANAGED_KINDS = {SentinelManagedConnection: redis.asyncio.Connection, SentinelManagedSSLConnection: SSLConnection}


class Wire(Protocol):
    """A connection, as whoever opens it sees it."""

    def abort(self, reason: str) -> None:
        """End it at once."""


class Endpoint:
    """Opens connections to one Redis address, or to the master that sentinels name.

    After a failed attempt, others are refused for a second or two without touching the network: with twenty
    links in a process a dead server still sees one attempt a second.

    Args:
        options: connection options in redis-py's words.
        connect_timeout: seconds for one attempt.
        client_name: what CLIENT LIST shows, before the name of the link.
        sentinels: where to ask for the master, each time; host and port in `options` then mean nothing.

    Raises:
        ConfigurationError: a certificate cannot be read.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        connect_timeout: float,
        client_name: str,
        sentinels: SentinelGroup | None = None,
    ) -> None:
        self._options = {"connection_class": redis.asyncio.Connection, **options}
        self._connect_timeout = connect_timeout
        self._client_name = client_name
        self._sentinels = Sentinels(sentinels, connect_timeout=connect_timeout) if sentinels is not None else None
        self._masters: dict[Wire, Address] = {}
        self._attempt = asyncio.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._last_error = ""
        self._tls = tls_context(self._options)

    @classmethod
    def from_url(cls, url: str, *, connect_timeout: float, client_name: str) -> "Endpoint":
        """Read a `redis://`, `rediss://`, `unix://` or `redis+sentinel://` address.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        sentinels: SentinelGroup | None = None
        if url.startswith(SCHEME):
            sentinels, options = read_sentinel_url(url)
        else:
            options = _read_url(url)
        return cls(_copied(options), connect_timeout=connect_timeout, client_name=client_name, sentinels=sentinels)

    @classmethod
    def from_client(cls, client: "redis.asyncio.Redis", *, connect_timeout: float, client_name: str) -> "Endpoint":
        """Copy the address and credentials of a client object; the client itself is not used.

        Raises:
            ConfigurationError: the client reaches Redis in a way that cannot be copied.
        """
        if isinstance(client, redis.Redis):
            raise ConfigurationError(
                "a synchronous redis.Redis cannot be copied:"
                " give Sidelong the URL, or an asyncio client (redis.asyncio.Redis), instead"
            )
        pool = getattr(client, "connection_pool", None)
        kind = getattr(pool, "connection_class", None)
        sentinels: SentinelGroup | None = None
        if isinstance(pool, SentinelConnectionPool) and kind in _MANAGED_KINDS:
            sentinels = _group_of(pool)
            kind = _MANAGED_KINDS[kind]
        if pool is None or kind not in _KINDS:
            raise _cannot_be_copied(getattr(kind, "__name__", type(client).__name__))
        options = {**_copied(pool.connection_kwargs), "connection_class": kind}
        return cls(options, connect_timeout=connect_timeout, client_name=client_name, sentinels=sentinels)

    def __repr__(self) -> str:
        return f"<Endpoint {self.address}>"

    @property
    def address(self) -> str:
        """The address without credentials, for logs."""
        database = self._options.get("db") or 0
        if self._sentinels is not None:
            return f"{SCHEME}{self._sentinels.address}/{self._sentinels.service}/{database}"
        if "path" in self._options:
            return f"unix://{self._options['path']}?db={database}"
        host, port = self._own_address
        return f"{'rediss' if self._tls else 'redis'}://{f'[{host}]' if ':' in host else host}:{port}/{database}"

    @property
    def has_tls(self) -> bool:
        """True where connections are encrypted."""
        return self._tls is not None

    async def connect(self, protocol: Callable[[], asyncio.Protocol], greet: Callable[[], Awaitable[None]]) -> None:
        """Open one connection and run its handshake.

        Args:
            protocol: returns a `Wire`.
            greet: the handshake.

        Raises:
            Unavailable: it could not be opened, or an attempt failed a moment ago.
        """
        async with self._attempt:
            loop = asyncio.get_running_loop()
            if loop.time() < self._closed_until:
                raise Unavailable(f"no connection to Redis at {self.address}: {self._last_error}")
            try:
                async with patience(self._connect_timeout):
                    made, address = await self._create(loop, protocol)
                    await greet()
            except Exception as error:
                # A credential provider may raise anything, and an end of the worker is no answer to that.
                self._failures += 1
                self._last_error = explained(
                    error, within=self._connect_timeout, has_tls=self.has_tls, secrets=secrets(self._options)
                )
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 1.2 ** min(self._failures - 1, 10))
                self._closed_until = loop.time() + pause * random.uniform(1.0, 1.2)
                if self._sentinels is not None:
                    self._sentinels.distrust()
                raise Unavailable(f"no connection to Redis at {self.address}: {self._last_error}") from None
            self._failures = 0
            if self._sentinels is not None:
                self._leave_others(address)
                self._masters[made] = address
                self._sentinels.watch(self._leave_others)

    def released(self, wire: Wire) -> None:
        """Take note that a connection has ended."""
        if self._masters.pop(wire, None) is not None and not self._masters and self._sentinels is not None:
            self._sentinels.unwatch()

    async def greeting(self, link_name: str) -> list[tuple[str | int, ...]]:
        """Return the commands that open a session."""
        commands: list[tuple[str | int, ...]] = []
        if login := await credentials(self._options):
            commands.append(("AUTH", *login))
        commands.append(("CLIENT", "SETNAME", f"{self._client_name}:{link_name}"))
        if database := self._options.get("db"):
            commands.append(("SELECT", int(database)))
        commands.append(("CLIENT", "ID"))
        if self._sentinels is not None:
            # A sentinel that was away may name the master of yesterday.
            commands.append(("ROLE",))
        return commands

    def blocking_client(self, *, timeout: float) -> "redis.Redis":
        """Return a client for a thread: one connection, short waits, and no retries of its own."""

        def named(connection: Any) -> None:
            connection.on_connect()
            # A convenience that an ACL may forbid.
            connection.send_command("CLIENT", "SETNAME", f"{self._client_name}:beat")
            with suppress(ResponseError):
                connection.read_response()

        options = {
            **self._options,
            "connection_class": _KINDS[self._options["connection_class"]],
            "protocol": 2,
            "socket_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": named,
        }
        if self._sentinels is not None:
            return self._sentinels.blocking_client(options, connect_timeout=self._connect_timeout)
        pool = redis.ConnectionPool(**options, socket_connect_timeout=self._connect_timeout)
        return redis.Redis(connection_pool=pool)

    async def _create(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.Protocol]
    ) -> tuple[Wire, Address]:
        if self._failures:
            # The certificates may have been renewed since.
            self._tls = tls_context(self._options)
        if path := self._options.get("path"):
            _, made = await loop.create_unix_connection(protocol, path)
            return cast("Wire", made), (path, 0)
        address = self._own_address if self._sentinels is None else await self._sentinels.master()
        _, made = await loop.create_connection(
            protocol, *address, ssl=self._tls, server_hostname=address[0] if self._tls else None
        )
        return cast("Wire", made), address

    def _leave_others(self, master: Address) -> None:
        """Drop the connections to another master: a job given to one that was replaced would be lost."""
        for wire, address in list(self._masters.items()):
            if address != master:
                wire.abort("the sentinels name another master")
        if self._sentinels is not None:
            self._sentinels.leave_others(master)

    @property
    def _own_address(self) -> Address:
        return str(self._options.get("host") or "localhost"), int(self._options.get("port") or 6379)


def _read_url(url: str) -> dict[str, Any]:
    """Return what redis-py reads in an address, and refuse what it would pass over in silence."""
    try:
        options: dict[str, Any] = {**parse_url(url)}
        parts = urlsplit(url)
        path = unquote(parts.path).strip("/")
        if "#" in url or ("@" in parts.query and "path" not in options):
            # What stands before it would be taken for host and port.
            raise ValueError
    except ValueError:
        # The parser's own words may quote a piece of the password.
        raise ConfigurationError(
            "the Redis URL cannot be read: it is redis://[user:password@]host[:port][/database],"
            " with / : @ # ? in a password written as %2F %3A %40 %23 %3F"
        ) from None
    if "path" not in options and path and not (path.isascii() and path.isdigit()):
        raise ConfigurationError(
            "the Redis URL cannot be read: what follows the host must be the number of a database, as in"
            " redis://host:6379/0, and a / in a password must be written as %2F"
        )
    if any(name.startswith("ssl_") for name in options) and options.get("connection_class") is not SSLConnection:
        raise ConfigurationError("the Redis URL has ssl_... options: for TLS it must begin with rediss://")
    return options


def _group_of(pool: SentinelConnectionPool) -> SentinelGroup:
    if not pool.is_master:
        raise ConfigurationError("a client of replicas cannot be copied: give Sidelong one made by Sentinel.master_for")
    pools = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    kind = pools[0].connection_class
    if kind not in (redis.asyncio.Connection, SSLConnection):
        raise _cannot_be_copied(kind.__name__)
    options = _copied(pools[0].connection_kwargs)
    return SentinelGroup(
        hosts=tuple((str(each.connection_kwargs["host"]), int(each.connection_kwargs["port"])) for each in pools),
        service=pool.service_name,
        options={key: value for key, value in options.items() if key not in ("host", "port", "db")}
        | {"connection_class": kind},
    )


def _cannot_be_copied(name: str) -> ConfigurationError:
    return ConfigurationError(f"a client of {name} cannot be copied: give Sidelong the URL instead")


def _copied(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep where Redis is and how to get in; how long to wait and how to decode is our own affair."""
    return {
        key: value for key, value in options.items() if (key in _COPIED or key.startswith("ssl_")) and value is not None
    }
