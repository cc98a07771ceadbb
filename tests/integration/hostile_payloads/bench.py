"""A worker on a real server, through which payloads are put, and what it must not do meanwhile."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from typing import Any

import redis

from sidelong import Sidelong, current_context
from sidelong.core.logs.json_lines import JsonFormatter
from sidelong.core.logs.repeats import LIMITED
from sidelong.core.logs.text import PlainFormatter
from tests.integration.hostile_payloads.ends import Ends, Given
from tests.integration.hostile_payloads.expectations import meddling
from tests.integration.hostile_payloads.figures import batches
from tests.integration.hostile_payloads.readable import crashes
from tests.support import redis_state
from tests.support.eventually import eventually
from tests.support.timings import TEST_TIMINGS

SENTINEL = b'{"class":"Sentinel","args":[],"jid":"sentinel","queue":"default","retry":true}'
CRASH_WINDOW = 315_360_000.0
"""Ten years: the payloads' crash times are fixed."""
WITHIN = 120.0
_QUICK_DEATH = {"beat_interval": 0.1, "lease_ttl": 0.5, "recovery_grace": 0.3, "recovery_interval": 0.1}


class Bench:
    """One application and what has become of its jobs.

    Attributes:
        app: knows the jobs of `payloads.CLASSES`.
        client: for seeding and looking; the database is empty at first.
        gate: jobs wait here; it is open unless a test closes it.
        sentinel_ran: set once the job behind all others has run.
    """

    def __init__(self, url: str, client: redis.Redis, *, notices_deaths: bool = False) -> None:
        self.client = client
        self.gate = asyncio.Event()
        self.gate.set()
        self.sentinel_ran = asyncio.Event()
        self.ends = Ends()
        timings = TEST_TIMINGS | {"poll_interval": 0.05} | (_QUICK_DEATH if notices_deaths else {})
        self.app = Sidelong(url, dead_max_jobs=1_000_000, crash_window=CRASH_WINDOW, **timings)
        self._define()
        client.flushdb()
        # Where a queue of this name is, no job can be put.
        client.set("queue:wrong", "a string")
        self._scripts_before = self._scripts()
        self._began = time.monotonic()

    @asynccontextmanager
    async def working(self, **settings: Any) -> AsyncIterator[None]:
        """Run a worker for the block; what it logs must be fit for a file and a terminal."""
        with log_lines_are_fit():
            async with self.app, self.app.worker(**{"queues": ["default"], "concurrency": 50, **settings}):
                yield

    async def finish(self, given: Given) -> Counter[str]:
        """Wait until the sentinel has run and nothing is left to do; then account for every payload."""
        await eventually(self.sentinel_ran.is_set, WITHIN)
        await eventually(self.is_at_rest, WITHIN)
        return self.account(given)

    def account(self, given: Given) -> Counter[str]:
        """Account for every payload, and for the effort."""
        assert self._scripts() - self._scripts_before < len(given.raws) * 3 + 400 * (time.monotonic() - self._began)
        self.client.delete("queue:wrong")
        left = redis_state.payloads(redis_state.dump(self.client))
        in_flight = [key for key in left if key.startswith("sidelong:inflight:")]
        assert not in_flight, f"still in flight: {in_flight}"
        self.ends.sets = left
        return given.account_for(self.ends)

    def crashes(self, given: Given) -> Counter[tuple[str, int]]:
        """Return the fingerprints of what was left, with the number of crashes recorded."""
        now = time.time()
        jobs = [item for _, item in self.ends.items() if isinstance(item, dict)]
        return Counter((given.fingerprint(job), crashes(job, now, CRASH_WINDOW)) for job in jobs)

    def meddle(self) -> None:
        """Let client middleware do with due jobs what `meddling` says."""

        @self.app.client_middleware
        async def middleware(item: dict[str, Any], call_next: Any) -> Any:
            match meddling(item):
                case "raise":
                    item.clear()
                    raise ValueError("middleware \x1b[31m\nfails")
                case "stop":
                    return self.ends.stopped.append(item)
                case "spoil":
                    item["spoilt"] = object()
            return await call_next(item)

    def is_at_rest(self) -> bool:
        """Tell whether nothing waits in the queue, is in flight or due."""
        return not (
            self.client.llen("queue:default")
            or any(self.client.zcount(name, 0, time.time()) for name in ("schedule", "retry"))
            or any(True for _ in self.client.scan_iter("sidelong:inflight:*", count=10_000))
        )

    def _scripts(self) -> int:
        """Return how many scripts the server has run: whatever spins, does so with these."""
        calls = self.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
        return int(calls)

    def _define(self) -> None:
        ended = self.ends.ended

        @self.app.job(name="Sentinel")
        async def sentinel() -> None:
            self.sentinel_ran.set()

        @self.app.job(name="Ok")
        async def ok(*args: Any) -> None:
            await self.gate.wait()
            ended.append(current_context().item)

        @self.app.job(name="Bad", backtrace=True)
        async def bad(*args: Any) -> None:
            await self.gate.wait()
            raise ValueError("no \x1b[31m\nfaked line")

        @self.app.job(name="Typed")
        async def typed(number: int, day: date | None = None, names: dict[str, list[int]] | None = None) -> None:
            await self.gate.wait()
            ended.append(current_context().item)

        @self.app.job(name="Threaded", retry=3)
        def threaded(*args: Any) -> None:
            ended.append(current_context().item)

        @self.app.death_handler
        def died(item: dict[str, Any], error: BaseException) -> None:
            self.ends.died.append(item)


def push(client: redis.Redis, key: str, raws: list[bytes]) -> None:
    """Put payloads into a list, the first of them next to be taken."""
    for chunk in batches(raws, 500):
        client.lpush(key, *chunk)


def add(client: redis.Redis, key: str, raws: list[bytes]) -> None:
    """Put payloads into a set, due, the first of them first."""
    for number, chunk in enumerate(batches(raws, 500)):
        client.zadd(key, {raw: 1.0 + 500 * number + place for place, raw in enumerate(chunk)})


class _Fitness(logging.Filter):
    """Looks at each record before repeats are folded, as each of the formats would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.unfit: list[str] = []
        self._plain = PlainFormatter().format
        self._json = JsonFormatter().format

    def filter(self, record: logging.LogRecord) -> bool:
        # A host's own format writes tracebacks as they are; what is ours is the message.
        lines = [*record.getMessage().split("\n"), *self._plain(record).split("\n")]
        self.unfit += [line for line in lines if len(line.encode()) >= 2000 or not line.isprintable()]
        line = self._json(record)
        if not line.isprintable() or not line.isascii() or type(json.loads(line)) is not dict:
            self.unfit.append(line)
        return True


@contextmanager
def log_lines_are_fit() -> Iterator[None]:
    """Check what is logged in the block: lines under 2 kB and without control characters."""
    fitness, silent = _Fitness(), logging.NullHandler()
    root = logging.getLogger("sidelong")
    loggers = [logging.getLogger(name) for name in (*LIMITED, "sidelong.job")]
    level, root.propagate = root.level, False
    root.setLevel(logging.INFO)
    root.addHandler(silent)
    for logger in loggers:
        logger.filters.insert(0, fitness)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(fitness)
        root.removeHandler(silent)
        root.setLevel(level)
        root.propagate = True
    assert not fitness.unfit, f"{len(fitness.unfit)} lines, such as {[line[:3000] for line in fitness.unfit[:5]]}"
