"""A database of a Redis server for one test: an empty one is taken, and given back empty.

What holds keys of somebody else's is never touched. A key of our own says that a database belongs to a test, and until
when; where a test was killed, the next one that looks after that time empties what it has left.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

import redis
from redis.exceptions import RedisError, ResponseError, WatchError

from sidelong.core.redaction import redacted
from sidelong.errors import StoreError
from sidelong.store import keys
from sidelong.store.endpoint import Endpoint
from sidelong.store.sentinel_url import SCHEME

_NUMBERS: Final = range(1, 16)
"""Not 0, which programs take that were told of none."""
_TAKEN_FOR: Final = 3600.0
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
    for number in _NUMBERS:
        address = numbered(url, number)
        endpoint = Endpoint.from_url(address, connect_timeout=connect_timeout, client_name="sidelong")
        with closing(endpoint.blocking_client(timeout=_ANSWER_WITHIN)) as client:
            if not _take(client, endpoint.address):
                continue
            try:
                yield address
            finally:
                # A test may have ended its server.
                with suppress(RedisError):
                    client.flushdb()
            return
    raise StoreError(
        f"no database of {redacted(url)} from {_NUMBERS[0]} to {_NUMBERS[-1]} is empty: empty one, or name"
        " another server for tests"
    )


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


def _take(client: redis.Redis, address: str) -> bool:
    """Take a database that is empty, or that a test has not given back in time."""
    try:
        with client.pipeline() as together:
            together.watch(keys.TEST)  # type: ignore[no-untyped-call]
            taken_until = together.get(keys.TEST)
            is_free = together.dbsize() == 0 if taken_until is None else float(taken_until) < time.time()
            if not is_free:
                return False
            together.multi()
            together.flushdb()
            together.set(keys.TEST, repr(time.time() + _TAKEN_FOR))
            together.execute()
    except WatchError:
        return False  # another test was faster
    except ResponseError as error:
        if "out of range" in str(error):
            return False  # the server has fewer
        raise StoreError(f"{address} cannot be used for tests: {error}") from None
    except (RedisError, OSError) as error:
        raise StoreError(f"no connection to Redis at {address}: {error}") from None
    return True
