"""A blocking client that asks sentinels where the master is: the heartbeat's thread has one."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from sidelong.store.sentinel_url import Address


class SentinelClient(redis.Redis):
    """Asks whenever it connects, and can be told from outside its thread that its master was replaced.

    Args:
        service: the name under which the sentinels know the master.
        hosts: the sentinels; the event loop moves the one that knows best to the front.
        sentinel_options: how to connect to them, in redis-py's words.
        options: how to connect to the master.
    """

    def __init__(
        self, service: str, hosts: list[Address], *, sentinel_options: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        has_tls = issubclass(options["connection_class"], redis.SSLConnection)
        kind = SentinelManagedSSLConnection if has_tls else SentinelManagedConnection
        self._manager = _Manager(hosts, sentinel_options)
        self._pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
            service, self._manager, **{**options, "connection_class": kind}
        )
        self._is_to_leave = False
        super().__init__(connection_pool=self._pool)

    def leave_unless(self, master: Address) -> None:
        """Leave any other master before the next command."""
        if self._pool.master_address != master:
            self._is_to_leave = True

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command, on a new connection if the master is to be left."""
        if self._is_to_leave:
            self._is_to_leave = False
            self._pool.disconnect()
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connections to the master and to the sentinels."""
        super().close()
        self._manager.close()


class _Manager(Sentinel):
    """Asks one sentinel after the other, in the order that the event loop has found to be best."""

    def __init__(self, hosts: list[Address], options: Mapping[str, Any]) -> None:
        own = {"protocol": 2, "decode_responses": True, "retry": Retry(NoBackoff(), 0)}
        super().__init__(hosts, sentinel_kwargs={**options, **own})  # type: ignore[no-untyped-call]
        self._hosts = hosts
        self._by_host: dict[Address, redis.Redis] = dict(zip(hosts, self.sentinels, strict=True))

    def discover_master(self, service_name: str) -> Address:
        # In the middle of a failover, SENTINEL MASTERS, which redis-py would read, still shows the old one.
        for host in tuple(self._hosts):
            with suppress(redis.RedisError, OSError):
                if address := self._by_host[host].sentinel_get_master_addr_by_name(service_name):
                    return cast("Address", address)
        raise MasterNotFoundError("no sentinel names a master")

    def close(self) -> None:
        for sentinel in self.sentinels:
            sentinel.close()
