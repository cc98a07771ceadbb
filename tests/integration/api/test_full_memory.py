import redis

from sidelong import Sidelong
from sidelong.api import Filter, Queue
from tests.support import seeding
from tests.support.redis_server import RedisServer


async def test_queues_are_paused_and_emptied_where_memory_is_full(own_redis: RedisServer):
    async with Sidelong(own_redis.url) as app:
        with own_redis.client() as client:
            seeding.push(client, *[seeding.payload("Job", number, jid=str(number)) for number in range(200)])
            fill(client)

            assert await Queue(app).pause()
            assert await Queue(app).delete_all(where=Filter(text='"jid":"1')) == 111
            assert await Queue(app).delete_job("2")
            assert await Queue(app).clear() == 88
            assert await Queue(app).unpause()


def fill(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)
    try:
        client.set("more", "x")
    except redis.exceptions.OutOfMemoryError:
        return
    raise AssertionError("memory is not full")
