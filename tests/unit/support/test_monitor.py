import pytest
import redis

from tests.support.monitor import Monitor
from tests.support.redis_server import Database

pytestmark = pytest.mark.allow_any_keys


def test_counts_what_clients_send(redis_server: Database, redis_client: redis.Redis) -> None:
    redis_client.ping()

    with Monitor(redis_server.url) as monitor:
        redis_client.set("key", 'a "quoted" value')
        redis_client.get("key")
        redis_client.get("key")
    redis_client.get("key")

    assert monitor.names == {"SET": 1, "GET": 2}
    assert monitor.commands[0].arguments[0] == "key"


def test_leaves_out_what_scripts_do(redis_server: Database, redis_client: redis.Redis) -> None:
    with Monitor(redis_server.url) as monitor:
        redis_client.eval("for i = 1, 10 do redis.call('INCR', KEYS[1]) end", 1, "count")

    assert monitor.names["EVAL"] == 1
    assert monitor.names["INCR"] == 0


def test_leaves_out_other_databases(redis_server: Database, redis_client: redis.Redis) -> None:
    other = redis_server.server.database((redis_server.number + 1) % 16)

    with Monitor(redis_server.url) as monitor, other.client() as client:
        client.set("key", 1)

    assert monitor.names["SET"] == 0
