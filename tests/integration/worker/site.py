"""One store and what a test does to it: an application on it, and a blocking client beside."""

import json
import logging
from typing import Any

import redis

from sidelong import Sidelong
from tests.support import redis_state
from tests.support.eventually import eventually
from tests.support.timings import TEST_TIMINGS


class Site:
    """A store that tests seed and look at, and workers serve.

    Attributes:
        url: what applications are given.
        client: speaks bytes; for seeding and looking.
        is_embedded: True for `memory://`.
    """

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.url = url
        self.client = client
        self.is_embedded = url.startswith("memory://")

    def app(self, **settings: Any) -> Sidelong:
        """Return an application with short intervals; `settings` come last."""
        return Sidelong(self.url, **{**TEST_TIMINGS, "poll_interval": 0.05, **settings})

    def push(self, name: str, *args: Any, queue: str = "default", **fields: Any) -> bytes:
        """Put a payload into a queue as another program would, and return its bytes."""
        raw = payload(name, *args, queue=queue, **fields)
        self.push_raw(raw, queue)
        return raw

    def push_raw(self, raw: bytes, queue: str = "default") -> None:
        """Put any bytes into a queue."""
        self.client.sadd("queues", queue)
        self.client.lpush(f"queue:{queue}", raw)

    def queue(self, name: str = "default") -> list[bytes]:
        """Return the payloads of a queue, the newest first."""
        found: list[bytes] = self.client.lrange(f"queue:{name}", 0, -1)  # type: ignore[assignment]
        return found

    def members(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """Return the payloads of a set with their scores, parsed, the lowest score first."""
        found: Any = self.client.zrange(name, 0, -1, withscores=True)
        return [(json.loads(raw), score) for raw, score in found]

    def only(self, name: str) -> tuple[dict[str, Any], float]:
        """Return the one member of a set and its score."""
        (member,) = self.members(name)
        return member

    def seconds_until(self, score: float) -> float:
        """Return how far a score lies ahead, by the store's clock."""
        seconds, micros = self.client.time()
        return score - seconds - micros / 1e6

    def make_due(self, name: str = "retry") -> None:
        """Let every member of a set be due now."""
        for raw in self.client.zrange(name, 0, -1):
            self.client.zadd(name, {raw: 1.0})

    def counter(self, name: str) -> int:
        """Return a counter such as `stat:processed`; 0 if there is none."""
        return int(self.client.get(name) or 0)

    def state(self) -> redis_state.State:
        """Return all that is stored."""
        return redis_state.dump(self.client)

    def inflight(self) -> list[bytes]:
        """Return the payloads of all private lists."""
        return [
            raw
            for key, raws in redis_state.payloads(self.state()).items()
            if key.startswith("sidelong:inflight:")
            for raw in raws
        ]

    def is_drained(self) -> bool:
        """Tell whether no queue and no private list holds anything."""
        return not any(
            entry.type == "list" and name.startswith(("queue:", "sidelong:inflight:"))
            for name, entry in self.state().items()
        )

    async def drained(self, within: float = 10.0) -> None:
        """Wait until no queue and no private list holds anything."""
        await eventually(self.is_drained, within)

    async def has(self, name: str, count: int = 1, within: float = 5.0) -> None:
        """Wait until a set has that many members."""
        await eventually(lambda: self.client.zcard(name) == count, within)


class Lines(logging.Handler):
    """Collects formatted log lines, as a file would get them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.records.append(record)
        self.lines.append(self.format(record))

    def containing(self, text: str) -> list[str]:
        """Return the lines that contain `text`."""
        return [line for line in self.lines if text in line]


def payload(name: str, *args: Any, queue: str = "default", **fields: Any) -> bytes:
    """Return a payload as Ruby writes it; fields that are None are left out."""
    item = {
        "retry": True,
        "queue": queue,
        "args": list(args),
        "class": name,
        "jid": "a" * 24,
        "created_at": 1795217165.5,
        "enqueued_at": 1795217165.5,
        **fields,
    }
    kept = {key: value for key, value in item.items() if value is not None}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()
