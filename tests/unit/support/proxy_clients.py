"""Programs that speak to Redis through a proxy."""

import socket

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.proxy import Proxy
from tests.support.redis_server import Database

CUT = (redis.ConnectionError, redis.TimeoutError)


def through(proxy: Proxy, redis_server: Database, timeout: float = 5) -> redis.Redis:
    """Return a client that speaks bytes and never repeats a command."""
    url = proxy.url(redis_server.number)
    return redis.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=timeout, driver_info=None)


def raw(proxy: Proxy, timeout: float = 5) -> socket.socket:
    """Return a bare connection."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)


def received(connection: socket.socket, size: int | None = None) -> bytes:
    """Return what arrives: so many bytes, or all until the connection is reset."""
    data = b""
    while size is None or len(data) < size:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            break
        assert more, "closed, not reset"
        data += more
    return data
