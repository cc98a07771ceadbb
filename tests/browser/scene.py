"""What the pages show in these tests and on the pictures of the docs: a shop on an ordinary day.

It is written as other programs write, without the client and the worker under test. What a page of the table needs
beside it is added here.
"""

import json
import math
import random
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from sidelong.core.durations import BOUNDS_MS, BUCKETS
from sidelong.store import keys
from sidelong.store.metric_names import FIELDS, MINUTE, TEN_MINUTES, stamp, start_of

_DAY = 86_400
_WORKERS = ("shop-1:4122:0f3c2a9b71de", "shop-2:3987:c41e77d20a95", "reports-1:811:5be0d3c7f468")


@dataclass(frozen=True)
class _Kind:
    """A job of the shop: its class and queue, arguments for the nth of them, and what it fails with.

    `bucket` is how long most of them take, as a place in a histogram.
    """

    job_class: str
    queue: str
    arguments: Callable[[int], list[Any]]
    error: tuple[str, str]
    bucket: int


_KINDS = (
    _Kind(
        "shop.jobs.charge_card",
        "billing",
        lambda n: [f"order-{4000 + n}", {"cents": 1290 + 37 * n, "currency": "EUR"}],
        ("CardDeclined", "The bank says no: insufficient funds"),
        9,
    ),
    _Kind(
        "shop.jobs.reserve_stock",
        "default",
        lambda n: [f"sku-{n % 17}", n % 5 + 1],
        ("TimeoutError", "stock.example.com did not answer within 10 s"),
        4,
    ),
    _Kind(
        "shop.jobs.send_receipt",
        "mailers",
        lambda n: [f"order-{4000 + n}"],
        ("smtplib.SMTPServerDisconnected", "Connection unexpectedly closed"),
        6,
    ),
    _Kind(
        "Reports::MonthlyJob",
        "reports",
        lambda n: [2026, n % 12 + 1],
        ("ZeroDivisionError", "divided by 0"),
        17,
    ),
)
_BACKTRACE = [
    "shop/payments.py:88 in charge",
    "shop/jobs.py:41 in charge_card",
    "shop/orders.py:112 in settle",
]


@dataclass
class Scene:
    """What stands in Redis.

    Attributes:
        names: what addresses of pages are made of: `retry`, `dead`, `scheduled` and `queued` name one job each as the
            pages do, `process` a process and `running` what it runs.
        jids: ids of jobs by where they are: `retry`, `dead`, `schedule`, and by the name of a queue.
    """

    names: dict[str, str] = field(default_factory=dict)
    jids: dict[str, list[str]] = field(default_factory=dict)


def build(client: redis.Redis) -> Scene:
    """Write everything into an empty database."""
    scene, now = Scene(), math.floor(time.time())
    _Writer(client, scene, now).write()
    return scene


