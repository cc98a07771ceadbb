"""Put jobs into Redis as any producer would, without the client under test."""

import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

_numbers = itertools.count()


def payload(job: Callable[..., Any] | str, *args: Any, jid: str | None = None, **fields: Any) -> bytes:
    """Return a stored job of `tests.support.jobs`.

    Args:
        job: the function, or a wire name.
        args: its arguments.
        jid: made up if not given.
        fields: more keys of the payload.
    """
    now = time.time()
    item = {
        "class": job if isinstance(job, str) else job.__name__,
        "args": list(args),
        "jid": jid or f"{next(_numbers):024x}",
        "queue": "default",
        "retry": True,
        "created_at": now,
        "enqueued_at": now,
        **fields,
    }
    return json.dumps(item, separators=(",", ":")).encode()


def push(client: redis.Redis, *raws: bytes) -> list[str]:
    """Push payloads, each onto the queue it names; returns their jids."""
    pipe = client.pipeline(transaction=False)
    jids = []
    for raw in raws:
        item = json.loads(raw)
        pipe.sadd("queues", item["queue"])
        pipe.lpush(f"queue:{item['queue']}", raw)
        jids.append(item["jid"])
    pipe.execute()
    return jids


def in_flight(client: redis.Redis, pids: Sequence[int] = ()) -> dict[str, list[bytes]]:
    """Return what the private lists hold, by key; of the given processes, or of all.

    Their names carry the number of the process that owns them.
    """
    found = {}
    for key in client.scan_iter("sidelong:inflight:*", count=1000):
        name = key.decode()
        if not pids or int(name.split(":")[3]) in pids:
            found[name] = client.lrange(key, 0, -1)
    return found


def jids_in_flight(client: redis.Redis, pids: Sequence[int] = ()) -> set[str]:
    """Return the jids in the private lists."""
    return {json.loads(raw)["jid"] for raws in in_flight(client, pids).values() for raw in raws}
