"""A busy worker runs one half of its jobs while Redis settles the other (decision 27)."""

import redis

from sidelong import Sidelong
from tests.support import seeding
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.redis_server import Database

SLOTS = 64
JOBS = 20 * SLOTS


async def test_jobs_begin_while_the_answer_to_a_turn_is_held_back(
    proxy: Proxy, redis_server: Database, redis_client: redis.Redis
) -> None:
    app = Sidelong(proxy.url(redis_server.number))
    begun = 0

    @app.job(name="noop")
    async def noop(number: int) -> None:
        nonlocal begun
        begun += 1
        if begun == JOBS // 2:
            proxy.blackhole("replies")

    def settled() -> int:
        return int(redis_client.get("stat:processed") or 0)

    seeding.push(redis_client, *(seeding.payload("noop", number) for number in range(JOBS)))
    async with app, app.worker(concurrency=SLOTS):
        await eventually(lambda: begun >= JOBS // 2, 20)
        # Redis has settled one half, and the worker has not been told; if it settled all, nothing would run until then.
        await eventually(lambda: begun - settled() == SLOTS // 2)
        proxy.heal()
        await eventually(lambda: settled() == JOBS, 20)

    assert begun == JOBS
