"""Ask sentinels where the master is, whenever a connection is opened, and watch for another one while any is open."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self, cast
from weakref import WeakSet

import hiredis
import redis

from sidelong.errors import ConfigurationError, Refused, StoreError, Unavailable
from sidelong.store.connect_faults import explained
from sidelong.store.credentials import credentials, secrets
from sidelong.store.patience import patience
from sidelong.store.sentinel_client import SentinelClient
from sidelong.store.sentinel_url import Address, SentinelGroup
from sidelong.store.tls import tls_context

_ANSWER_WITHIN = 1.0
_LOOK_EVERY = 0.5
_READ_SIZE = 65_536


class Sentinels:
    """The sentinels of one master, asked in turn; the one that knew best is asked first.

    Args:
        group: where they are.
        connect_timeout: seconds for one attempt to connect, in which all of them must fit.
    """

    def __init__(self, group: SentinelGroup, *, connect_timeout: float) -> None:
        self.service = group.service
        self.address = ",".join(map(_shown, group.hosts))
        self._options = dict(group.options)
        self._hosts = list(group.hosts)
        self._tls = tls_context(self._options)
        # Time for the master itself must be left.
        self._answer_within = min(_ANSWER_WITHIN, connect_timeout / (len(self._hosts) + 1))
        self._watches: list[asyncio.Task[None]] = []
        self._clients: WeakSet[SentinelClient] = WeakSet()

    async def master(self) -> Address:
        """Return host and port of the master.

        Raises:
            Unavailable: none of them knows; the message says what each did.
        """
        troubles = []
        for host in tuple(self._hosts):
            try:
                async with patience(self._answer_within):
                    session = await self._open(host)
                    with session:
                        master = await self._ask(session)
            except Exception as error:
                self._read_certificates_after(error)
                reason = explained(
                    error,
                    within=self._answer_within,
                    has_tls=self._tls is not None,
                    secrets=secrets(self._options),
                )
                troubles.append(f"{_shown(host)}: {reason}")
                continue
            self._prefer(host)
            return master
        raise Unavailable(f"no sentinel names a master ({'; '.join(troubles)})")

    def distrust(self) -> None:
        """Ask another one first the next time: what the last one named was of no use."""
        self._hosts.append(self._hosts.pop(0))

    def watch(self, switched: Callable[[Address], None]) -> None:
        """Ask all of them again and again until `unwatch`.

        A master that was replaced goes on taking writes for ten seconds and more before it is told, and drops them
        all once it is.

        Args:
            switched: called with the new master when one of them names another than before.
        """
        if not self._watches:
            loop = asyncio.get_running_loop()
            self._watches = [
                loop.create_task(self._watch(host, switched), name="sidelong-sentinel") for host in self._hosts
            ]

    def unwatch(self) -> None:
        """Ask no more."""
        for watch in self._watches:
            watch.cancel()
        self._watches = []

    def blocking_client(self, options: Mapping[str, Any], *, connect_timeout: float) -> redis.Redis:
        """Return a client for a thread, which asks the sentinels whenever it connects.

        Args:
            options: for connections to the master.
            connect_timeout: seconds for each step of connecting.
        """
        client = SentinelClient(
            self.service,
            self._hosts,
            sentinel_options={
                **{key: value for key, value in self._options.items() if key != "connection_class"},
                "ssl": self._tls is not None,
                "socket_timeout": self._answer_within,
                "socket_connect_timeout": self._answer_within,
            },
            options={**options, "socket_connect_timeout": connect_timeout},
        )
        self._clients.add(client)
        return client

    def leave_others(self, master: Address) -> None:
        """Have the clients of threads leave every other master before their next command."""
        for client in list(self._clients):
            client.leave_unless(master)

    async def _watch(self, host: Address, switched: Callable[[Address], None]) -> None:
        # Only a change of mind counts: one that was cut off from the others goes on naming the master of yesterday.
        known: Address | None = None
        while True:
            try:
                # A look-up is a thread of the pool that jobs use, and cannot be cancelled: one at a time is enough.
                await asyncio.get_running_loop().getaddrinfo(*host)
                async with patience(self._answer_within):
                    session = await self._open(host)
                with session:
                    while True:
                        async with patience(self._answer_within):
                            master = await self._ask(session)
                        if known is not None and master != known:
                            self._prefer(host)
                            switched(master)
                        known = master
                        await asyncio.sleep(_LOOK_EVERY)
            except Exception as error:
                self._read_certificates_after(error)
            await asyncio.sleep(_LOOK_EVERY)

    def _read_certificates_after(self, error: Exception) -> None:
        """Read them anew after a fault that may be theirs: they may have been renewed since."""
        # It blocks the loop for 30 ms: not each time that a sentinel is merely down.
        if isinstance(error, ssl.SSLError | Unavailable):
            # Whoever renews them may not be done.
            with suppress(ConfigurationError):
                self._tls = tls_context(self._options)

    async def _open(self, host: Address) -> "_Session":
        session = await _Session.open(host, self._tls)
        try:
            if login := await credentials(self._options):
                await session.call("AUTH", *login)
        except BaseException:
            session.close()
            raise
        return session

    async def _ask(self, session: "_Session") -> Address:
        answer = await session.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        if answer is None:
            raise Unavailable(f"it knows no master named {self.service}")
        host, port = answer
        return host.decode(), int(port)

    def _prefer(self, host: Address) -> None:
        self._hosts.remove(host)
        self._hosts.insert(0, host)


class _Session:
    """A connection to one sentinel; `with` closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, has_tls: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._hung_up = f"it hung up{'' if has_tls else '; if it expects TLS, add tls=true to the URL'}"
        self._replies = hiredis.Reader(replyError=Refused, protocolError=StoreError)

    @classmethod
    async def open(cls, host: Address, tls: Any) -> Self:
        streams = await asyncio.open_connection(*host, ssl=tls, server_hostname=host[0] if tls else None)
        return cls(*streams, has_tls=tls is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._writer.transport.abort()

    async def call(self, *command: str) -> Any:
        self._writer.write(hiredis.pack_command(cast("Any", command)))
        while (answer := self._replies.gets()) is False:
            try:
                data = await self._reader.read(_READ_SIZE)
            except ConnectionError:
                data = b""
            if not data:
                raise Unavailable(self._hung_up)
            self._replies.feed(data)
        if isinstance(answer, Refused):
            raise Unavailable(_refused(answer))
        return answer


def _refused(refusal: Refused) -> str:
    if refusal.code == "NOAUTH":
        return "it asks for a password; give sentinel_password in the URL"
    if refusal.code == "WRONGPASS":
        return f"it refuses the login; correct sentinel_username and sentinel_password in the URL ({refusal})"
    return str(refusal)


def _shown(host: Address) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
