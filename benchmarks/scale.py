"""Scale: a worker empties a queue and a schedule of a million jobs each.

All scheduled jobs are due, so that they are promoted while the queue is drained. Redis notes every call that takes
longer than a twentieth of a millisecond, which a promotion of a hundred jobs does.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.payloads import JOB, fill_by_the_million
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong

_NOTED_US = 50
_NOTES = 100_000
_WORDS_OF_A_MOVE = 6
_LEFT_OUT = re.compile(rb"\.\.\. \((\d+) more arguments\)")


def load(client: redis.Redis, settings: Settings) -> None:
    """Put half of the jobs into the queue and half into the schedule, and let Redis take notes from then on."""
    half = settings["jobs"] // 2
    fill_by_the_million(client, "queue:default", half)
    fill_by_the_million(client, "schedule", half, first=half, due_at=time.time() - 3600)
    client.config_set("slowlog-log-slower-than", _NOTED_US)
    client.config_set("slowlog-max-len", _NOTES)
    client.slowlog_reset()


def resident_mb(process: int | str = "self") -> float:
    """Return how much memory this process has, or the one with this number."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclass(frozen=True)
class Call:
    """A call that Redis has noted.

    Attributes:
        microseconds: how long it kept Redis.
        words: the first of its words, each cut.
        count: how many words it had.
    """

    microseconds: int
    words: list[bytes]
    count: int

    @property
    def script(self) -> bytes | None:
        """The digest of the script that it ran; None if it was another command."""
        return self.words[1] if self.words[0].upper() == b"EVALSHA" else None

    @property
    def moved(self) -> int | None:
        """How many entries of the schedule it was to move; None if it was no promotion."""
        if self.script is None or self.words[3:5] != [b"schedule", b"queues"]:
            return None
        # Behind the keys stand the two limits of the dead set, then what is moved.
        return (self.count - 3 - int(self.words[2]) - 2) // _WORDS_OF_A_MOVE


def noted_calls(client: redis.Redis) -> list[Call]:
    """Return the calls that Redis has noted since the last reset."""
    client.set_response_callback("SLOWLOG GET", lambda reply, **_: reply)
    found = []
    for _, _, microseconds, words, *_ in client.execute_command("SLOWLOG GET", _NOTES):
        left_out = _LEFT_OUT.fullmatch(words[-1])
        found.append(Call(microseconds, words, len(words) - 1 + int(left_out[1]) if left_out else len(words)))
    return found


async def measure(settings: Settings) -> Measures:
    """Run everything and return the pace, the memory on the way, and what Redis has noted."""
    jobs = settings["jobs"]
    called = 0
    memory: list[float] = []
    all_called = asyncio.Event()
    app = Sidelong(settings["url"])

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        nonlocal called
        called += 1
        if called % (jobs // 10) == 0:
            memory.append(resident_mb())
        if called == jobs:
            all_called.set()

    began = time.perf_counter()
    async with app.worker(concurrency=settings["slots"]):
        await all_called.wait()
    ended = time.perf_counter()
    await app.close()
    with redis.Redis.from_url(settings["url"]) as client:
        calls = noted_calls(client)
    moved = [call.moved for call in calls if call.moved is not None]
    return {
        "jobs/s": jobs / (ended - began),
        "MB after 10 %": memory[0],
        "MB after 50 %": memory[4],
        "MB at the end": memory[9],
        "µs longest call": max((call.microseconds for call in calls), default=0),
        "calls over 10 ms": sum(call.microseconds > 10_000 for call in calls),
        "promotions noted": len(moved),
        "most moved by one": max(moved, default=0),
    }


WORKLOAD = Workload(
    name="scale",
    about="a worker empties a queue and a schedule of a million jobs each; takes a minute a round",
    cases=(Case("a million queued, a million due", {"slots": 100}, 2_000_000),),
    measure="jobs/s",
    module="benchmarks.scale",
    quick=4_000,
    load=load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
