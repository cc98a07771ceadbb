"""Named places at which a process kills itself.

The product knows nothing of them: its methods are wrapped from outside, in the process that is to die.
"""

import asyncio
import functools
import importlib
import inspect
import itertools
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.ledger import Ledger

FAILPOINT = "FAILPOINT"
"""Ledger event: the process dies now; the name of the place is in `extra`."""

# Long enough for what is written in this turn of the loop to leave, too short for much of an answer.
_DURING = 0.0005


@dataclass(frozen=True, slots=True)
class Seam:
    """Where a failpoint sits.

    Attributes:
        target: `module:function` or `module:Class.method`, plain or async.
        when: before the call, after its return, or (async only) while it waits for its first answer.
        counts: given the positional arguments and the result (None unless `after`), whether a call is a hit.
    """

    target: str
    when: Literal["before", "during", "after"]
    counts: Callable[[tuple[Any, ...], Any], bool] = lambda arguments, result: True


def _brought_a_job(arguments: tuple[Any, ...], result: Any) -> bool:
    return result is not None


def _settles(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(arguments[1].deliveries)


def _hands_back(arguments: tuple[Any, ...], result: Any) -> bool:
    return any(type(delivery.outcome).__name__ == "HandedBack" for delivery in arguments[1].deliveries)


FAILPOINTS: Mapping[str, Seam] = {
    "before_first_beat": Seam("sidelong.store.processes:Heart.beat", "before"),
    "after_blmove": Seam("sidelong.store.queues:CapsuleQueues.park", "after", _brought_a_job),
    "before_start": Seam("sidelong.worker.executor:Executor.execute", "before"),
    "mid_job": Seam("tests.support.jobs:midway", "before"),
    "after_job_before_settle": Seam("sidelong.worker.executor:Executor.execute", "after"),
    "inside_settle": Seam("sidelong.store.queues:CapsuleQueues.turn", "during", _settles),
    "inside_promotion": Seam("sidelong.store.sets:TimedSets.move", "during"),
    "after_declaring": Seam("sidelong.store.processes:Owners.bury", "after", _brought_a_job),
    "between_recovery_chunks": Seam("sidelong.store.processes:Owners.salvage", "after"),
    "while_handing_back": Seam("sidelong.store.queues:CapsuleQueues.turn", "during", _hands_back),
}

STEP_FAILPOINTS: Mapping[str, Seam] = {
    "before_step_record": Seam("sidelong.store.steps:StoredSteps.record", "before"),
    "inside_step_record": Seam("sidelong.store.steps:StoredSteps.record", "during"),
    "after_step_record": Seam("sidelong.store.steps:StoredSteps.record", "after"),
}
"""Those that only jobs with steps come to."""


def arm(spec: str, ledger: Ledger | None = None, failpoints: Mapping[str, Seam] = FAILPOINTS | STEP_FAILPOINTS) -> None:
    """Make this process kill itself at a failpoint.

    Args:
        spec: `name`, or `name:n` for the n-th hit.
        ledger: told before the process dies.
        failpoints: the known names.

    Raises:
        LookupError: no such name, or its target is not there.
    """
    name, _, number = spec.partition(":")
    seam = failpoints[name]
    hits = itertools.count(1)
    deadly = int(number or 1)

    def hit() -> bool:
        return next(hits) == deadly

    def die() -> None:
        if ledger is not None:
            ledger.write(FAILPOINT, extra=name)
        os.kill(os.getpid(), signal.SIGKILL)

    owner, attribute = resolve(seam.target)
    original = getattr(owner, attribute)
    wrap = _wrap_async if inspect.iscoroutinefunction(original) else _wrap_plain
    setattr(owner, attribute, wrap(original, seam, hit, die))


def resolve(target: str) -> tuple[Any, str]:
    """Return the module or class that holds a target, and the name under which it does."""
    module, _, path = target.partition(":")
    *parents, attribute = path.split(".")
    owner: Any = importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent, None)
    if not hasattr(owner, attribute):
        raise LookupError(f"the failpoint's target is gone: {target}")
    return owner, attribute


def _wrap_async(
    original: Callable[..., Any], seam: Seam, hit: Callable[[], bool], die: Callable[[], None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    async def wrapper(*arguments: Any, **options: Any) -> Any:
        if seam.when != "after" and seam.counts(arguments, None) and hit():
            if seam.when == "before":
                die()
            asyncio.get_running_loop().call_later(_DURING, die)
        result = await original(*arguments, **options)
        if seam.when == "after" and seam.counts(arguments, result) and hit():
            die()
        return result

    return wrapper


def _wrap_plain(
    original: Callable[..., Any], seam: Seam, hit: Callable[[], bool], die: Callable[[], None]
) -> Callable[..., Any]:
    if seam.when == "during":
        raise LookupError(f"only an async target can die while it waits: {seam.target}")

    @functools.wraps(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        if seam.when == "before" and seam.counts(arguments, None) and hit():
            die()
        result = original(*arguments, **options)
        if seam.when == "after" and seam.counts(arguments, result) and hit():
            die()
        return result

    return wrapper
