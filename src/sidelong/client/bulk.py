"""Bulk pushes: slices, and the time of each job."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Final, TypeVar, cast

from sidelong.client.schedule import instant
from sidelong.core.counted import counted
from sidelong.errors import PushError

T = TypeVar("T")

When = float | datetime

IMMEDIATE_SLICE: Final = 1000
SCHEDULED_SLICE: Final = 100
# A shorter spread would not relieve anything; Sidekiq's own floor.
_LEAST_SPREAD: Final = 5.0
_WIDEST_SPREAD: Final = 1_000_000_000


def slice_size(batch_size: int | None, *, is_scheduled: bool) -> int:
    """Return how many jobs go to Redis at once.

    Raises:
        ValueError: the size asked for is less than 1.
    """
    if batch_size is None:
        return SCHEDULED_SLICE if is_scheduled else IMMEDIATE_SLICE
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number from 1 up, not {batch_size!r}")
    return batch_size


def slices(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut `values` into lists of `size`, reading no further ahead than one list."""
    iterator = iter(values)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def with_times(
    values: Iterable[T],
    at: When | Sequence[When] | None,
    spread: float | None,
    *,
    now: float,
    random: Random,
) -> Iterator[tuple[T, float | None]]:
    """Pair each job of one call with its time, in epoch seconds; None is at once.

    Args:
        values: the jobs; a lazy iterable stays lazy.
        at: one time for all, or one for each job.
        spread: seconds over which to spread them at random; less than 5 counts as 5.
        now: the present, in epoch seconds.
        random: draws the spread.

    Raises:
        TypeError: `at` or `spread` has the wrong type.
        ValueError: both are given, or one has an impossible value, or `at` has too few or too many times.
    """
    if at is not None and spread is not None:
        raise ValueError("give only one of 'at' and 'spread'")
    if spread is not None:
        width = _checked_spread(spread)
        return ((value, now + random.uniform(0, width)) for value in values)
    if isinstance(at, list | tuple):
        each = [instant(when) for when in at]
        if isinstance(values, Sized) and len(values) != len(each):
            raise ValueError(f"'at' must have one time for each job: {len(each)} for {len(values)} jobs")
        return zip(values, each, strict=True)
    common = None if at is None else instant(cast(When, at))
    return ((value, common) for value in values)


@contextmanager
def telling_what_is_stored(jids: Sequence[str | None]) -> Iterator[None]:
    """Let whatever is raised inside tell which jobs of the same call were stored before.

    Args:
        jids: ids of the slices that were pushed; it grows meanwhile.
    """
    try:
        yield
    except PushError as error:
        error.enqueued = (*(jid for jid in jids if jid), *error.enqueued)
        raise
    except BaseException as error:
        if done := [jid for jid in jids if jid]:
            error.add_note(f"enqueued before: {counted(len(done), 'job')} of this call, up to {done[-1]}")
        raise


def _checked_spread(spread: float) -> float:
    if isinstance(spread, bool) or not isinstance(spread, int | float):
        raise TypeError(f"'spread' must be seconds, not {type(spread).__name__}")
    if not 0 < spread <= _WIDEST_SPREAD:
        raise ValueError(f"'spread' must be more than 0 seconds and at most {_WIDEST_SPREAD:,}")
    return max(float(spread), _LEAST_SPREAD)
