"""Presence: the lease that says "this worker lives", and the record that Sidekiq's pages show.

It beats from a thread of its own, over a connection of its own, because a job that blocks the event loop is not
a dead worker.
"""

import asyncio
import logging
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from sidelong.core import payload, serialization
from sidelong.core.clock import Clock
from sidelong.core.config import Capsule, Config
from sidelong.core.delivery import Delivery
from sidelong.core.queue_order import QueueOrder
from sidelong.errors import Refused, StoreError
from sidelong.store.processes import Beat, BeatAnswer, BeatFailed, Heart
from sidelong.worker.side_log import SideLog
from sidelong.worker.watchdog import Watchdog

logger = logging.getLogger("sidelong.worker")

_TICK = 0.2
_AFTER_FAILURE = 1.0
_SLOW_ROUND_TRIP_US = 50_000
_SLOW_IN_A_ROW = 5
_WORK_LIMIT = 1_000_000
"""The most bytes of payloads that one beat carries."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker tells about itself at each beat.

    Attributes:
        running: the deliveries that are being executed, by capsule.
        is_quiet: whether it has stopped fetching.
        processed: jobs that ended here since it started.
        failed: those of them that failed.
    """

    running: Sequence[Delivery]
    is_quiet: bool
    processed: int
    failed: int


class Heartbeat:
    """Beats until `end`, or until its event loop is closed.

    Args:
        heart: sends the beats; used by the thread only.
        identity: who beats.
        presence: returns what to tell; called from the thread, so it must only take copies.
        watchdog: watches the event loop in the same thread.
        answered: called on the event loop with each answer.
        missed: called on the event loop when a beat did not get through.
        facts: what never changes: the `info` field of the process record.
    """

    def __init__(
        self,
        *,
        heart: Heart,
        identity: str,
        queues: Sequence[str],
        concurrency: int,
        facts: Mapping[str, Any],
        classes: Sequence[str],
        config: Config,
        clock: Clock,
        presence: Callable[[], Presence],
        watchdog: Watchdog,
        answered: Callable[[BeatAnswer], None],
        missed: Callable[[Exception], None],
    ) -> None:
        self._heart = heart
        self._identity = identity
        self._queues = tuple(queues)
        self._concurrency = concurrency
        self._info = serialization.dumps(dict(facts))
        self._classes = serialization.dumps(list(classes))
        self._config = config
        self._clock = clock
        self._presence = presence
        self._watchdog = watchdog
        self._answered = answered
        self._missed = missed
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._sooner = threading.Event()
        self._first: asyncio.Future[BeatAnswer] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="sidelong-heartbeat", daemon=True)
        self._log = SideLog(logger)
        self._counter = 0
        self._rtt_us = 0
        self._slow = 0
        self.beaten_at = -1e9

    async def start(self) -> BeatAnswer:
        """Start beating and wait until Redis knows this worker: nothing is fetched before.

        Raises:
            StoreError: the first beat did not get through, or did not write all it must.
        """
        self._thread.start()
        answer = await self._first
        if answer.errors:
            raise StoreError(f"this worker cannot register in Redis: {'; '.join(answer.errors)}")
        return answer

    def beat_soon(self) -> None:
        """Beat now rather than at the next interval."""
        self._sooner.set()

    def end(self) -> None:
        """Stop beating; does not wait for a beat that is under way."""
        self._ended.set()
        self._sooner.set()

    async def join(self, within: float) -> None:
        """Wait until the thread has ended, at most `within` seconds."""
        ends_at = self._loop.time() + within
        while self._thread.is_alive() and self._loop.time() < ends_at:  # noqa: ASYNC110 - a thread has no event
            await asyncio.sleep(0.005)

    # In the thread.

    def _run(self) -> None:
        next_beat = self._clock.monotonic()
        overslept = 0.0
        try:
            while not self._ended.is_set() and not self._loop.is_closed():
                # Whatever raises here (a log handler, or a loop that is closed under us) must not end the beating of
                # a living worker: others would take its jobs.
                with suppress(Exception):
                    self._watchdog.check(overslept)
                now = self._clock.monotonic()
                if now >= next_beat or self._sooner.is_set():
                    self._sooner.clear()
                    next_beat = now + self._retry_after
                    with suppress(Exception):
                        if self._beat():
                            next_beat = now + self._config.beat_interval
                now = self._clock.monotonic()
                wakes_at = max(now, min(now + _TICK, next_beat))
                self._sooner.wait(wakes_at - now)
                overslept = self._clock.monotonic() - wakes_at
        finally:
            self._heart.close()

    @property
    def _retry_after(self) -> float:
        # With the connections of the event loop, two attempts a second at the most while Redis is down.
        return max(_AFTER_FAILURE, min(self._config.beat_interval, 2.0))

    def _beat(self) -> bool:
        self._counter += 1
        started = self._clock.monotonic()
        try:
            answer = self._heart.beat(self._record())
        except (BeatFailed, Refused) as error:
            self._loop.call_soon_threadsafe(self._fail, error)
            return False
        except Exception as error:
            # A fault of ours must not end the beating: others would take the jobs of a living worker.
            self._log.log(logging.ERROR, "a heartbeat failed for a fault of the worker", error)
            self._loop.call_soon_threadsafe(self._fail, error)
            return False
        if not answer.is_buried:
            # The lease may have begun as early as the question left: the answer could have been long under way. Who was
            # taken for dead has none, and must not be trusted in the moment before the event loop learns of it.
            self.beaten_at = started
        self._measure(self._clock.monotonic() - started)
        self._loop.call_soon_threadsafe(self._succeed, answer)
        return True

    def _record(self) -> Beat:
        presence = self._presence()
        running = presence.running
        return Beat(
            counter=self._counter,
            queues=self._queues,
            fields={
                "info": self._info,
                "busy": len(running),
                "beat": repr(self._clock.now()),
                "quiet": "true" if presence.is_quiet else "false",
                "rss": resident_kb(),
                "rtt_us": self._rtt_us,
                "concurrency": self._concurrency,
                "processed": presence.processed,
                "failed": presence.failed,
                "lag_ms": round(self._watchdog.lag * 1000),
                "classes": self._classes,
            },
            work=self._work(running),
        )

    def _work(self, running: Sequence[Delivery]) -> dict[str, bytes]:
        try:
            return work_entries(running)
        except Exception as error:
            # The lease must not depend on what pages show.
            self._log.log(logging.ERROR, "the running jobs could not be written down", error)
            return {}

    def _measure(self, seconds: float) -> None:
        self._rtt_us = round(seconds * 1_000_000)
        self._slow = self._slow + 1 if self._rtt_us > _SLOW_ROUND_TRIP_US else 0
        if self._slow == _SLOW_IN_A_ROW:
            text = "Redis is slow: five round trips in a row took more than 50 ms, the last one"
            self._log.log(logging.WARNING, f"{text} {seconds * 1000:.0f} ms")

    # On the event loop.

    def _succeed(self, answer: BeatAnswer) -> None:
        logger.debug("heartbeat answered after %.1f ms", self._rtt_us / 1000)
        if not self._first.done():
            self._first.set_result(answer)
        else:
            self._answered(answer)

    def _fail(self, error: Exception) -> None:
        if not self._first.done():
            self._first.set_exception(StoreError(f"this worker cannot register in Redis: {error}"))
        else:
            self._missed(error)


