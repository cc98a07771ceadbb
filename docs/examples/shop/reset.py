"""`python -m shop.reset`: orders, jobs and the books of the services go, and nothing else."""

import json
import sys

import httpx
import redis

import shop.jobs  # noqa: F401 - brings the jobs into the app
from shop import orders, settings
from shop.app import app


def forget_jobs() -> int:
    """Delete the jobs of the shop from Redis, whatever else is in there, and return how many there were."""
    deleted = 0
    with redis.Redis.from_url(app.config.redis_url, protocol=2) as client:
        for queue in app.registry.queues():
            deleted += int(client.llen(f"queue:{queue}"))
            client.delete(f"queue:{queue}")
        for kept in ("retry", "schedule", "dead"):
            for job in client.zrange(kept, 0, -1):
                if json.loads(job)["class"] in app.registry:
                    deleted += int(client.zrem(kept, job))
    return deleted


def main() -> int:
    """Reset everything; return the exit status."""
    # In this order: a job that runs meanwhile finds no order, and so has nothing to do at the services.
    orders.forget_all()
    print("All orders deleted, and the stock is full again.")
    print(f"{forget_jobs()} jobs deleted.")
    try:
        httpx.post(f"{settings.SERVICES_URL}/reset")
    except httpx.TransportError:
        print("The services do not run, so they have nothing to forget.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
