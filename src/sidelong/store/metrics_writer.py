"""Adds what workers have counted to the figures in Redis, under our own names and those of Sidekiq."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.job_figures import JobFigures
from sidelong.store import keys, names
from sidelong.store.link import Link
from sidelong.store.metric_names import FIELDS, MINUTE, SIDEKIQ_FIELDS, TEN_MINUTES, field, stamp, stored
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

_ADDITIONS_AT_ONCE: Final = 2000
"""About as many as one call makes: Redis does nothing else meanwhile."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What is added to one key.

    Attributes:
        kind: `hash`, or `u16` and `u32` for arrays of counters of so many bits.
        ttl: seconds that the key lives from now on.
        pairs: field or position, and how much.
    """

    key: str
    kind: str
    ttl: int
    pairs: Sequence[tuple[bytes | int, int]]


@dataclass(frozen=True, slots=True)
class FlushBatch:
    """What one call adds; a repeat has the same number, and adds nothing if it was added already."""

    number: int
    additions: Sequence[Additions]


class MetricsWriter:
    """Writes for one worker.

    Args:
        link: reaches Redis.
        identity: who counts batches.
    """

    def __init__(self, link: Link, scripts: Scripts, config: Config, clock: Clock, *, identity: str) -> None:
        self._link = link
        self._scripts = scripts
        self._config = config
        self._clock = clock
        self._flushed = keys.flushed(identity)
        self._number = 0

    def batches(self, jobs: Mapping[str, JobFigures], queues: Mapping[str, JobFigures]) -> list[FlushBatch]:
        """Return calls that add these figures to those of the current minute."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        found: list[FlushBatch] = []
        waiting: list[Additions] = []
        size = 0
        for additions in self._additions(jobs, queues, now):
            if waiting and size + len(additions.pairs) > _ADDITIONS_AT_ONCE:
                found.append(self._batch(waiting))
                waiting, size = [], 0
            waiting.append(additions)
            size += len(additions.pairs)
        if waiting:
            found.append(self._batch(waiting))
        return found

    async def write(self, batch: FlushBatch) -> list[str]:
        """Add one batch, and return what Redis said about keys that it could not add to.

        Raises:
            Unavailable, ReplyLost, Refused: as `Link.call`; after each the same batch may be sent again.
        """
        words: list[Word] = [batch.number, keys.DAY]
        for additions in batch.additions:
            words += (additions.kind, additions.ttl, len(additions.pairs))
            for place, by in additions.pairs:
                words += (place, by)
        names_of_keys = [names.written(additions.key) for additions in batch.additions]
        _, errors = await self._scripts.flush.run(self._link, (self._flushed, *names_of_keys), words)
        return [error.decode("utf-8", "replace") for error in errors]

    def _batch(self, additions: Sequence[Additions]) -> FlushBatch:
        self._number += 1
        return FlushBatch(self._number, additions)

    def _additions(
        self, jobs: Mapping[str, JobFigures], queues: Mapping[str, JobFigures], now: datetime
    ) -> Iterator[Additions]:
        for step, ttl in ((MINUTE, keys.MINUTES_TTL), (TEN_MINUTES, keys.TEN_MINUTES_TTL)):
            when = stamp(now, step)
            yield from _hash(keys.queue_metrics(when), ttl, queues, FIELDS)
            yield from _hash(keys.job_metrics(when), ttl, jobs, FIELDS)
            yield from _arrays("u32", ttl, {keys.histogram(stored(name), when): jobs[name] for name in jobs})
        # There a name is parted from what follows by the first such sign.
        shown = {name: figures for name, figures in jobs.items() if "|" not in name}
        if self._config.sidekiq7_metrics:
            yield from _hash(keys.sidekiq7_minute(now), keys.MINUTES_TTL, shown, SIDEKIQ_FIELDS)
            histograms = {keys.sidekiq7_histogram(stored(name), now): shown[name] for name in shown}
            yield from _arrays("u16", keys.MINUTES_TTL, histograms)
        if self._config.sidekiq8_metrics:
            yield from _hash(keys.sidekiq8_minute(now), keys.MINUTES_TTL, shown, SIDEKIQ_FIELDS)
            yield from _hash(keys.sidekiq8_ten_minutes(now), keys.TEN_MINUTES_TTL, shown, SIDEKIQ_FIELDS)
            histograms = {keys.sidekiq8_histogram(stored(name), now): shown[name] for name in shown}
            yield from _arrays("u16", keys.MINUTES_TTL, histograms)


def _hash(key: str, ttl: int, named: Mapping[str, JobFigures], fields: Mapping[str, str]) -> Iterator[Additions]:
    """Return the figures of all classes, or queues, in pieces of bounded size."""
    pairs: list[tuple[bytes | int, int]] = []
    for name, figures in named.items():
        for attribute, suffix in fields.items():
            if by := getattr(figures, attribute):
                pairs.append((field(stored(name), suffix), by))
    for start in range(0, len(pairs), _ADDITIONS_AT_ONCE):
        yield Additions(key, "hash", ttl, pairs[start : start + _ADDITIONS_AT_ONCE])


def _arrays(kind: str, ttl: int, named: Mapping[str, JobFigures]) -> Iterator[Additions]:
    for key, figures in named.items():
        pairs = [(bucket, count) for bucket, count in enumerate(figures.histogram) if count]
        if pairs:
            yield Additions(key, kind, ttl, pairs)