class _Writer:
    """Writes a scene; the same one each time, but for the time it is now."""

    def __init__(self, client: redis.Redis, scene: Scene, now: int) -> None:
        self._client = client
        self._scene = scene
        self._now = now
        self._chance = random.Random(7)
        self._count = 0

    def write(self) -> None:
        self._write_queues()
        self._write_sets()
        self._write_processes()
        self._write_counters()
        self._write_metrics()

    def _write_queues(self) -> None:
        sizes = {"default": 34, "mailers": 12, "billing": 3, "reports": 6, "critical": 0}
        self._client.sadd("queues", *sizes)
        self._client.sadd("paused", "reports")
        for name, size in sizes.items():
            for place in range(size):
                item = self._job(
                    _kind(place, name), queue=name, age=240 - 6 * place, tags=["vip"] if place % 5 == 0 else []
                )
                self._client.lpush(f"queue:{name}", _written(item))
                self._scene.jids.setdefault(name, []).append(item["jid"])
        self._scene.names["queued"] = self._scene.jids["default"][-1]

    def _write_sets(self) -> None:
        self._fill("retry", [self._failed(place) for place in range(31)], lambda place: self._now + 40 + 190 * place)
        self._fill(
            "schedule",
            [self._job(_kind(place), age=3_600) for place in range(28)],
            lambda place: self._now + 900 + 1_800 * place,
        )
        dead = [self._failed(place, retry_count=25) for place in range(11)]
        self._fill("dead", dead, lambda place: self._now - 700 - 9_000 * place)
        self._client.zadd("dead", {b'{"class":"shop.jobs.charge_card","args":["order-17"': self._now - 90_000.5})

    def _fill(self, name: str, items: Sequence[Mapping[str, Any]], at: Any) -> None:
        scores = [at(place) + 0.25 for place in range(len(items))]
        self._client.zadd(name, {_written(item): score for item, score in zip(items, scores, strict=True)})
        self._scene.jids[name] = [item["jid"] for item in items]
        self._scene.names[{"schedule": "scheduled"}.get(name, name)] = f"{scores[0]}-{items[0]['jid']}"

    def _write_processes(self) -> None:
        queues = (["billing", "default", "mailers"], ["billing", "default", "mailers"], ["reports"])
        for place, identity in enumerate(_WORKERS):
            host, pid, _ = identity.split(":")
            info = {
                "hostname": host,
                "pid": int(pid),
                "tag": "shop",
                "labels": ["blue"] if place == 0 else [],
                "queues": queues[place],
                "concurrency": 20,
                "identity": identity,
                "version": "Sidelong 0.1.0" if place < 2 else "6.4.1",
                "started_at": self._now - 7_300.5 * (place + 1),
            }
            busy = (4, 2, 1)[place]
            fields = {"busy": busy, "beat": self._now, "quiet": "false", "rss": 61_000 + 9_000 * place, "rtt_us": 240}
            ours = {"lag_ms": 3 + place, "processed": 18_204, "failed": 31} if place < 2 else {}
            self._client.hset(identity, mapping={"info": json.dumps(info), "concurrency": 20, **fields, **ours})
            work = {str(tid): json.dumps(self._work(queues[place][tid % len(queues[place])])) for tid in range(busy)}
            self._client.hset(f"{identity}:work", mapping=work)
            self._scene.names["running"] = json.loads(json.loads(work["0"])["payload"])["jid"]
            self._client.expire(identity, 60)
            self._client.expire(f"{identity}:work", 60)
        self._client.sadd("processes", *_WORKERS)
        self._client.set("dear-leader", _WORKERS[0], ex=20)
        self._scene.names["process"] = _WORKERS[0]

    def _work(self, queue: str) -> dict[str, Any]:
        item = self._job(_kind(0, queue), queue=queue, age=90)
        return {"queue": queue, "run_at": self._now - self._chance.randrange(1, 80), "payload": _written(item).decode()}

    def _write_counters(self) -> None:
        today = datetime.now(UTC).date()
        with self._client.pipeline(transaction=False) as pipe:
            for ago in range(180):
                day = today - timedelta(days=ago)
                # Fewer orders at the weekend, more of them as time goes by.
                base = 42_000 - 110 * ago
                count = round(base * (0.55 if day.weekday() > 4 else 1) * self._chance.uniform(0.85, 1.1))
                pipe.set(f"stat:processed:{day}", count, ex=157_680_000)
                pipe.set(f"stat:failed:{day}", round(count * self._chance.uniform(0.01, 0.05)), ex=157_680_000)
            pipe.set("stat:processed", 9_481_205).set("stat:failed", 171_340)
            pipe.execute()

    def _write_metrics(self) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for ago in range(480):
                at = datetime.fromtimestamp(self._now, UTC) - timedelta(minutes=ago)
                for kind in _KINDS:
                    self._write_minute(pipe, kind, at)
            deployed = start_of(datetime.fromtimestamp(self._now, UTC) - timedelta(minutes=25), MINUTE)
            pipe.hset(keys.deploys(deployed), f"{deployed:%Y-%m-%dT%H:%M:%SZ}", "5be0d3c Charge in two steps")
            pipe.expire(keys.deploys(deployed), keys.DEPLOYS_TTL)
            pipe.execute()

    def _write_minute(self, pipe: Any, kind: _Kind, at: datetime) -> None:
        executed = self._chance.randrange(4, 60)
        failed = executed // 11
        # Most in one place, fewer on both sides.
        buckets = [
            min(BUCKETS - 1, max(0, round(self._chance.gauss(kind.bucket, 2)))) for _ in range(executed - failed)
        ]
        figures = {
            "executed": executed,
            "failed": failed,
            "retried": failed,
            "milliseconds": sum(BOUNDS_MS[min(bucket, BUCKETS - 2)] for bucket in buckets),
            "waits": executed,
            "waited_ms": executed * self._chance.randrange(20, 90),
        }
        minute = stamp(at, MINUTE)
        for step, life in (
            (minute, keys.MINUTES_TTL),
            (stamp(start_of(at, TEN_MINUTES), TEN_MINUTES), keys.TEN_MINUTES_TTL),
        ):
            for name, count in figures.items():
                pipe.hincrby(keys.job_metrics(step), f"{kind.job_class}|{FIELDS[name]}", count)
            pipe.expire(keys.job_metrics(step), life)
        counters = struct.pack(f">{BUCKETS}I", *map(buckets.count, range(BUCKETS)))
        pipe.set(keys.histogram(kind.job_class, minute), counters, ex=keys.MINUTES_TTL)

    def _failed(self, place: int, retry_count: int | None = None) -> dict[str, Any]:
        count = place % 4 if retry_count is None else retry_count
        kind = _KINDS[place % len(_KINDS)]
        error_class, message = kind.error
        failed_at = self._now - 6_000 - 50 * place + 0.5
        item = self._job(kind, age=7_000)
        item |= {"error_class": error_class, "error_message": message, "failed_at": failed_at, "retry_count": count}
        if count:
            item["retried_at"] = self._now - 300.5 - place
        if kind is _KINDS[0]:
            item["error_backtrace"] = _BACKTRACE
        return item

    def _job(self, kind: _Kind, *, age: float, queue: str = "", tags: Sequence[str] = ()) -> dict[str, Any]:
        self._count += 1
        created_at = self._now - age + 0.5
        return {
            "retry": True,
            "queue": queue or kind.queue,
            "class": kind.job_class,
            "args": kind.arguments(self._count),
            "jid": f"{self._chance.getrandbits(96):024x}",
            "created_at": created_at,
            "enqueued_at": created_at,
            **({"tags": list(tags)} if tags else {}),
        }


def _kind(place: int, queue: str = "") -> _Kind:
    """Return one of the kinds that go to a queue, or of all where there is none."""
    chosen = [kind for kind in _KINDS if queue in ("", kind.queue)] or _KINDS
    return chosen[place % len(chosen)]


def _written(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()
