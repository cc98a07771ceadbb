"""Metrics beside Sidekiq 6.4.1, which knows none (wire-format §11)."""

from typing import Any

import pytest
import redis

from sidelong import Sidelong
from sidelong.api import Deploys, Metrics
from tests.interop.ruby import Run
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

PAGES = ["/", "/busy", "/queues", "/queues/default", "/retries", "/scheduled", "/morgue", "/stats"]
GET = "given['paths'].to_h { |path| [path, browse(path).status] }"


async def test_a_ruby_that_knows_no_metrics_is_not_disturbed(app: Sidelong, run: Run, redis_client: redis.Redis):
    @app.job(name="Noted")
    async def noted(*args: Any) -> None: ...

    @app.job(name="Failing")
    async def failing() -> None:
        raise ValueError("from Python")

    async with app:
        await noted.enqueue_many([()] * 20)
        await failing.enqueue()
        async with app.worker():
            await eventually(lambda: redis_client.get("stat:processed") == b"21", 15)
        await Deploys(app).mark("v1")
        report = await Metrics(app).top_jobs()

    assert await run(GET, paths=PAGES) == dict.fromkeys(PAGES, 200)
    stats = await run("s = Sidekiq::Stats.new; [s.processed, s.failed, s.queues.size, s.processes_size]")
    assert stats == [21, 1, 1, 0]
    assert {name: each.total.executed for name, each in report.series.items()} == {"Noted": 20, "Failing": 1}