def process_facts(
    *,
    identity: str,
    config: Config,
    capsules: Sequence[Capsule],
    started_at: float,
    version: str,
    is_embedded: bool,
) -> dict[str, Any]:
    """Return the `info` field as every version of Sidekiq's pages wants it (wire-format §9.2)."""
    hostname, pid, _ = identity.rsplit(":", 2)
    return {
        "hostname": hostname,
        "started_at": started_at,
        "pid": int(pid),
        "tag": config.tag,
        "concurrency": sum(capsule.concurrency for capsule in capsules),
        "queues": list(dict.fromkeys(name for capsule in capsules for name, _ in capsule.queues)),
        "weights": [dict(capsule.queues) for capsule in capsules],
        "labels": list(config.labels),
        "identity": identity,
        "version": version,
        "embedded": is_embedded,
        "capsules": {
            capsule.name: {
                "concurrency": capsule.concurrency,
                "mode": _mode(capsule),
                "weights": dict(capsule.queues),
            }
            for capsule in capsules
        },
    }


def _mode(capsule: Capsule) -> str:
    return QueueOrder(dict(capsule.queues), Random()).mode


def work_entries(running: Sequence[Delivery]) -> dict[str, bytes]:
    """Return the work entries (wire-format §9.3); a beat must stay small, so large payloads lose their arguments."""
    entries: dict[str, bytes] = {}
    left = _WORK_LIMIT
    for delivery in running:
        raw = delivery.raw
        if len(raw) > left:
            raw = _outline(delivery)
        left -= len(raw)
        # Any short text will do for a thread id (wire-format §1.4); an address is unique while the job runs.
        entries[format(id(delivery) ^ os.getpid(), "x")] = serialization.dumps(
            {
                "queue": delivery.queue,
                "payload": raw.decode("utf-8", "replace"),
                "run_at": int(delivery.started_at),
            }
        )
    return entries


def _outline(delivery: Delivery) -> bytes:
    # Not from the parsed payload as it is: middleware may have put anything into it.
    item = delivery.item or {}
    return serialization.dumps(
        {
            "class": payload.job_class(item),
            "args": ["(too large to show here)"],
            "queue": delivery.queue,
            "jid": delivery.context.jid if delivery.context is not None else "",
        }
    )


def resident_kb() -> int:
    """Return the resident memory of this process in KB."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - four times as fast as Path
            return int(statm.read().split()[1]) * (resource.getpagesize() // 1024)
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
