"""Read `redis+sentinel://[user:password@]host[:port],host[:port]/master[/database][?option=value&...]`."""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio.connection import parse_url

from sidelong.errors import ConfigurationError

SCHEME: Final = "redis+sentinel://"

Address = tuple[str, int]
"""Host and port."""

_PORT: Final = 26379
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SHAPE: Final = f"{SCHEME}[user:password@]host[:port],host[:port]/master[/database]"
_OPTIONS: Final = "tls, sentinel_tls, sentinel_username, sentinel_password, ssl_... and sentinel_ssl_..."


@dataclass(frozen=True, slots=True)
class SentinelGroup:
    """Where the sentinels are, which master they are asked for, and how to get in.

    Attributes:
        hosts: the address of each.
        service: the name under which they know the master.
        options: how to connect to a sentinel, in redis-py's words.
    """

    hosts: tuple[Address, ...]
    service: str
    options: dict[str, Any] = field(default_factory=dict, repr=False)


def read_sentinel_url(url: str) -> tuple[SentinelGroup, dict[str, Any]]:
    """Return the sentinels and how to connect to the master that they name, in redis-py's words.

    Raises:
        ConfigurationError: the URL cannot be read; the message quotes nothing that may be secret.
    """
    address, _, query = url.removeprefix(SCHEME).partition("?")
    authority, _, path = address.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    service, _, database = path.partition("/")
    if "@" in path or "@" in query or "#" in url:
        raise _unreadable("a password with / : @ # ? in it must be written with %2F %3A %40 %23 %3F")
    if not service:
        raise _unreadable("the name of the master is missing")
    if database and not (database.isascii() and database.isdigit()):
        raise _unreadable("the database must be a number")
    ours, theirs = _read_options(query)
    return (
        SentinelGroup(
            hosts=tuple(_read_host(host) for host in hosts.split(",")),
            service=unquote(service),
            options=_connection(theirs, ""),
        ),
        _connection(ours, f"{credentials}@" if credentials else "") | {"db": int(database or 0)},
    )


def _read_host(text: str) -> Address:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        is_whole = bool(bracket) and rest[:1] in ("", ":")
    else:
        host, _, port = text.partition(":")
        is_whole = True
    if not (host and is_whole) or (text.endswith(":") or not _is_port(port or str(_PORT))):
        raise _unreadable("each host is a name, an address, or an IPv6 address in brackets, and may have a :port")
    return host, int(port or _PORT)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _read_options(query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options for Redis, and those for the sentinels: the same but for what is said of them."""
    ours: dict[str, Any] = {"tls": False}
    theirs: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        bare = name.removeprefix("sentinel_")
        if bare == "tls":
            if value.lower() not in _BOOLEANS:
                raise _unreadable(f"{name} must be true or false")
            (ours if bare == name else theirs)[bare] = _BOOLEANS[value.lower()]
        elif bare.startswith("ssl_"):
            (ours if bare == name else theirs)[bare] = value
        elif name in ("sentinel_username", "sentinel_password"):
            theirs[bare] = value
        else:
            raise _unreadable(f"it has an option that there is not; there are {_OPTIONS}")
    theirs = {**ours, **theirs}
    if not (ours["tls"] or theirs["tls"]) and len(ours) > 1:
        raise _unreadable("ssl_... options need tls=true")
    return ours, theirs


def _connection(options: dict[str, Any], credentials: str) -> dict[str, Any]:
    """Let redis-py read what it knows: credentials, and options of TLS with their types."""
    scheme = "rediss" if options["tls"] else "redis"
    query = urlencode({key: value for key, value in options.items() if not key.startswith("ssl_") or options["tls"]})
    try:
        found: dict[str, Any] = {**parse_url(f"{scheme}://{credentials}host?{query}")}
    except ValueError:
        raise _unreadable("user, password or an option of TLS is not written as in other Redis URLs") from None
    return {key: value for key, value in found.items() if key not in ("host", "tls")}


def _unreadable(reason: str) -> ConfigurationError:
    return ConfigurationError(f"the Redis URL cannot be read: {reason}; it is {_SHAPE}")
