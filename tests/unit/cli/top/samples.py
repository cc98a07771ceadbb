"""Snapshots as Redis could have given them."""

import json

from sidelong import Sidelong
from sidelong.api import Entry, Figures, JobRecord, Process, QueueSummary, Work
from sidelong.cli.top.snapshot import Listed, Snapshot

NOW = 1_800_000_000.0
APP = Sidelong("redis://127.0.0.1:1/0")


def queue(name, size=3, *, is_paused=False, error=None):
    return QueueSummary(name, size, 12.5 if size else 0.0, is_paused, error)


def process(identity, *, queues=("default",), **fields):
    info = {"queues": list(queues), "started_at": NOW - 60, "concurrency": 10}
    stored = {"busy": 2, "beat": NOW - 3, "quiet": "false", "rss": 51200, "lag_ms": 7, **fields}
    raw = {name: str(value).encode() for name, value in stored.items()}
    return Process(APP, identity, {"info": json.dumps(info).encode(), **raw})


def payload(jid, name="shop.jobs.charge", *args, **fields):
    return json.dumps({"class": name, "args": list(args), "jid": jid, "queue": "default", **fields}).encode()


def work(jid, name="shop.jobs.charge", *args, identity="web-1:11:aa"):
    return Work(identity, f"t{jid}", "default", NOW - 90, JobRecord(payload(jid, name, *args), "default"))


def retry(jid, name="shop.jobs.ship", *, at=30.0, error="KeyError", message="no such order"):
    raw = payload(jid, name, error_class=error, error_message=message, retry_count=1)
    return Entry(APP, "retry", raw, NOW + at)


def listed(rows, key, *, total=None, error=None):
    return Listed({key(row): row for row in rows}, len(rows) if total is None else total, error)


def snapshot(queues=(), processes=(), busy=(), retries=(), *, rates=None, errors=(), retries_total=None, problem=None):
    figures = Figures(
        processed=1234,
        failed=5,
        scheduled_size=6,
        retry_size=len(retries),
        dead_size=7,
        processes_size=len(processes),
        default_queue_latency=0.0,
        errors=tuple(errors),
    )
    return Snapshot(
        NOW,
        figures,
        listed(queues, lambda each: each.name),
        listed(processes, lambda each: each.identity),
        listed(busy, lambda each: (each.identity, each.tid, each.record.jid)),
        listed(retries, lambda each: (each.score, each.value), total=retries_total, error=problem),
        rates or {},
    )


def crowded(number=50, text=""):
    """Return more rows than fit, with a text in every name."""
    return snapshot(
        [queue(f"queue-{place}{text}") for place in range(number)],
        [process(f"host-{place}{text}:1:aa", queues=[f"queue-{place}{text}"]) for place in range(number)],
        [work(f"{place:024x}", f"shop.jobs.busy_{place}{text}", text) for place in range(number)],
        [retry(f"{place:024x}", f"shop.jobs.ship_{place}{text}", at=place, message=text) for place in range(number)],
    )
