"""What becomes of an entry of a set: decided here, and done by the store in one step, or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.client.validation import Spoilt, fault_of
from sidelong.core import payload, serialization
from sidelong.core.json_copy import json_copy
from sidelong.core.outcome import Kill
from sidelong.errors import InvalidPayloadError, NotEnqueued, PayloadTooLargeError, Refused
from sidelong.store.sets import Move


def deletion(record: JobRecord, score: float) -> Move:
    """Return the move that removes an entry."""
    return Move(record.value, "drop", seen_at=score)


def rescheduling(record: JobRecord, score: float, at: float) -> Move:
    """Return the move that gives an entry another time."""
    return Move(record.value, "at", at=at, seen_at=score)


def killing(record: JobRecord, score: float) -> Move:
    """Return the move of an entry to the dead set, byte for byte."""
    return Move(record.value, "dead", raw=record.value, seen_at=score)


async def enqueuing(app: Sidelong, record: JobRecord, score: float, *, is_retry: bool) -> Move:
    """Return the move of an entry onto its queue.

    Args:
        app: whose client middleware runs.
        record: the entry.
        score: its score.
        is_retry: lower its count of retries by one, so that this attempt costs none.

    Raises:
        InvalidPayloadError: the entry is no JSON object, or names no possible queue.
        NotEnqueued: a client middleware stopped it.
        Exception: what a client middleware raised.
    """
    if record.item is None:
        raise InvalidPayloadError(f"this entry is no job, so that it can only be deleted or killed: {record.fault}")
    item = json_copy(record.item)
    if is_retry:
        lower_retry_count(item)
    return Move(record.value, "queue", *await _entering(app, record, item), seen_at=score)


async def replacing(app: Sidelong, record: JobRecord, score: float, item: dict[str, Any]) -> Move:
    """Return the move that puts another payload onto its queue in the place of an entry.

    Raises:
        TypeError, ValueError, NotEnqueued, Exception: as `replacement`.
    """
    return Move(record.value, "queue", *await replacement(app, record, item), seen_at=score)


async def replacement(app: Sidelong, record: JobRecord, item: dict[str, Any]) -> tuple[str, bytes]:
    """Return the queue that another payload enters in the place of a job, and its bytes.

    Raises:
        TypeError, ValueError: a push would refuse the payload.
        NotEnqueued: a client middleware stopped it.
        Exception: what a client middleware raised.
    """
    if (fault := fault_of(item)) is not None:
        raise fault
    serialization.check_arguments(item["args"])
    queue, raw = await _entering(app, record, json_copy(item))
    if len(raw) > app.config.payload_limit:
        raise PayloadTooLargeError(
            f"the payload has {len(raw):,} bytes, more than payload_limit ({app.config.payload_limit:,})"
        )
    return queue, raw


def edited(record: JobRecord, changes: Mapping[str, Any] | None, item: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the payload of a job with changes, or the one that is to stand in its place.

    Raises:
        TypeError: both are given, or neither.
        InvalidPayloadError: what is no JSON object cannot be changed.
    """
    if (changes is None) == (item is None):
        raise TypeError("either changes or a whole item must be given")
    if item is not None:
        return dict(item)
    if record.item is None:
        raise InvalidPayloadError(f"this is no job that could be changed; give a whole item: {record.fault}")
    return {**record.item, **(changes or {})}


async def carry_out(app: Sidelong, name: str, moves: Sequence[Move]) -> list[bool | Refused]:
    """Do what was decided about entries of the set `name`, each by itself.

    Returns:
        Per move True if it was done, False if the entry was no longer there, or no longer as it was seen; and what
        Redis said if it could not be done: the entry is where it was.
    """
    if not moves:
        return []
    store = app.store
    answers = await store.timed_sets(store.admin).move(name, moves)
    return [_meaning(name, move, answer) for move, answer in zip(moves, answers, strict=True)]


async def tell_death(app: Sidelong, item: dict[str, Any] | None, error: BaseException | None) -> None:
    """Call the death handlers of this process; what is no job has none to tell them of."""
    if item is not None:
        await app.hooks.report_death(item, error or Kill("killed by an operator"))


def lower_retry_count(item: dict[str, Any]) -> None:
    """Count one retry less, if any was counted, as Sidekiq does where an operator asks for an attempt."""
    count = payload.retry_count(item)
    if count is not None:
        item["retry_count"] = count - 1


async def _entering(app: Sidelong, record: JobRecord, item: dict[str, Any]) -> tuple[str, bytes]:
    """Return the queue that a payload enters, and its bytes there."""
    item["queue"] = payload.queue_to_enter(item)
    entering = await app.client.promote(item)
    if entering is None:
        raise NotEnqueued("a client middleware stopped the job; its entry stays where it is", [record.jid])
    if isinstance(entering, Spoilt):
        raise entering.reason
    return payload.queue_to_enter(entering), serialization.dumps(entering)


def _meaning(name: str, move: Move, answer: str) -> bool | Refused:
    if answer == move.to:
        return True
    return False if answer == "gone" else Refused(f"{answer} (moving an entry of {name})")
