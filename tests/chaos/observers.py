"""Let a worker process tell the ledger what Redis answered it.

The product knows nothing of this: its methods are wrapped from outside, as failpoints are. Each line is written
before anything acts on the answer.
"""

import functools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.events import BEAT, BEATING, DECLARED, FENCED, LIFE, LOST, ORPHAN, RECOVERED, SETTLED, TICK, words
from tests.support.failpoints import resolve
from tests.support.ledger import Ledger

_TICK_EVERY = 0.25
_HOW = {
    "Done": "done",
    "Retry": "retry",
    "Dead": "dead",
    "Dropped": "dropped",
    "Cancelled": "called-off",
    "Buried": "bury",
    "HandedBack": "back",
}


def observe(ledger: Ledger) -> None:
    """Wrap what is worth telling in this process."""
    lives: set[str] = set()

    def beat(arguments: tuple[Any, ...], answer: Any) -> None:
        identity = arguments[0]._identity
        if answer.is_buried:
            return
        if identity not in lives:
            lives.add(identity)
            ledger.write(LIFE, extra=words(who=identity))
        ledger.write(BEAT, extra=words(who=identity))

    def beating(arguments: tuple[Any, ...]) -> None:
        ledger.write(BEATING, extra=words(who=arguments[0]._identity))

    def turn(arguments: tuple[Any, ...], answer: Any) -> None:
        for delivery in answer.settled:
            how = _HOW.get(type(delivery.outcome).__name__)
            if how is not None:
                ledger.write(SETTLED, _jid(delivery), words(how=how))
        for delivery in answer.lost:
            ledger.write(LOST, _jid(delivery))

    def audit(arguments: tuple[Any, ...], orphans: Any) -> None:
        for _, raw in orphans:
            ledger.write(ORPHAN, jid_of(raw))

    def declared(arguments: tuple[Any, ...], queues: Any) -> None:
        if queues is not None:
            ledger.write(DECLARED, extra=words(who=arguments[1]))

    def recovered(arguments: tuple[Any, ...], results: Any) -> None:
        _, who, _, salvages = arguments
        for salvage, result in zip(salvages, results or (), strict=False):
            if result == 1:
                ledger.write(RECOVERED, jid_of(salvage.raw), words(who=who, to=salvage.to))

    def answered(arguments: tuple[Any, ...]) -> None:
        life, answer = arguments
        if answer.is_buried and not life.is_fenced:
            ledger.write(FENCED, extra=words(who=life.identity))

    _after("sidelong.store.processes:Heart.beat", beat)
    _before("sidelong.store.processes:Heart.beat", beating)
    _after_await("sidelong.store.queues:CapsuleQueues.turn", turn)
    _after_await("sidelong.worker.fetcher:Fetcher.audit", audit)
    _after_await("sidelong.store.processes:Owners.bury", declared)
    _after_await("sidelong.store.processes:Owners.salvage", recovered)
    _before("sidelong.worker.life:Life.beat_answered", answered)
    threading.Thread(target=_tick, args=(ledger,), name="tick", daemon=True).start()


def _tick(ledger: Ledger) -> None:
    while True:
        ledger.write(TICK)
        time.sleep(_TICK_EVERY)


def jid_of(raw: bytes) -> str:
    """Return the jid of a payload, empty if it has none that can be read."""
    try:
        jid = json.loads(raw)["jid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return jid if isinstance(jid, str) else ""


def _jid(delivery: Any) -> str:
    item = delivery.item
    return str(item.get("jid", "")) if isinstance(item, dict) else jid_of(delivery.raw)


def _after(target: str, tell: Callable[[tuple[Any, ...], Any], None]) -> None:
    owner, name = resolve(target)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        tell(arguments, result)
        return result

    setattr(owner, name, wrapper)


def _after_await(target: str, tell: Callable[[tuple[Any, ...], Any], None]) -> None:
    owner, name = resolve(target)
    original = getattr(owner, name)

    @functools.wraps(original)
    async def wrapper(*arguments: Any, **options: Any) -> Any:
        result = await original(*arguments, **options)
        tell(arguments, result)
        return result

    setattr(owner, name, wrapper)


def _before(target: str, tell: Callable[[tuple[Any, ...]], None]) -> None:
    owner, name = resolve(target)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        tell(arguments)
        return original(*arguments, **options)

    setattr(owner, name, wrapper)
