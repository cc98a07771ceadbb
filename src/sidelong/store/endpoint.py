"""Where Redis is and how to get in; one per event loop, so that a dead server is not stormed."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from sidelong.errors import ConfigurationError, Unavailable

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 2.0
_COPIED = frozenset({"host", "port", "db", "username", "password", "path", "credential_provider", "connection_class"})


class Endpoint:
    """Opens connections to one Redis address.

    After a failed attempt, others are refused for a second or two without touching the network: with twenty
    links in a process a dead server still sees one attempt a second.

    Args:
        options: connection options in redis-py's words.
        connect_timeout: seconds for one attempt.
        client_name: what CLIENT LIST shows, before the name of the link.
    """

    def __init__(self, options: Mapping[str, Any], *, connect_timeout: float, client_name: str) -> None:
        self._options = dict(options)
        self._connect_timeout = connect_timeout
        self._client_name = client_name
        self._attempt = asyncio.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._last_error = ""
        self._ssl = self._ssl_context()

    @classmethod
    def from_url(cls, url: str, *, connect_timeout: float, client_name: str) -> "Endpoint":
        """Read a `redis://`, `rediss://` or `unix://` address.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        try:
            options = _copied(parse_url(url))
        except ValueError:
            # The parser's own words may quote a piece of the password.
            raise ConfigurationError(
                "the Redis URL cannot be read: it is redis://[user:password@]host[:port][/database],"
                " with / : @ in a password written as %2F %3A %40"
            ) from None
        return cls(options, connect_timeout=connect_timeout, client_name=client_name)

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
        if pool is None or kind not in (redis.asyncio.Connection, SSLConnection, UnixDomainSocketConnection):
            raise ConfigurationError(
                f"a client of {getattr(kind, '__name__', type(client).__name__)} cannot be copied:"
                " give Sidelong the URL instead"
            )
        options = _copied(pool.connection_kwargs)
        options["connection_class"] = kind
        return cls(options, connect_timeout=connect_timeout, client_name=client_name)

    def __repr__(self) -> str:
        return f"<Endpoint {self.address}>"

    @property
    def address(self) -> str:
        """The address without credentials, for logs."""
        database = self._options.get("db") or 0
        if "path" in self._options:
            return f"unix://{self._options['path']}?db={database}"
        scheme = "rediss" if self._ssl else "redis"
        return f"{scheme}://{self._host}:{self._port}/{database}"

    @property
    def _host(self) -> str:
        return str(self._options.get("host") or "localhost")

    @property
    def _port(self) -> int:
        return int(self._options.get("port") or 6379)

    async def connect(self, protocol: Callable[[], asyncio.Protocol], greet: Callable[[], Awaitable[None]]) -> None:
        """Open one connection and run its handshake.

        Raises:
            Unavailable: it could not be opened, or an attempt failed a moment ago.
        """
        async with self._attempt:
            loop = asyncio.get_running_loop()
            if loop.time() < self._closed_until:
                raise Unavailable(f"no connection to Redis at {self.address}: {self._last_error}")
            try:
                async with asyncio.timeout(self._connect_timeout):
                    await self._create(loop, protocol)
                    await greet()
            except Exception as error:
                # A credential provider may raise anything, and an end of the worker is no answer to that.
                self._failures += 1
                self._last_error = self._told(error)
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 1.2 ** min(self._failures - 1, 10))
                self._closed_until = loop.time() + pause * random.uniform(1.0, 1.2)
                raise Unavailable(f"no connection to Redis at {self.address}: {self._last_error}") from None
            self._failures = 0

    async def greeting(self, link_name: str) -> list[tuple[str | int, ...]]:
        """Return the commands that open a session."""
        commands: list[tuple[str | int, ...]] = []
        if credentials := await self._credentials():
            commands.append(("AUTH", *credentials))
        commands.append(("CLIENT", "SETNAME", f"{self._client_name}:{link_name}"))
        if database := self._options.get("db"):
            commands.append(("SELECT", int(database)))
        commands.append(("CLIENT", "ID"))
        return commands

    def blocking_client(self, *, timeout: float) -> "redis.Redis":
        """Return a client for a thread: one connection, short waits, and no retries of its own."""
        options = {key: value for key, value in self._options.items() if key != "connection_class"}
        kind: Any = redis.Connection
        if "path" in options:
            kind = redis.UnixDomainSocketConnection
        elif self._ssl:
            kind = redis.SSLConnection
        pool = redis.ConnectionPool(
            connection_class=kind,
            **options,
            protocol=2,
            socket_timeout=timeout,
            socket_connect_timeout=self._connect_timeout,
            retry=Retry(NoBackoff(), 0),
            client_name=f"{self._client_name}:beat",
        )
        return redis.Redis(connection_pool=pool)

    def _told(self, error: Exception) -> str:
        """Return what may be logged of a failed attempt."""
        if isinstance(error, TimeoutError) and not str(error):
            return f"no answer within {self._connect_timeout:g} s"
        if isinstance(error, (OSError, Unavailable)):
            return str(error) or type(error).__name__
        text = f"{type(error).__name__}: {error}"
        secrets = (str(self._options.get(name) or "") for name in ("password", "username"))
        return type(error).__name__ if any(secret and secret in text for secret in secrets) else text

    async def _create(self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.Protocol]) -> None:
        if "path" in self._options:
            await loop.create_unix_connection(protocol, self._options["path"])
        else:
            await loop.create_connection(
                protocol,
                self._host,
                self._port,
                ssl=self._ssl,
                server_hostname=self._host if self._ssl else None,
            )

    async def _credentials(self) -> tuple[str, ...]:
        provider: CredentialProvider | None = self._options.get("credential_provider")
        if provider is not None:
            return tuple(await provider.get_credentials_async())
        password = self._options.get("password")
        username = self._options.get("username")
        if password is None and username is None:
            return ()
        return (str(username), str(password or "")) if username else (str(password),)

    def _ssl_context(self) -> ssl.SSLContext | None:
        kind = self._options.get("connection_class")
        if kind is None or not issubclass(kind, SSLConnection):
            return None
        options = {key: value for key, value in self._options.items() if key.startswith("ssl_")}
        return SSLConnection(host=self._host, port=self._port, **options).ssl_context.get()


def _copied(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep where Redis is and how to get in; how long to wait and how to decode is our own affair."""
    return {
        key: value for key, value in options.items() if (key in _COPIED or key.startswith("ssl_")) and value is not None
    }
