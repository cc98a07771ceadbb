"""Settling that does not do what `turn.lua` does."""

from collections.abc import Iterator
from typing import Any

from sidelong.core.outcome import Buried, Dead, Done, Dropped, HandedBack, Retry, Rewritten
from sidelong.errors import StoreError
from sidelong.store import keys
from sidelong.store.counters import counter_keys
from sidelong.store.queues import Batch, Turn
from sidelong.store.wire import Command
from tests.chaos.broken.patches import replace, rewrite

_INSERTS_FIRST = """\
      local held = pcall('LPOS', inflight, ARGV[i])
      if held and not failed(held) then
        local inserted = insert(operation, queue, inflight, i)
        held = failed(inserted) and inserted or pcall('LREM', inflight, -1, ARGV[i])
      end
"""
_REMOVES_FIRST = """\
      local held = pcall('LREM', inflight, -1, ARGV[i])
      if not failed(held) and held > 0 then
        local inserted = insert(operation, queue, inflight, i)
        if failed(inserted) then held = inserted end
      end
"""
_ANSWERS_REPEATS = "  if is == 'repeat' then return {'repeat', owner, results, errors, tonumber(trimmed)} end\n"


def remove_before_inserting() -> None:
    """Take a job off the private list before it stands where it goes."""
    rewrite("turn", _INSERTS_FIRST, _REMOVES_FIRST)


def repeat_batches() -> None:
    """Carry a batch out again when it comes again, because its answer was lost."""
    rewrite("turn", _ANSWERS_REPEATS, "")


def settle_in_transactions() -> None:
    """Settle by MULTI and EXEC, and take by LMOVE."""
    replace("sidelong.store.queues:CapsuleQueues.turn", _turn)


async def _turn(queues: Any, batch: Batch) -> Turn:
    link = queues._link
    if batch.deliveries:
        now = int((await link.call("TIME"))[0])
        commands = [command for delivery in batch.deliveries for command in _settling(queues, delivery, now)]
        *_, executed = await link.pipeline([("MULTI",), *commands, ("EXEC",)])
        if isinstance(executed, StoreError):
            raise executed
    taken = []
    free = batch.free
    for place, most in batch.takes:
        got: list[bytes] = []
        while len(got) < min(free, most) and (raw := await link.call("LMOVE", *queues.lists[place], "RIGHT", "LEFT")):
            got.append(raw)
        free -= len(got)
        taken.append((place, got))
    return Turn(batch.deliveries, taken=taken)


def _settling(queues: Any, delivery: Any, now: int) -> Iterator[Command]:
    queue, inflight = queues.lists[delivery.place]
    processed, processed_today, failed, failed_today = counter_keys(now)
    counted: tuple[str, ...] = ()
    yield "LREM", inflight, -1, delivery.raw
    match delivery.outcome:
        case Done():
            counted = (processed, processed_today)
        case Dropped():
            counted = (processed, processed_today, failed, failed_today)
        case Retry(raw=new, delay=delay):
            yield "ZADD", keys.RETRY, now + delay, new
            counted = (processed, processed_today, failed, failed_today)
        case Dead(raw=new):
            yield "ZADD", keys.DEAD, now, new
            counted = (processed, processed_today, failed, failed_today)
        case Buried():
            yield "ZADD", keys.DEAD, now, delivery.raw
        case HandedBack():
            yield "RPUSH", queue, delivery.raw
        case Rewritten(raw=new):
            yield "LPUSH", inflight, new
    for key in counted:
        yield "INCR", key
    for key in counted[1::2]:
        yield "EXPIRE", key, keys.DAILY_TTL
