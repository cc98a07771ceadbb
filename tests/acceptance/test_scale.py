"""A backlog of a million jobs in a queue and a million in the schedule costs no more per job than a short one.

`python -m benchmarks scale` drains all of it, which takes a minute.
"""

import json
import statistics
from collections import defaultdict
from pathlib import Path

import pytest
from benchmarks import scale

from tests.acceptance.test_benchmarks import run_benchmarks
from tests.support.eventually import eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import RedisServer
from tests.support.server_required import require_server

JOBS = 2_000_000
SAMPLE = 150_000
WARM_UP = 20_000
LONG_US = 10_000


def often_noted(calls: list[scale.Call]) -> dict[bytes, list[int]]:
    """Return how long the calls of each script took, of those that were noted more than a few times."""
    found: defaultdict[bytes, list[int]] = defaultdict(list)
    for call in calls:
        if call.script is not None:
            found[call.script].append(call.microseconds)
    return {script: durations for script, durations in found.items() if len(durations) >= 10}


@pytest.mark.slow
def test_a_worker_begins_on_two_million_jobs_in_bounded_memory_and_bounded_steps(
    own_redis: RedisServer, ledger: Ledger
) -> None:
    options = WorkerOptions(
        redis=own_redis.url,
        ledger=ledger,
        target="tests.support.scale_app:app",
        concurrency=100,
        overrides={"job_logging": False},
    )
    memory: list[tuple[int, float]] = []

    with own_redis.client() as client:
        scale.load(client, {"jobs": JOBS})
        with WorkerProcess(options) as worker:

            def has_done_the_sample() -> bool:
                processed = int(client.get("stat:processed") or 0)
                memory.append((processed, scale.resident_mb(worker.pid)))
                return processed >= SAMPLE

            eventually_sync(has_done_the_sample, 60)
            status = worker.stop(within=10)
        calls = scale.noted_calls(client)
        processed, failed = (int(client.get(f"stat:{kind}") or 0) for kind in ("processed", "failed"))
        queued, scheduled = client.llen("queue:default"), client.zcard("schedule")
        in_flight = client.keys("sidelong:inflight:*")

    moved = [call.moved for call in calls if call.moved is not None]
    warm = [megabytes for done, megabytes in memory if done >= WARM_UP]
    typical = {script: statistics.median(durations) for script, durations in often_noted(calls).items()}
    longest = max(call.microseconds for call in calls) / 1000
    print(f"{processed:,} jobs run, {JOBS // 2 - scheduled:,} promoted by {len(moved)} calls or more of {max(moved)}")
    print(f"memory: {memory[0][1]:.1f} MB at the start, {warm[0]:.1f} MB warm, {max(warm):.1f} MB at most")
    print(
        f"longest call {longest:.1f} ms; of the noted ones at most {max(typical.values()) / 1000:.1f} ms in the median"
    )
    assert status == 0
    assert (processed + queued + scheduled, failed, in_flight) == (JOBS, 0, [])
    assert max(moved) == 100
    assert scheduled < JOBS / 2 - 1000
    # The backlog is about 400 MB; a list of its jids alone would be 70 MB.
    assert max(warm) - warm[0] < 4
    # A busy machine holds Redis up now and then; a call that grows with the backlog would be long each time.
    assert max(typical.values()) < LONG_US


def test_the_benchmark_of_the_whole_backlog_tells_memory_steps_and_the_longest_call(tmp_path: Path) -> None:
    require_server()
    figures = tmp_path / "figures.json"

    done = run_benchmarks("scale", "--quick", "--json", str(figures))

    assert done.returncode == 0, done.stderr
    (result,) = json.loads(figures.read_text())["results"]
    measured = result["medians"]["sidelong"]
    assert measured["most moved by one"] == 100
    assert measured["promotions noted"] > 0
    assert measured["MB after 10 %"] > 0
    assert measured["µs longest call"] > 0
