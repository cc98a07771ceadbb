"""Jobs for later, promoted and moved by the other side (wire-format §18, B8 and B12).

That Python reschedules what Ruby has scheduled is in `test_sets.py`.
"""

import asyncio
import json
import math
import random
import struct
from typing import Any

import pytest
import redis

from sidelong import Sidelong
from tests.interop.ruby import Run, StartRuby, ran_in_ruby
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

AWKWARD = [
    0.00001,
    1e16,
    1.2e17,
    1e15,
    123456789.123456789,
    -0.0,
    1e-7,
    -0.0001,
    9.99e-5,
    0.1 + 0.2,
    5e-324,
    1.7976931348623157e308,
    999999999999999.9,
    2**53 + 2.0,
    -1.0,
    2**64,
    -(10**40),
    'é 日本 😀 \u2028 \u007f \u0000 \\ " / </script> & \t',
    "",
    None,
    False,
    [],
    {},
]


async def test_ruby_promotes_and_runs_what_is_scheduled_here(
    ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    @app.job(name="Noted")
    async def noted(number: int) -> None:
        raise AssertionError("not here")

    with ruby_worker():
        async with app:
            ref = await noted.enqueue_in(0.7, 1)
        ((scheduled, score),) = redis_client.zrange("schedule", 0, -1, withscores=True)
        await eventually(lambda: redis_client.llen("ran") == 1, 30)

    (job,) = ran_in_ruby(redis_client)
    assert ref is not None
    assert job["jid"] == ref.jid
    assert not {"at", "enqueued_at"} & json.loads(scheduled).keys()
    assert "at" not in job
    assert job["enqueued_at"] >= score


async def test_what_ruby_schedules_is_promoted_and_run_here(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    ran: list[dict[str, Any]] = []
    all_ran = asyncio.Event()

    @app.job(name="Noted")
    async def noted(number: int) -> None:
        all_ran.set()

    @app.server_middleware
    async def keep(job: dict[str, Any], call_next: Any) -> Any:
        ran.append(job)
        return await call_next()

    async with app, app.worker():
        jid = await run('Sidekiq::Client.push("class" => "Noted", "args" => [1], "at" => Time.now.to_f + 0.5)')
        ((_, score),) = redis_client.zrange("schedule", 0, -1, withscores=True)
        await asyncio.wait_for(all_ran.wait(), 10)

    (job,) = ran
    assert job["jid"] == jid
    assert "at" not in job
    assert job["enqueued_at"] >= score
    assert redis_client.zcard("schedule") == 0


@pytest.mark.parametrize("value", [*AWKWARD, AWKWARD, {"a": {"é": AWKWARD, "b": [[{"c": [1e-7]}]]}}], ids=repr)
async def test_ruby_reschedules_without_leaving_a_second_entry(
    value: Any, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    due = float(redis_client.time()[0] + 1000)
    async with app:
        await app.client.push({"class": "Noted", "args": [value, [value]], "at": due + 0.25})
    (before,) = redis_client.zrange("schedule", 0, -1)
    await run("Sidekiq::ScheduledSet.new.first.reschedule(given['at'])", at=due + 400)

    # Other bytes would be another member, due at once, beside the old one.
    assert redis_client.zrange("schedule", 0, -1, withscores=True) == [(before, due + 400)]


async def test_ruby_would_write_every_float_with_the_same_bytes(
    run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    draw = random.Random(6)
    powers = [
        float(f"{digits}e{exponent}") for digits in ("1", "-1.5", "9.999999999999999") for exponent in range(-40, 40)
    ]
    near = [math.nextafter(each, towards) for each in powers for towards in (0.0, math.inf)]
    anything = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(2000)]
    floats = [each for each in (*powers, *near, *anything) if math.isfinite(each)]
    async with app:
        await app.client.push_bulk({"class": "Noted", "args": [[each] for each in floats]})
    changed = await run("""
        raws = Sidekiq.redis { |redis| redis.lrange("queue:default", 0, -1) }
        raws.reject { |raw| JSON.generate(JSON.parse(raw)) == raw }
    """)

    assert changed == []
