import json

import pytest

# Loaded here, so that undoing the imports of a project leaves them alone.
import sidelong.cli.operator.monitor
import sidelong.cli.operator.pausing
import sidelong.cli.operator.processes
import sidelong.cli.operator.queues
import sidelong.cli.operator.remote
import sidelong.cli.operator.stats
from tests.unit.cli.conftest import command, project  # noqa: F401


@pytest.fixture
def sidelong(command, redis_server):  # noqa: F811
    """Runs `sidelong` with these words inside this process, on the test's own database."""

    def run(*words):
        return command(*words, REDIS_URL=redis_server.url, COLUMNS="80")

    return run


@pytest.fixture
def seed(redis_client):
    """Writes what other processes would have written."""
    return Seed(redis_client)


class Seed:
    def __init__(self, client):
        self._client = client

    def queue(self, name, *jobs):
        """Push jobs, the first of which is fetched first."""
        self._client.sadd("queues", name)
        for job in jobs:
            self._client.lpush(f"queue:{name}", raw(job))

    def set(self, name, *entries):
        """Add jobs with their scores."""
        for score, job in entries:
            self._client.zadd(name, {raw(job): score})

    def process(self, identity, *, queues=("default",), **fields):
        """Let a process have sent a heartbeat."""
        host, pid, _ = identity.split(":")
        embedded = fields.pop("embedded", False)
        info = {
            "hostname": host,
            "pid": int(pid),
            "queues": list(queues),
            "started_at": 1.0,
            "concurrency": 10,
            "embedded": embedded,
        }
        beat = {"info": json.dumps(info), "busy": 0, "beat": 1.0, "quiet": "false", "rss": 51200, **fields}
        self._client.hset(identity, mapping=beat)
        self._client.expire(identity, 60)
        self._client.sadd("processes", identity)

    def work(self, identity, tid, payload, *, run_at):
        """Let a heartbeat have told of a running job."""
        entry = {"queue": payload["queue"], "payload": json.dumps(payload), "run_at": int(run_at)}
        self._client.hset(f"{identity}:work", tid, json.dumps(entry))
        self._client.expire(f"{identity}:work", 60)


def job(jid, name="shop.charge", *args, **fields):
    """Return a payload."""
    return {"class": name, "args": list(args), "jid": jid, "queue": "default", "created_at": 1.0} | fields


def raw(payload):
    return payload if isinstance(payload, bytes) else json.dumps(payload).encode()
