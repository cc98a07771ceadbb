"""Thousands of hostile payloads in a queue and in sets, and a worker that is stopped: each is kept or ends once."""

import pytest
import redis

from tests.integration.hostile_payloads.bench import SENTINEL, WITHIN, Bench, add, push
from tests.integration.hostile_payloads.ends import Given
from tests.integration.hostile_payloads.expectations import (
    DEFAULT,
    from_queue,
    from_set,
    from_set_with_middleware,
    from_stopped_worker,
)
from tests.integration.hostile_payloads.figures import Figures, batches
from tests.support.eventually import eventually
from tests.support.redis_server import Database

pytestmark = [pytest.mark.timeout(3600)]


async def test_in_a_queue(hostile: list[bytes], redis_server: Database, redis_client: redis.Redis) -> None:
    figures = Figures("in a queue")
    for raws in batches(hostile):
        given = Given(raws, from_queue)
        bench = Bench(redis_server.url, redis_client)
        push(redis_client, "queue:default", [*raws, SENTINEL])

        async with bench.working():
            figures.add(await bench.finish(given))
    figures.print()


@pytest.mark.parametrize("name", ["schedule", "retry"])
async def test_due_in_a_set(hostile: list[bytes], redis_server: Database, redis_client: redis.Redis, name: str) -> None:
    figures = Figures(f"due in {name}")
    for raws in batches(hostile):
        given = Given(raws, from_set)
        bench = Bench(redis_server.url, redis_client)
        add(redis_client, name, [*raws, SENTINEL])

        async with bench.working():
            figures.add(await bench.finish(given))
    figures.print()


async def test_due_while_client_middleware_fails_stops_and_spoils(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    figures = Figures("due while middleware meddles")
    for raws in batches(hostile):
        given = Given(raws, from_set_with_middleware)
        bench = Bench(redis_server.url, redis_client)
        bench.meddle()
        add(redis_client, "schedule", [*raws, SENTINEL])

        async with bench.working():
            counts = await bench.finish(given)

        # Put off as they were: middleware was given a copy.
        assert set(bench.ends.sets.get("schedule", ())) <= set(raws)
        figures.add(counts)
    figures.print()


async def test_handed_back_by_a_worker_that_stops(
    hostile: list[bytes], redis_server: Database, redis_client: redis.Redis
) -> None:
    figures = Figures("in a worker that stops")
    for raws in batches(hostile, 1000):
        given = Given(raws, from_stopped_worker)
        bench = Bench(redis_server.url, redis_client)
        bench.gate.clear()
        push(redis_client, "queue:default", [*raws, SENTINEL])

        async with bench.working(concurrency=len(raws) + 1, timeout=0, cancel_grace=5.0):
            await eventually(bench.sentinel_ran.is_set, WITHIN)
        counts = bench.account(given)

        changed = set(bench.ends.sets.get(DEFAULT, ())) - set(raws)
        assert all(given.has_made_jid(raw) for raw in changed)
        figures.add(counts)
    figures.print()
