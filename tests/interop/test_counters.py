"""Counters that both sides add to (wire-format §18, D23)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from tests.interop.ruby import Run, StartRuby
from tests.support import seeding
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

FIVE_YEARS = 157_680_000


async def test_successes_and_failures_of_both_sides_add_up(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    successes, failures = 120, 30
    ran_here: list[str] = []

    @app.job(name="Noted")
    async def noted(*args: Any) -> None:
        ran_here.append("success")

    @app.job(name="Failing")
    async def failing(*args: Any) -> None:
        ran_here.append("failure")
        raise ValueError("from Python")

    queues = ["here", "there", "shared"]
    for number in range(successes):
        seeding.push(redis_client, seeding.payload("Noted", queue=queues[number % 3]))
    for number in range(failures):
        seeding.push(redis_client, seeding.payload("Failing", queue=queues[number % 3]))
    day = datetime.now(UTC).date()
    with ruby_worker(queues=["there", "shared"]):
        async with app, app.worker(queues=["here", "shared"]):
            await eventually(lambda: redis_client.get("stat:processed") == b"%d" % (successes + failures), 30)
        await eventually(lambda: redis_client.get("stat:failed") == b"%d" % failures, 10)
    seen = await run(
        """
        days = Sidekiq::Stats::History.new(2, Date.parse(given["day"]))
        stats = Sidekiq::Stats.new
        [stats.processed, stats.failed, stats.retry_size, days.processed.values.sum, days.failed.values.sum]
    """,
        # Midnight may have passed.
        day=(day + timedelta(days=1)).isoformat(),
    )
    keys = [*redis_client.scan_iter("stat:processed:*"), *redis_client.scan_iter("stat:failed:*")]

    assert seen == [successes + failures, failures, failures, successes + failures, failures]
    assert "success" in ran_here
    assert redis_client.llen("ran") == successes - ran_here.count("success") > 0
    for key in keys:
        assert redis_client.ttl(key) == pytest.approx(FIVE_YEARS, abs=60)
