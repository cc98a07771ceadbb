"""Fill queues with jobs that do nothing: the same bytes for every contestant."""

import json
import time
from collections.abc import Sequence

import redis

JOB = "noop"
_AT_ONCE = 1000


def fill(client: redis.Redis, queues: Sequence[str], jobs: int) -> None:
    """Push `jobs` payloads, each to the next of `queues`, which may name a queue more than once."""
    now = time.time()
    for first in range(0, jobs, _AT_ONCE):
        waiting: dict[str, list[bytes]] = {name: [] for name in queues}
        for number in range(first, min(first + _AT_ONCE, jobs)):
            name = queues[number % len(queues)]
            waiting[name].append(_payload(name, number, now))
        for name, payloads in waiting.items():
            if payloads:
                client.lpush(f"queue:{name}", *payloads)


def _payload(queue: str, number: int, now: float) -> bytes:
    item = {
        "retry": True,
        "queue": queue,
        "class": JOB,
        "args": [number],
        "jid": f"{number:024x}",
        "created_at": now,
        "enqueued_at": now,
    }
    return json.dumps(item, separators=(",", ":")).encode()
