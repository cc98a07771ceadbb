"""Reads figures of executions, ours and those that Sidekiq 7 and 8 write.

Our workers write all three. What a key of Sidekiq's holds beyond ours is from Ruby: so nothing is counted twice,
whichever of them the workers write.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sidelong.core.durations import BUCKETS
from sidelong.core.job_figures import JobFigures
from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import ask_all
from sidelong.store.link import Link
from sidelong.store.metric_names import FIELDS, MINUTE, field, stamp, stored

AT_ONCE: Final = 10
"""Times to ask about at once: what comes back must not hold up the event loop for long."""
_ATTRIBUTES: Final = {suffix.encode(): attribute for attribute, suffix in FIELDS.items()}

Named = dict[str, JobFigures]


class MetricsReader:
    """Reads figures of minutes, or of ten minutes; `AT_ONCE` of them at a time.

    Args:
        link: reaches Redis.
        step: how much time one key is about.
    """

    def __init__(self, link: Link, step: timedelta) -> None:
        self._link = link
        self._step = step
        self.errors: dict[str, None] = {}

    async def jobs(self, times: Sequence[datetime]) -> list[Named]:
        """Return the figures of all classes at each of some times, without histograms."""
        hashes = await self._hashes([self._job_hashes(time) for time in times], lambda key: ("HGETALL", key))
        return [_merged(list(map(_named, found))) for found in hashes]

    async def queues(self, times: Sequence[datetime]) -> list[Named]:
        """Return the figures of all queues at each time; only our workers count those."""
        each = [[keys.queue_metrics(stamp(time, self._step))] for time in times]
        return [_named(found[0]) for found in await self._hashes(each, lambda key: ("HGETALL", key))]

    async def job(self, job_class: str, times: Sequence[datetime]) -> list[JobFigures]:
        """Return the figures of one class at each time, with histograms."""
        name = stored(job_class)
        fields = [field(name, suffix) for suffix in FIELDS.values()]
        hashes = await self._hashes([self._job_hashes(time) for time in times], lambda key: ("HMGET", key, *fields))
        histograms = await self._hashes([self._histograms(name, time) for time in times], lambda key: ("GET", key))
        found = []
        for numbers, arrays in zip(hashes, histograms, strict=True):
            sources = [_figures(answer) for answer in numbers]
            for place, (source, array) in enumerate(zip(sources, arrays, strict=False)):
                source.histogram = _counters(array, width=2 if place else 4)
            found.append(_sum(sources))
        return found

    def _job_hashes(self, time: datetime) -> list[str]:
        """Return the keys of one time: ours first."""
        ours = keys.job_metrics(stamp(time, self._step))
        if self._step != MINUTE:
            return [ours, keys.sidekiq8_ten_minutes(time)]
        return [ours, keys.sidekiq8_minute(time), keys.sidekiq7_minute(time)]

    def _histograms(self, name: str, time: datetime) -> list[str]:
        ours = keys.histogram(name, stamp(time, self._step))
        if self._step != MINUTE:
            return [ours]
        return [ours, keys.sidekiq8_histogram(name, time), keys.sidekiq7_histogram(name, time)]

    async def _hashes(self, times: Sequence[list[str]], command: Callable[[bytes], tuple[Any, ...]]) -> list[list[Any]]:
        """Ask about the keys of each time; None stands for what cannot be read."""
        commands = [command(names.written(key)) for each in times for key in each]
        answers = iter([self._sound(answer) for answer in await ask_all(self._link, commands)])
        return [[next(answers) for _ in each] for each in times]

    def _sound(self, answer: Any) -> Any:
        if isinstance(answer, Refused):
            self.errors[str(answer)] = None
            return None
        return answer


def _named(answer: Any) -> Named:
    """Return what a hash holds, by class or queue; what is no figure is left out."""
    found: dict[bytes, JobFigures] = {}
    words = iter(answer or ())
    for key, value in zip(words, words, strict=False):
        name, _, suffix = key.rpartition(b"|")
        attribute = _ATTRIBUTES.get(suffix)
        if name and attribute is not None and (number := _number(value)):
            figures = found.get(name)
            if figures is None:
                figures = found[name] = JobFigures()
            setattr(figures, attribute, number)
    return {names.read_name(name): figures for name, figures in found.items()}


def _figures(answer: Any) -> JobFigures:
    values = [_number(value) for value in answer or ()]
    figures = JobFigures()
    for attribute, value in zip(FIELDS, values, strict=False):
        setattr(figures, attribute, value)
    return figures


def _merged(sources: Sequence[Named]) -> Named:
    every: Iterable[str] = dict.fromkeys(name for source in sources for name in source)
    return {name: _sum([source.get(name, _NOTHING) for source in sources]) for name in every}


def _sum(sources: Sequence[JobFigures]) -> JobFigures:
    """Return our own figures, which come first, and what the others hold beyond them."""
    ours, *others = sources
    total = JobFigures()
    total.add(ours)
    for other in others:
        if other is _NOTHING:
            continue
        total.executed += max(other.executed - ours.executed, 0)
        total.failed += max(other.failed - ours.failed, 0)
        total.milliseconds += max(other.milliseconds - ours.milliseconds, 0)
        if any(other.histogram):
            beyond = [max(theirs - known, 0) for theirs, known in zip(other.histogram, ours.histogram, strict=True)]
            total.histogram = [sum(pair) for pair in zip(total.histogram, beyond, strict=True)]
    return total


def _number(value: Any) -> int:
    """Return a figure as it is written, 0 for what is none."""
    if isinstance(value, bytes) and len(value) < 20:
        try:
            return max(int(value), 0)
        except ValueError:
            return 0
    return 0


def _counters(array: Any, width: int) -> list[int]:
    """Return an array of big-endian counters of so many bytes; what it is too short for is 0."""
    size = BUCKETS * width
    raw = array[:size] if isinstance(array, bytes) else b""
    return list(struct.unpack(f">{BUCKETS}{'I' if width == 4 else 'H'}", raw.ljust(size, b"\0")))


_NOTHING: Final = JobFigures()
