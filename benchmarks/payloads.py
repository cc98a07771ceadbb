"""Fill queues with jobs that do nothing: the same bytes for every contestant."""

import json
import os
import time
from collections.abc import Sequence

import msgspec
import redis

JOB = "noop"
_AT_ONCE = 1000
_MILLION = """
local number, last = tonumber(ARGV[1]), tonumber(ARGV[2])
while number < last do
  local payload = ARGV[3] .. string.format('%024x', number) .. ARGV[4]
  if ARGV[5] == '' then
    redis.call('LPUSH', KEYS[1], payload)
  else
    redis.call('ZADD', KEYS[1], ARGV[5] + number / 1e6, payload)
  end
  number = number + 1
end
"""


_encode = msgspec.json.Encoder().encode


def new_payload(*args: float) -> bytes:
    """Return what is stored of a job that is enqueued now, as somebody writes it who checks nothing."""
    now = time.time()
    item = {
        "retry": True,
        "queue": "default",
        "class": JOB,
        "args": args,
        "jid": os.urandom(12).hex(),
        "created_at": now,
        "enqueued_at": now,
    }
    return _encode(item)


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


def fill_by_the_million(
    client: redis.Redis, key: str, jobs: int, *, first: int = 0, due_at: float | None = None
) -> None:
    """Let Redis itself write `jobs` payloads: no network is fast enough for that.

    Args:
        client: on the database to fill.
        key: the list of a queue, or a set.
        jobs: how many.
        first: number of the first job, so that its jid is none of another fill.
        due_at: epoch seconds at which the first entry of a set is due; the others follow a microsecond apart.
    """
    before, after = _payload("default", 0, time.time()).split(b"%024x" % 0)
    script = client.register_script(_MILLION)
    for begin in range(first, first + jobs, _AT_ONCE):
        end = min(begin + _AT_ONCE, first + jobs)
        script(keys=[key], args=[begin, end, before, after, "" if due_at is None else due_at])


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
