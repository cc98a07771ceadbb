"""What TLS needs, made from connection options in redis-py's words."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.asyncio.connection import SSLConnection
from redis.exceptions import RedisError

from sidelong.errors import ConfigurationError

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def tls_context(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Return the context for a connection, None for one without TLS; reads the certificates anew.

    Raises:
        ConfigurationError: a file cannot be read, or an option cannot work.
    """
    kind = options.get("connection_class")
    if kind is None or not issubclass(kind, SSLConnection):
        return None
    chosen = {key: value for key, value in options.items() if key.startswith("ssl_")}
    for name in _FILES:
        _check_file(name, chosen.get(name))
    try:
        return SSLConnection(host="", port=0, **chosen).ssl_context.get()
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"the TLS certificates cannot be used ({error.reason or error}): ssl_ca_certs, ssl_certfile and ssl_keyfile"
            " must be PEM files, and the last two must belong together"
        ) from None
    except (OSError, RedisError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the TLS options of the Redis URL cannot be used: {error}") from None


def _check_file(name: str, path: Any) -> None:
    if path is None:
        return
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"the file that {name} names cannot be read: {path}: {error.strerror}") from None
