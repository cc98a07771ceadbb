"""`python -m shop.check`: for cron; says what is wrong with the workers, and then ends with status 1."""

import json
import sys
import time

import redis

import shop.jobs  # noqa: F401 - brings the jobs into the app
from shop.app import app

OLDEST = 300.0
"""Seconds after which a job that still waits in a queue is a reason to look."""
FRESH = 30.0
"""Seconds since the last heartbeat up to which a worker counts as alive."""


def complaint(oldest: float = OLDEST) -> str:
    """Return a sentence about the first thing that is wrong, or an empty string.

    It reads what Sidekiq's own pages read: https://github.com/sidekiq/sidekiq has the keys.
    """
    try:
        with redis.Redis.from_url(app.config.redis_url, socket_timeout=2, protocol=2) as client:
            served = _served_queues(client)
            for queue in app.registry.queues():
                if queue not in served:
                    return f"No living worker serves the queue {queue}."
                if (age := _age(client, queue)) > oldest:
                    return f"The oldest job of the queue {queue} has waited for {age:.0f} s."
    except redis.RedisError as error:
        return f"Redis does not answer: {error}"
    return ""


def _served_queues(client: redis.Redis) -> set[str]:
    served: set[str] = set()
    for identity in client.smembers("processes"):
        info, beat, quiet = client.hmget(identity, "info", "beat", "quiet")
        if info and beat and quiet == b"false" and time.time() - float(beat) < FRESH:
            served.update(json.loads(info)["queues"])
    return served


def _age(client: redis.Redis, queue: str) -> float:
    # The next job to be fetched is the one that waits longest.
    raw = client.lindex(f"queue:{queue}", -1)
    return time.time() - json.loads(raw)["enqueued_at"] if raw else 0.0


def main() -> int:
    """Say what is wrong; return the exit status."""
    if found := complaint(*map(float, sys.argv[1:2])):
        print(found, file=sys.stderr)
        return 1
    print("All queues are served.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
