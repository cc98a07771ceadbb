"""What the stores inside this process hold, in a file: a process that takes the place of this one goes on with it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidelong.store.embedded import embedded_server, embedded_servers

if TYPE_CHECKING:
    from redis import Redis

_NEVER: Final = -1
_AT_ONCE: Final = 500
"""Words of one command, an even number: the time that fakeredis takes for each grows with their number."""
_READ: Final[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
    "string": ("GET", ()),
    "list": ("LRANGE", (0, -1)),
    "set": ("SMEMBERS", ()),
    "hash": ("HGETALL", ()),
    "zset": ("ZRANGE", (0, -1, "WITHSCORES")),
}
"""By type, the command that reads a whole value; other types are none of ours."""
_WRITE: Final = {"string": "SET", "list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}


class _Key(msgspec.Struct, array_like=True, frozen=True):
    """One key: its name, its type, when it expires in epoch milliseconds (-1 for never), and the words of its value."""

    name: bytes
    type: str
    expires_at: int
    words: list[bytes]


_Stores = dict[str, list[_Key]]
"""The keys of each store by what follows `memory://`."""


def save_embedded(path: Path) -> None:
    """Write all stores in this process to a file, in one step; it replaces the one that is there.

    What is written to them meanwhile may be left out.

    Raises:
        OSError: it cannot be written.
    """
    stores: _Stores = {}
    for name, server in embedded_servers().items():
        with server.client() as client:
            stores[name] = _keys(client)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.msgpack.encode(stores))
    fresh.replace(path)


def restore_embedded(path: Path) -> None:
    """Fill the stores of this process with what `save_embedded` has written.

    Raises:
        OSError: it cannot be read.
        ConfigurationError: the extra `embedded` is not installed.
    """
    stores = msgspec.msgpack.decode(path.read_bytes(), type=_Stores)
    for name, keys in stores.items():
        with embedded_server(name).client() as client:
            execute = _raw(client)
            for key in keys:
                for begin in range(0, len(key.words), _AT_ONCE):
                    execute(_WRITE[key.type], key.name, *key.words[begin : begin + _AT_ONCE])
                if key.expires_at != _NEVER:
                    execute("PEXPIREAT", key.name, key.expires_at)


def _keys(client: "Redis") -> list[_Key]:
    execute = _raw(client)
    keys: list[_Key] = []
    for name in execute("KEYS", "*"):
        kind = execute("TYPE", name).decode()
        if kind not in _READ:
            continue
        command, arguments = _READ[kind]
        expires_at = execute("PEXPIRETIME", name)
        # It may have expired since it was listed.
        if words := _words(kind, execute(command, name, *arguments)):
            keys.append(_Key(name, kind, expires_at, words))
    return keys


def _words(kind: str, value: Any) -> list[bytes]:
    """Return what the command that writes a value takes; nothing if there is none."""
    if kind == "string":
        return [] if value is None else [value]
    if kind == "zset":
        # A member comes before its score here, and behind it there.
        return [word for member, score in zip(value[::2], value[1::2], strict=True) for word in (score, member)]
    return list(value)


def _raw(client: "Redis") -> Callable[..., Any]:
    """Return what executes commands and returns answers as a server gives them."""
    client.response_callbacks.clear()
    execute: Callable[..., Any] = client.execute_command
    return execute
