"""Where a run takes place: Redis, the proxies in front of it, the workers, the producers and the ledger."""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.chaos import clock
from tests.chaos.events import CUT, PUSH, PUSHED, REDIS_DOWN, REDIS_UP, RESUMED, START, UNSURE, words
from tests.chaos.fleet import Fleet, Slot
from tests.chaos.jobs import RETRIES
from tests.chaos.mix import QUEUES, Planned
from tests.chaos.needs import Need
from tests.chaos.observers import jid_of
from tests.chaos.pushes import words_of
from tests.support import seeding
from tests.support.eventually import eventually_sync
from tests.support.ledger import Ledger, Tail
from tests.support.processes import ROOT, WorkerOptions
from tests.support.proxy import Proxy
from tests.support.redis_server import AppendOnly, RedisServer
from tests.support.sentinel_trio import SentinelTrio

_HOUR = 3600.0
_PAUSE = 0.2
_LOOKS = 60
_LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a site is laid out.

    Attributes:
        needs: what the faults of the run work on.
        appendonly: whether, and how, Redis keeps what it has.
        workers: how many; one of them is embedded in a web server, and one has a wrong clock.
        concurrency: jobs that each runs at once.
        timings: `test` for short intervals, `default` for the product's own.
        timeout: seconds that running jobs have at a stop.
        broken: in which way all processes are broken on purpose, empty for none.
        overrides: single fields of `Config`.
    """

    needs: frozenset[Need] = frozenset()
    appendonly: AppendOnly = "no"
    workers: int = 4
    concurrency: int = 20
    timings: str = "test"
    timeout: float = 1.0
    broken: str = ""
    overrides: dict[str, object] = field(default_factory=dict)


class RunFailedError(Exception):
    """A run could not be brought to its end, so that nothing can be said of it."""


class Site:
    """Made once for a run; `with` starts Redis and the workers, and ends all of them.

    Args:
        directory: where the ledger and the logs go.

    Attributes:
        fleet: the workers.
        links: every proxy.
        redis_lock: held by a fault that is done to Redis as a whole: they come one after the other.
        is_over: set when faults should come to an end.
        failpoints: how many were struck so far.
    """

    def __init__(self, setting: Setting, directory: Path) -> None:
        self.setting = setting
        self.directory = directory
        self.ledger = Ledger(directory / "ledger")
        self.links: list[Proxy] = []
        self.redis_lock = threading.Lock()
        self.is_over = threading.Event()
        self.failpoints = itertools.count()
        self.trio: SentinelTrio | None = None
        self.clock_file = directory / "clock"
        self.fleet: Fleet
        self._server: RedisServer
        self._stack = ExitStack()
        self._link_locks: dict[Proxy, threading.Lock] = {}
        self._producers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Site":
        with ExitStack() as stack:
            self._start_redis(stack)
            clock.step(self.clock_file, _HOUR)
            slots = [self._slot(stack, number) for number in range(self.setting.workers)]
            self.fleet = stack.enter_context(Fleet(slots, self.ledger))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.is_over.set()
        for producer in self._producers:
            if producer.poll() is None:
                producer.kill()
            producer.wait()
        self._stack.close()
        self.ledger.close()

    @property
    def server(self) -> RedisServer:
        """The server, or the master of the moment."""
        return self._server if self.trio is None else self.trio.master

    @property
    def url(self) -> str:
        """Where an application finds the server, past the proxies, or the sentinels."""
        return self._url(None)

    def client(self) -> redis.Redis:
        """Return a client of the server, past the proxies; to be used with `with`."""
        return self.server.client()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the run is over."""
        self.is_over.wait(seconds)

    @contextmanager
    def using(self, link: Proxy) -> Iterator[None]:
        """Keep other faults off a link inside the block, as healing heals all of them, and note what was cut."""
        with self._link_locks[link]:
            before = link.cuts
            yield
            if cuts := link.cuts - before:
                self.ledger.write(CUT, extra=words(count=cuts))

    def wait_for_cut(self, link: Proxy, within: float) -> bool:
        """Wait until a connection of a link is cut, and tell whether one was."""
        before = link.cuts
        ends_at = time.monotonic() + within
        while link.cuts == before and time.monotonic() < ends_at:
            self.wait(_LOOK_EVERY)
        return link.cuts > before

    @contextmanager
    def redis_away(self) -> Iterator[None]:
        """Tell the ledger that Redis is of no use inside the block, and keep other faults off it."""
        with self.redis_lock, self.telling_of_absence():
            yield

    @contextmanager
    def telling_of_absence(self) -> Iterator[None]:
        """Tell the ledger that Redis is of no use inside the block."""
        self.ledger.write(REDIS_DOWN)
        try:
            yield
        finally:
            self.ledger.write(REDIS_UP)

    def busy(self, chance: random.Random, *, linked: bool = False) -> Slot:
        """Return a slot by chance whose process serves and has jobs, or any that serves if none has any for a while."""
        for _ in range(_LOOKS):
            slots = [slot for slot in self.fleet.slots if slot.is_serving and (slot.link is not None or not linked)]
            with suppress(redis.RedisError), self.client() as client:
                held = {int(key.split(":")[3]) for key, raws in seeding.in_flight(client).items() if raws}
                if busy := [slot for slot in slots if slot.process.pid in held]:
                    return chance.choice(busy)
            self.wait(_LOOK_EVERY)
        return self.fleet.any(chance, linked=linked)

    def wait_for(self, name: str, count: int = 1, *, since: int, within: float = 60.0) -> float:
        """Wait for events of one name that are later than a moment.

        Args:
            name: of the events.
            count: how many.
            since: on the machine's monotonic clock, in nanoseconds.
            within: seconds.

        Returns:
            Seconds from the moment to the last of them.
        """
        tail = Tail(self.ledger.directory)
        seen: list[int] = []

        def have_come() -> bool:
            seen.extend(event.ns for event in tail.more() if event.ns > since and event.name == name)
            return len(seen) >= count

        eventually_sync(have_come, within)
        return (sorted(seen)[count - 1] - since) / 1e9

    def tell_of_resumption(self) -> None:
        """Wait until a push has returned and a job has begun from now on, and tell the ledger how long that took."""
        now = time.monotonic_ns()
        pushed = self.wait_for(PUSHED, since=now)
        begun = self.wait_for(START, since=now)
        self.ledger.write(RESUMED, extra=words(pushed=f"{pushed:.3f}", begun=f"{begun:.3f}"))

    # Producers.

    def push(self, planned: Planned) -> None:
        """Push one job, past the proxies and the product's client; where Redis refuses, another of the same kind."""
        while True:
            raw = seeding.payload(planned.job, *planned.args, queue=planned.queue, retry=RETRIES)
            jid = jid_of(raw)
            self.ledger.write(PUSH, jid, words_of(planned))
            try:
                with self.client() as client:
                    seeding.push(client, raw)
            except redis.RedisError:
                self.ledger.write(UNSURE, jid)
                self.wait(_PAUSE)
            else:
                self.ledger.write(PUSHED, jid)
                return

    def produce(self, mix: str, count: int, seed: int, seconds: float) -> None:
        """Start two processes that push `count` jobs in `seconds`, the second through a proxy where there are any."""
        for number, share in enumerate((count - count // 2, count // 2)):
            url = self._url(self.links[-1] if self.links and number else None)
            words = [
                f"--redis={url}",
                f"--ledger={self.ledger.directory}",
                f"--mix={mix}",
                f"--count={share}",
                f"--seed={2 * seed + number}",
                f"--seconds={seconds}",
                f"--broken={self.setting.broken}",
                f"--parent={os.getpid()}",
            ]
            with (self.directory / f"producer-{number}.log").open("wb") as log:
                self._producers.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.chaos.producer", *words],
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def wait_for_producers(self, within: float) -> None:
        """Wait until all jobs are pushed.

        Raises:
            RunFailedError: a producer failed, or goes on.
        """
        for number, producer in enumerate(self._producers):
            try:
                status = producer.wait(within)
            except subprocess.TimeoutExpired:
                raise RunFailedError(f"a producer still pushes after {within:.0f} s") from None
            if status:
                log = (self.directory / f"producer-{number}.log").read_text(errors="replace")
                raise RunFailedError(f"a producer ended with {status}:\n{log[-3000:]}")

    # Parts.

    def _start_redis(self, stack: ExitStack) -> None:
        if "sentinels" in self.setting.needs:
            self.trio = stack.enter_context(SentinelTrio())
        else:
            self._server = stack.enter_context(RedisServer(appendonly=self.setting.appendonly))
        if "proxies" in self.setting.needs:
            self.links = [
                stack.enter_context(Proxy(self._server.port, seed=number)) for number in range(self.setting.workers)
            ]
            self._link_locks = {link: threading.Lock() for link in self.links}

    def _url(self, link: Proxy | None) -> str:
        if link is not None:
            return link.url()
        return self._server.url if self.trio is None else self.trio.url

    def _slot(self, stack: ExitStack, number: int) -> Slot:
        setting = self.setting
        # The first worker has a link of its own to Redis; the last proxy belongs to a producer.
        link = self.links[number - 1] if self.links and number else None
        extra = [f"--parent={os.getpid()}"]
        if number == 1:
            extra.append(f"--clock={self.clock_file}")
        if number == 2:
            extra.append("--embedded")
        if setting.broken:
            extra.append(f"--broken={setting.broken}")
        options = WorkerOptions(
            redis=self._url(link),
            ledger=self.ledger,
            concurrency=setting.concurrency,
            queues=[f"{QUEUES[0]},3", f"{QUEUES[1]},2", f"{QUEUES[2]},1"],
            timeout=setting.timeout,
            settings=setting.timings,
            overrides=setting.overrides,
            target="tests.chaos.worker_app:app",
            module="tests.chaos.worker",
            extra=extra,
        )
        return Slot(options, self.ledger, link)
