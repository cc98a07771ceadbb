"""A database of a Redis server for one test: an empty one is taken, and given back empty.

A key of our own says whose it is meanwhile. What holds anything else is never touched, not even what a killed test has
left: nobody can tell its keys from those of a program that has come since.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import redis
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import RedisError, ResponseError, WatchError
from redis.exceptions import TimeoutError as NotAnswered

from sidelong.core.redaction import redacted
from sidelong.errors import StoreError
from sidelong.store import keys
from sidelong.store.endpoint import Endpoint
from sidelong.store.sentinel_url import SCHEME

_NUMBERS: Final = range(1, 16)
"""Not 0, which programs take that were told of none."""
_ANSWER_WITHIN: Final = 5.0


@contextmanager
def spare_database(url: str, *, connect_timeout: float) -> Iterator[str]:
    """Yield the address of a database that nobody else uses, and empty it at the end.

    Args:
        url: the server; the number of a database in it counts for nothing.
        connect_timeout: seconds for one attempt.

    Raises:
        ConfigurationError: the address cannot be read.
        StoreError: there is no connection, or no empty database.
    """
    mark = f"pid {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {uuid4()}"
    last, taken = 0, list[str]()
    for number in _NUMBERS:
        address = numbered(url, number)
        endpoint = Endpoint.from_url(address, connect_timeout=connect_timeout, client_name="sidelong")
        with closing(endpoint.blocking_client(timeout=_ANSWER_WITHIN)) as client:
            try:
                is_ours = _take(client, mark)
                last = number
                if not is_ours:
                    taken += [f"{number} by {other}" for other in _marked_by(client)]
                    continue
            except ResponseError as error:
                if "out of range" in str(error):
                    break  # the server has no more
                raise StoreError(f"{endpoint.address} cannot be used for tests: {error}") from None
            except (RedisError, OSError) as error:
                raise StoreError(f"no connection to Redis at {endpoint.address}: {error}") from None
            try:
                yield address
            finally:
                _give_back(client, mark, endpoint.address)
            return
    raise StoreError(_why_none(redacted(url), last, taken))


def numbered(url: str, number: int) -> str:
    """Return the address of another database of the same server."""
    address, _, query = url.partition("?")
    options = [option for option in query.split("&") if option and not option.startswith("db=")]
    if address.startswith("unix://"):
        options.append(f"db={number}")
    else:
        scheme, _, rest = address.partition("://")
        host, _, path = rest.partition("/")
        master = f"/{path.partition('/')[0]}" if url.startswith(SCHEME) else ""
        address = f"{scheme}://{host}{master}/{number}"
    return "?".join(part for part in (address, "&".join(options)) if part)


def _take(client: redis.Redis, mark: str) -> bool:
    """Mark a database as taken if it is empty; tell whether it was."""
    if client.dbsize() != 0:
        return False
    with client.pipeline(transaction=True) as together:
        together.set(keys.TEST, mark, nx=True)
        together.dbsize()
        is_first, size = together.execute()
    if is_first and size > 1:
        # Somebody has come in between.
        client.delete(keys.TEST)
    return bool(is_first) and size == 1


def _marked_by(client: redis.Redis) -> list[str]:
    """Return who has taken a database, if that was a test."""
    if client.type(keys.TEST) != b"string":
        return []
    mark = client.get(keys.TEST)
    return [mark.decode(errors="replace").partition(",")[0]] if isinstance(mark, bytes) else []


def _give_back(client: redis.Redis, mark: str, address: str) -> None:
    """Empty a database, unless another test has taken it since this one, or what it ran, has emptied it itself.

    Raises:
        StoreError: it is not allowed.
    """
    try:
        with client.pipeline() as together:
            together.watch(keys.TEST)  # type: ignore[no-untyped-call]
            if together.get(keys.TEST) not in (None, mark.encode()):
                return
            together.multi()
            together.flushdb()
            together.execute()
    except WatchError:
        return
    except (ConnectionFailed, NotAnswered):
        return  # a test may have ended its server
    except RedisError as error:
        raise StoreError(f"{address} cannot be emptied after the test: {error}") from None


def _why_none(server: str, last: int, taken: list[str]) -> str:
    """Return why no database can be taken, of those up to the last that there is."""
    if last == 0:
        return f"{server} has no database but 0, which is not for tests: name another server for tests"
    text = f"no database of {server} from {_NUMBERS[0]} to {last} is empty: empty one, or name another server for tests"
    if taken:
        text += f". Tests have taken {'; '.join(taken)}: `redis-cli -n NUMBER flushdb` empties what a killed one left"
    return text
