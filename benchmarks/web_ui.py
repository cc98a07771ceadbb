"""Web UI: how soon each page begins to answer while the queue and every set hold so many entries, beside 200 queues.

`sidelong web` serves them in a process of its own, to one browser that opens page after page. Redis itself tells how
many commands a page costs; those inside scripts count as well.
"""

import asyncio
import http.client
import itertools
import re
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import redis

from benchmarks.payloads import fill, fill_by_the_million
from benchmarks.scale import resident_mb
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run

_YEAR = 365 * 86_400
_HOUR = 3_600
_QUEUES = 200
_IN_OTHER_QUEUES = 10
"""Jobs that wait in each queue but the long one."""
_MOST_PER_VIEW = 1_000
"""Entries per view: few views are for a look, which should not wait for a million entries."""
_STARTS_WITHIN = 20.0
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")

_PAGES = {
    "dashboard": "/?days=180",
    "busy": "/busy",
    "queues": "/queues",
    "queue": "/queues/default",
    "queue, middle": "/queues/default?page={middle}",
    "scheduled": "/scheduled",
    "scheduled, middle": "/scheduled?page={middle}",
    "retries": "/retries",
    "retries, last": "/retries?page={last}&order=reversed",
    "dead": "/dead",
    "dead, 100 a page": "/dead?count=100",
    "job": "/retries/{job}",
    "metrics": "/metrics?hours=8",
    "redis": "/redis",
    "key of Redis": "/redis/retry",
}
"""By what the table calls them, the pages without a filter."""
_FILTERS = {
    "none match": "/retries?text=nothing-has-this",
    "none match in a queue": "/queues/default?class=Nothing",
    "all match": "/dead?class=noop",
    "groups": "/retries/groups?anew=1",
}
_FILTER_ROUNDS = 5
_OUR_COMMANDS = ("cmdstat_config|resetstat", "cmdstat_info")


def _entries(settings: Settings) -> int:
    entries, views = int(settings["entries"]), int(settings["views"])
    return min(entries, _MOST_PER_VIEW * views)


def load(client: redis.Redis, settings: Settings) -> None:
    """Fill the long queue, the three sets and the other queues."""
    entries = _entries(settings)
    fill_by_the_million(client, "queue:default", entries)
    for place, (name, due_at) in enumerate((("schedule", _YEAR), ("retry", _HOUR), ("dead", -_HOUR)), 1):
        fill_by_the_million(client, name, entries, first=place * entries, due_at=time.time() + due_at)
    others = [f"queue-{number}" for number in range(_QUEUES - 1)]
    fill(client, others, _IN_OTHER_QUEUES * len(others))
    client.sadd("queues", "default", *others)


@dataclass(frozen=True)
class _Served:
    """The process that serves the pages."""

    port: int
    pid: int


@asynccontextmanager
async def _serving(url: str) -> AsyncIterator[_Served]:
    """Run `sidelong web` for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidelong", "web", "--redis", url, "--port", "0"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            while (found := _ADDRESS.search(line := await process.stdout.readline())) is None:
                if not line:
                    raise RuntimeError("sidelong web does not start: are starlette, jinja2 and uvicorn installed?")
            served = _Served(int(found[1]), process.pid)
            await _await_listening(served.port)
        yield served
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _await_listening(port: int) -> None:
    """Wait until the server, which has told its address, takes connections."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


class _Browser:
    """Opens one page after the other over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def open(self, path: str) -> float:
        """Open a page and return how many milliseconds passed before it began to come."""
        began = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        took = time.perf_counter() - began
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path} answers {answer.status}")
        return took * 1e3

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def _addresses(client: redis.Redis, entries: int) -> dict[str, str]:
    """Return the pages without a filter, with what stands in this Redis."""
    (raw, score), *_ = client.zrange("retry", 0, 0, withscores=True)
    jid = re.search(rb'"jid":"(\w+)"', raw)
    assert jid is not None
    last = -(-entries // 25)
    names = {"job": f"{score!r}-{jid[1].decode()}", "middle": max(1, last // 2), "last": last}
    return {name: path.format(**names) for name, path in _PAGES.items()}


def _commands(client: redis.Redis, browser: _Browser, path: str) -> int:
    """Return how many commands a page costs, those for the figures of every page left out where they are fresh."""
    client.config_resetstat()
    browser.open(path)
    calls = client.info("commandstats")
    return sum(each["calls"] for name, each in calls.items() if name not in _OUR_COMMANDS)


async def measure(settings: Settings) -> Measures:
    """Open pages and return how soon they began to come, what they cost Redis, and what the process holds."""
    views: int = settings["views"]
    async with _serving(settings["url"]) as served:
        with closing(redis.Redis.from_url(settings["url"])) as client, closing(_Browser(served.port)) as browser:
            # This process has nothing else to do meanwhile.
            return _measure(client, browser, served.pid, views, _entries(settings))


def _measure(client: redis.Redis, browser: _Browser, pid: int, views: int, entries: int) -> Measures:
    pages = _addresses(client, entries)
    for path in pages.values():
        browser.open(path)
    waits: dict[str, list[float]] = {name: [] for name in pages}
    memory: list[float] = []
    for view, name in enumerate(itertools.islice(itertools.cycle(pages), views), 1):
        waits[name].append(browser.open(pages[name]))
        if view in (views // 10, views):
            memory.append(resident_mb(pid))
    filters = {name: [browser.open(path) for _ in range(_FILTER_ROUNDS)] for name, path in _FILTERS.items()}
    return {
        "slowest page ms": max(map(statistics.median, waits.values())),
        "slowest filter ms": max(map(statistics.median, filters.values())),
        "p99 ms": _p99([wait for found in waits.values() for wait in found]),
        "commands at most": max(_commands(client, browser, path) for path in pages.values()),
        "MB after 10 %": memory[0],
        "MB after 100 %": memory[-1],
        "% growth": (memory[-1] / memory[0] - 1) * 100,
        **{f"{name} ms": statistics.median(found) for name, found in waits.items() if found},
        **{f"{name} ms": statistics.median(found) for name, found in filters.items()},
    }


def _p99(waits: Sequence[float]) -> float:
    return statistics.quantiles(waits, n=100)[98]


_LEAST = "1 thousand each"

WORKLOAD = Workload(
    name="web-ui",
    about="the pages for operators, while queue and sets hold so many entries, beside 200 queues",
    cases=(
        Case(_LEAST, {"entries": 1_000}, 1_000),
        Case("1 million each", {"entries": 1_000_000}, 1_000, to=_LEAST),
    ),
    measure="slowest page ms",
    module="benchmarks.web_ui",
    counts="views",
    quick=40,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings, is_worker=False)
