"""Failures, retries and the dead set, half on one side and half on the other (wire-format §18, B9 to B16).

That Python finds, deletes, kills and retries what Ruby has stored is in `test_sets`.
"""

import json
from typing import Any

import pytest
import redis

from sidelong import Kill, Sidelong, current_context
from sidelong.api import DeadSet
from tests.interop.ruby import Run, StartRuby, ran_in_ruby
from tests.support import seeding
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

HALF_A_YEAR = 15_552_000


def make_due(client: redis.Redis) -> None:
    """Let all retries be due now."""
    client.zadd("retry", dict.fromkeys(client.zrange("retry", 0, -1), 1.0))


def waiting(client: redis.Redis) -> int:
    """Return how many retries are not due."""
    return int(client.zcount("retry", 100, "+inf"))


def only_member(client: redis.Redis, key: str) -> dict[str, Any]:
    """Return the one payload that a set holds."""
    (raw,) = client.zrange(key, 0, -1)
    item: dict[str, Any] = json.loads(raw)
    return item


async def test_a_job_fails_here_then_in_ruby_and_then_its_third_attempt_is_here(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    attempts: list[int] = []

    @app.job(name="Failing", backtrace=5)
    async def failing(*args: Any) -> None:
        attempts.append(current_context().attempt)
        if len(attempts) == 1:
            raise ValueError("from Python é")

    async with app:
        async with app.worker():
            ref = await failing.enqueue("from Ruby é", 7)
            await eventually(lambda: redis_client.zcard("retry") == 1)
        shown = await run("""
            entry = Sidekiq::RetrySet.new.first
            entry.item.merge("wait" => entry.at - Time.now, "lines" => entry.error_backtrace, "jid" => entry.jid)
        """)
        with ruby_worker():
            make_due(redis_client)
            # Killed a moment after, it would take its count along.
            await eventually(lambda: redis_client.get("stat:failed") == b"2", 30)
        failed_twice = only_member(redis_client, "retry")
        make_due(redis_client)
        async with app.worker():
            await eventually(lambda: len(attempts) == 2)
            await eventually(lambda: redis_client.get("stat:processed") == b"3", 10)

    assert ref is not None
    assert shown["jid"] == ref.jid
    assert [shown[key] for key in ("error_class", "error_message", "retry_count")] == ["ValueError", "from Python é", 0]
    assert 14 < shown["wait"] < 25
    assert shown["lines"][0].endswith(":in failing")
    assert "retried_at" not in shown
    assert (failed_twice["retry_count"], failed_twice["error_message"]) == (1, "from Ruby é")
    assert failed_twice["failed_at"] == shown["failed_at"] < failed_twice["retried_at"]
    assert attempts == [1, 3]
    assert redis_client.get("stat:failed") == b"2"


async def test_a_job_fails_in_ruby_then_here_and_then_its_third_attempt_is_in_ruby(
    ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    attempts: list[int] = []

    @app.job(name="Failing", retry_in=lambda *_: 5000)
    async def failing(*args: Any) -> None:
        attempts.append(current_context().attempt)
        raise ValueError("from Python")

    with ruby_worker():
        async with app:
            await app.enqueue("Failing", "from Ruby", retry=2, backtrace=3)
        await eventually(lambda: redis_client.zcard("retry") == 1, 30)
    first = only_member(redis_client, "retry")
    make_due(redis_client)
    async with app, app.worker():
        await eventually(lambda: waiting(redis_client) == 1)
    second = only_member(redis_client, "retry")
    make_due(redis_client)
    with ruby_worker():
        await eventually(lambda: redis_client.zcard("dead") == 1, 30)
    third = only_member(redis_client, "dead")

    assert [each["error_class"] for each in (first, second, third)] == ["ArgumentError", "ValueError", "ArgumentError"]
    assert [each["retry_count"] for each in (first, second, third)] == [0, 1, 2]
    assert attempts == [2]
    assert first["failed_at"] == second["failed_at"] == third["failed_at"]
    assert "retried_at" not in first
    assert second["retried_at"] < third["retried_at"]
    assert list(second)[: len(first)] == list(first)


CASES: dict[str, dict[str, Any]] = {
    "retry 0": {"retry": 0},
    "retry false": {"retry": False},
    "retries left": {"retry": 2, "retry_count": 0, "failed_at": 1.5},
    "no retries left": {"retry": 1, "retry_count": 0, "failed_at": 1.5},
    "not to the dead set": {"retry": 0, "dead": False},
    "retry queue": {"retry_queue": "slow"},
    "backtrace of 5": {"backtrace": 5},
    "backtrace of 1": {"backtrace": 1},
    "manual retry": {"retry_count": -1, "failed_at": 1.5},
}
ENDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "retry 0": ("dead", {"retry_count": 0}),
    "retry false": ("nowhere", {}),
    "retries left": ("retry", {"retry_count": 1, "retried_at": float, "failed_at": 1.5}),
    "no retries left": ("dead", {"retry_count": 1, "retried_at": float, "failed_at": 1.5}),
    "not to the dead set": ("nowhere", {}),
    "retry queue": ("retry", {"queue": "slow", "retry_count": 0, "retried_at": None, "failed_at": float}),
    "backtrace of 5": ("retry", {"queue": "default", "lines": 5}),
    "backtrace of 1": ("retry", {"lines": 1}),
    "manual retry": ("retry", {"retry_count": 0, "retried_at": float, "failed_at": 1.5}),
}


async def endings(run: Run) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return where the jobs of `CASES` have ended, and those of their fields that `ENDINGS` names."""
    stored = await run("""
        [Sidekiq::RetrySet.new, Sidekiq::DeadSet.new].to_h do |set|
          [set.name, set.map { |entry| entry.item.merge("lines" => entry.error_backtrace&.size) }]
        end
    """)
    found: dict[str, tuple[str, dict[str, Any]]] = dict.fromkeys(CASES, ("nowhere", {}))
    for place, items in stored.items():
        for item in items:
            case = item["args"][1]
            values = {key: item.get(key) for key in ENDINGS[case][1]}
            exact = {
                key: float if key.endswith("_at") and value and value > 1e9 else value for key, value in values.items()
            }
            found[case] = (place, exact)
    return found


async def test_options_of_a_failing_job_mean_the_same_on_both_sides(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        raise ValueError("from Python")

    @app.job(name="Failing")
    async def failing(message: str, case: str) -> None:
        fail(6)

    def push() -> None:
        seeding.push(redis_client, *[seeding.payload("Failing", "x", case, **fields) for case, fields in CASES.items()])

    push()
    async with app, app.worker():
        await eventually(lambda: redis_client.get("stat:failed") == b"%d" % len(CASES), 10)
    here = await endings(run)
    redis_client.flushdb()
    push()
    with ruby_worker():
        await eventually(lambda: redis_client.get("stat:failed") == b"%d" % len(CASES), 30)
    there = await endings(run)

    assert here == ENDINGS
    assert there == ENDINGS


async def test_ruby_brings_back_what_is_dead_here(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    attempts: list[Any] = []

    @app.job(name="Noted", retry=0)
    async def noted() -> None:
        attempts.append(current_context().item.get("retry_count"))
        if len(attempts) == 1:
            raise ValueError("dies")

    async with app, app.worker():
        ref = await noted.enqueue()
        await eventually(lambda: redis_client.zcard("dead") == 1)
        dead = await run("Sidekiq::DeadSet.new.map { |entry| [entry.jid, entry.item['retry_count']] }")
        await run("Sidekiq::DeadSet.new.each(&:retry)")
        await eventually(lambda: redis_client.get("stat:processed") == b"2")

    assert ref is not None
    assert dead == [[ref.jid, 0]]
    assert attempts == [None, -1]
    assert redis_client.zcard("dead") == 0


async def fail_some(app: Sidelong, client: redis.Redis, count: int) -> list[str]:
    """Let jobs fail here, all with the same score in `retry`, and return their jids."""

    @app.job(name="Noted", backtrace=True)
    async def noted(word: str) -> None:
        raise ValueError(f"from Python {word}")

    async with app, app.worker():
        jids = [str(await noted.enqueue(f"é{number}")) for number in range(count)]
        await eventually(lambda: client.zcard("retry") == count)
    client.zadd("retry", dict.fromkeys(client.zrange("retry", 0, -1), 4_000_000_000.123456))
    return jids


async def test_ruby_finds_fetches_and_scans_retries_of_here(run: Run, app: Sidelong, redis_client: redis.Redis) -> None:
    jids = await fail_some(app, redis_client, 3)
    found = await run(
        """
        set = Sidekiq::RetrySet.new
        score = set.first.score
        {
          "found" => set.find_job(given["jid"]).jid,
          "fetched" => set.fetch(score, given["jid"]).map(&:jid),
          "at the score" => set.fetch(score).map(&:jid).sort,
          "scanned" => set.scan("é").map(&:jid).sort,
          "scanned for one" => set.scan("from Python é1").map(&:jid),
          "missing" => [set.find_job("0" * 24), set.fetch(score, "0" * 24)],
        }
        """,
        jid=jids[1],
    )

    assert found == {
        "found": jids[1],
        "fetched": [jids[1]],
        "at the score": sorted(jids),
        "scanned": sorted(jids),
        "scanned for one": [jids[1]],
        "missing": [None, []],
    }


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ("entry.retry", "queue:default"),
        ("entry.add_to_queue", "queue:default"),
        ("entry.kill", "dead"),
        ("entry.delete", None),
        ("set.delete(entry.score, entry.jid)", None),
    ],
)
async def test_ruby_moves_one_of_several_retries_with_the_same_score(
    action: str, place: str | None, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    first, second, third = await fail_some(app, redis_client, 3)
    left = await run(
        f"""
        set = Sidekiq::RetrySet.new
        entry, = set.fetch(set.first.score, given["jid"])
        {action}
        Sidekiq::RetrySet.new.map(&:jid)
        """,
        jid=second,
    )
    kinds = {"queue:default": redis_client.lrange, "dead": redis_client.zrange}
    moved = [json.loads(raw)["jid"] for raw in kinds[place](place, 0, -1)] if place else []

    assert sorted(left) == sorted([first, third])
    assert moved == ([second] if place else [])


async def test_ruby_retries_all_that_failed_here(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    jids = await fail_some(app, redis_client, 3)
    await run("Sidekiq::RetrySet.new.retry_all")
    with ruby_worker():
        await eventually(lambda: redis_client.llen("ran") == 3, 30)

    assert sorted(job["jid"] for job in ran_in_ruby(redis_client)) == sorted(jids)
    assert {job["retry_count"] for job in ran_in_ruby(redis_client)} == {-1}
    assert redis_client.zcard("retry") == 0


async def test_long_messages_with_bytes_that_are_no_text_are_cut_and_readable_on_both_sides(
    ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    attempts: list[str] = []

    @app.job(name="Failing", retry_in=lambda *_: 5000)
    async def failing(where: str) -> None:
        attempts.append(str(current_context().item.get("error_message")))
        # What Python makes of the byte 0xff in file names and the like.
        raise ValueError("é\udcff" * 10_000)

    read = "Sidekiq::RetrySet.new.map { |entry| [entry.item['error_message'].size, entry.item['error_message'][0]] }"
    async with app:
        with ruby_worker():
            await app.enqueue("Failing", "long")
            await eventually(lambda: redis_client.zcard("retry") == 1, 30)
        (there,) = await run(read)
        make_due(redis_client)
        async with app.worker():
            await eventually(lambda: waiting(redis_client) == 1)
        (here,) = await run(read)

    assert there == here == [10_000, "é"]
    assert [len(message) for message in attempts] == [10_000]
    only_member(redis_client, "retry")["error_message"].encode()


@pytest.mark.parametrize("raw", ["no json", "[1", '{"class":"Noted","args":[NaN]}', '{"a":"\\ud800"}'])
@pytest.mark.parametrize("side", ["here", "there"])
async def test_what_is_not_json_goes_to_the_dead_set_as_it_is(
    side: str, raw: str, ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    redis_client.lpush("queue:default", raw)
    if side == "here":
        async with app, app.worker(queues=["default"]):
            await eventually(lambda: redis_client.zcard("dead") == 1)
    else:
        with ruby_worker():
            await eventually(lambda: redis_client.zcard("dead") == 1, 30)
    listed = await run("Sidekiq::DeadSet.new.map(&:value)")
    async with app:
        entries = [entry async for entry in DeadSet(app)]

    assert listed == [raw]
    assert [(entry.value.decode(), entry.item, bool(entry.fault)) for entry in entries] == [(raw, None, True)]
    assert redis_client.llen("queue:default") == 0


async def test_both_sides_keep_one_dead_job_less_than_the_limit(
    ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    limited = Sidelong(app.config.redis_url, dead_max_jobs=3)

    @limited.job(name="Failing")
    async def failing(*args: Any) -> None:
        raise Kill("hopeless")

    def push() -> list[str]:
        redis_client.zadd("dead", {"long ago": redis_client.time()[0] - HALF_A_YEAR - 10})
        return seeding.push(redis_client, *[seeding.payload("Failing", "x", retry=0) for _ in range(3)])

    def dead() -> list[str]:
        return [json.loads(raw)["jid"] for raw in redis_client.zrange("dead", 0, -1)]

    pushed_here = push()
    async with limited, limited.worker(concurrency=1):
        await eventually(lambda: redis_client.get("stat:processed") == b"3", 15)
    here = dead()
    redis_client.flushdb()
    pushed_there = push()
    with ruby_worker(concurrency=1, dead_max_jobs=3):
        await eventually(lambda: redis_client.get("stat:processed") == b"3", 30)
    there = dead()

    assert here == pushed_here[1:]
    assert there == pushed_there[1:]


@pytest.mark.parametrize("side", ["here", "there"])
async def test_dead_jobs_older_than_half_a_year_go_when_another_dies(
    side: str, ruby_worker: StartRuby, app: Sidelong, redis_client: redis.Redis
) -> None:
    @app.job(name="Failing")
    async def failing(*args: Any) -> None:
        raise ValueError("dies")

    now = redis_client.time()[0]
    redis_client.zadd("dead", {"too old": now - HALF_A_YEAR - 10, "old": now - HALF_A_YEAR + 1000})
    seeding.push(redis_client, new := seeding.payload("Failing", "x", retry=0))
    if side == "here":
        async with app, app.worker():
            await eventually(lambda: redis_client.get("stat:processed") == b"1")
    else:
        with ruby_worker():
            await eventually(lambda: redis_client.get("stat:processed") == b"1", 30)

    old, died = redis_client.zrange("dead", 0, -1)
    assert old == b"old"
    assert json.loads(died)["jid"] == json.loads(new)["jid"]
