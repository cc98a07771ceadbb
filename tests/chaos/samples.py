"""What processes and Redis use, moment by moment, read from /proc and from Redis."""

import asyncio
import csv
import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis

from tests.support.keys import is_figure

Row = dict[str, float]
"""One moment: `seconds` since the first, and columns such as `worker 1 memory_mb` and `redis keys`."""

_ESTABLISHED = "01"
_TICKS = os.sysconf("SC_CLK_TCK")
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Watched:
    """A process to look at.

    Attributes:
        name: begins its columns.
        pid: its number.
        log_file: what it writes, if anything.
        told: where it tells what only itself can count, if it does; see `tell`.
    """

    name: str
    pid: int
    log_file: Path | None = None
    told: Path | None = None


class Sampler:
    """Takes a sample every so often in a thread of its own; `with` starts and ends it.

    Args:
        client: of the Redis that all use; the sampler's own.
        port: where that Redis listens.
        every: seconds between samples.

    Attributes:
        rows: the samples so far.
    """

    def __init__(self, client: redis.Redis, port: int, every: float) -> None:
        self.rows: list[Row] = []
        self._client = client
        self._port = port
        self._every = every
        self._watched: list[Watched] = []
        self._logs: dict[str, _LineCounter] = {}
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    @property
    def seconds(self) -> float:
        """How long ago it was made, as rows count it."""
        return time.monotonic() - self._began

    def watch(self, process: Watched) -> None:
        """Look at one more process; one that has ended is left out without a word."""
        with self._lock:
            self._watched.append(process)
            if process.log_file is not None:
                self._logs[process.name] = _LineCounter(process.log_file)

    def take(self) -> Row:
        """Take one sample now, and return it."""
        with self._lock:
            row = {"seconds": round(self.seconds, 2)}
            for process in self._watched:
                with suppress(FileNotFoundError, ProcessLookupError):
                    used = process_use(process.pid, self._port)
                    row |= {f"{process.name} {field}": value for field, value in used.items()}
                if process.told is not None:
                    row |= {
                        f"{process.name} {field}": value for field, value in told(process.told, process.pid).items()
                    }
                if counter := self._logs.get(process.name):
                    row[f"{process.name} log_bytes"], row[f"{process.name} log_lines"] = counter.count()
            row |= {f"redis {field}": value for field, value in redis_use(self._client).items()}
            self.rows.append(row)
            return row

    def _run(self) -> None:
        try:
            while not self._is_over.wait(self._every):
                self.take()
        except Exception as error:
            self._failure = error


# One moment of one process.


def process_use(pid: int, port: int | None = None) -> Row:
    """Return what a process uses.

    Args:
        pid: its number.
        port: if given, its connections to this port are counted.

    Raises:
        FileNotFoundError: there is no such process.
        ProcessLookupError: it ended meanwhile.
    """
    base = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (base / "status").read_text().splitlines())
    if "VmRSS" not in status:
        raise ProcessLookupError(pid)
    # The name of the program stands in brackets, and may hold anything.
    words = (base / "stat").read_text().rpartition(")")[2].split()
    files = _open_files(base)
    return {
        "memory_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "cpu_seconds": (int(words[11]) + int(words[12])) / _TICKS,
        "descriptors": len(files),
        **({} if port is None else {"connections": len(_connected_sockets(base, port) & files)}),
    }


def _open_files(base: Path) -> frozenset[str]:
    """Return what the descriptors of a process stand for; those that name no socket are told apart by number."""
    found = set()
    for descriptor in (base / "fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            found.add(target if target.startswith("socket:") else f"{descriptor.name} {target}")
    return frozenset(found)


def _connected_sockets(base: Path, port: int) -> frozenset[str]:
    remote = f":{port:04X}"
    rows = [line.split() for line in (base / "net/tcp").read_text().splitlines()[1:]]
    return frozenset(f"socket:[{words[9]}]" for words in rows if words[2].endswith(remote) and words[3] == _ESTABLISHED)


class _LineCounter:
    """Counts what a log has grown to, without reading it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._lines = 0

    def count(self) -> tuple[int, int]:
        """Return bytes and lines."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            while portion := log.read(_MB):
                self._read += len(portion)
                self._lines += portion.count(b"\n")
        return self._read, self._lines


# What nothing outside can count, a process tells itself.


def tell(directory: Path, but: str) -> None:
    """Write down how many tasks the running event loop has, and how many threads there are.

    Args:
        directory: where.
        but: threads whose names begin so are left out.
    """
    threads = sum(not thread.name.startswith(but) for thread in threading.enumerate())
    written = directory / f"{os.getpid()}.told.new"
    written.write_text(json.dumps({"tasks": len(asyncio.all_tasks()), "service_threads": threads}))
    written.replace(written.with_suffix(""))


def told(directory: Path, pid: int) -> Row:
    """Return what a process has told last; nothing if it has not yet."""
    try:
        return dict(json.loads((directory / f"{pid}.told").read_text()))
    except FileNotFoundError:
        return {}


# One moment of Redis.


def redis_use(client: redis.Redis) -> Row:
    """Return what Redis holds, and what has been done so far."""
    queues, in_flight = client.keys("queue:*"), client.keys("sidelong:inflight:*")
    figures = sum(is_figure(key.decode("utf-8", "replace")) for key in client.scan_iter(count=1000))
    pipe = client.pipeline(transaction=False)
    for key in (*queues, *in_flight):
        pipe.llen(key)
    for name in ("schedule", "retry", "dead"):
        pipe.zcard(name)
    pipe.mget("stat:processed", "stat:failed")
    pipe.dbsize()
    pipe.info()
    *lengths, scheduled, retries, dead, (processed, failed), keys, facts = pipe.execute()
    return {
        "memory_mb": facts["used_memory"] / _MB,
        "connections": facts["connected_clients"],
        # Execution metrics come and go by the hour.
        "keys": keys - figures,
        "queued": sum(lengths[: len(queues)]),
        "in_flight": sum(lengths[len(queues) :]),
        "scheduled": scheduled,
        "retries": retries,
        "dead": dead,
        "processed": int(processed or 0),
        "failed": int(failed or 0),
    }


# Many moments.


def thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """Return at most `most` of the rows, evenly spread; the first and the last are among them."""
    if len(rows) <= most:
        return list(rows)
    step = (len(rows) - 1) / (most - 1)
    return [rows[round(number * step)] for number in range(most)]


def save(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV; what a row lacks stays empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({column: _short(value) for column, value in row.items()} for row in rows)


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
