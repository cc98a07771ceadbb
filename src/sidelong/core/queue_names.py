"""The queues that are served, as they may be written and as they are kept."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from sidelong.core.options import check_queue_name
from sidelong.core.queue_order import QueueOrder
from sidelong.errors import ConfigurationError

Queue = str | tuple[str, int]
"""`"name"`, `"name,weight"` or `("name", weight)`."""
Queues = tuple[tuple[str, int], ...]
"""Queue names with their weights, in order; all weights 0 means strict order."""


def parse_queues(queues: Iterable[Queue]) -> Queues:
    """Return queue names with weights; names without one get 0 if no name has one, and else 1.

    Raises:
        ConfigurationError: a name or weight cannot work, a name is there twice, 0 stands beside another weight,
            or `queues` is no list.
    """
    if isinstance(queues, str | bytes | Mapping) or not isinstance(queues, Iterable):
        raise ConfigurationError(f'queues must be a list of names, as in ["critical", "default"], not {queues!r}')
    parsed = [_queue_and_weight(queue) for queue in queues]
    is_weighted = any(weight for _, weight in parsed)
    weights: dict[str, int] = {}
    for name, weight in parsed:
        if name in weights:
            raise ConfigurationError(
                f"the queue {name!r} is named twice: name it once, and give it a weight if its share"
                f' is to be larger, as in "{name},2"'
            )
        weights[name] = int(is_weighted) if weight is None else weight
    if weights:
        # It knows which weights cannot stand side by side.
        QueueOrder(weights, Random())
    return tuple(weights.items())


def refuse_shared_queues(capsules: Iterable[tuple[str, Queues]]) -> None:
    """Refuse a queue that two capsules of one worker would serve: decisions/0013 says why.

    Args:
        capsules: their names, and what they serve.

    Raises:
        ConfigurationError: a queue is in two of them.
    """
    owners: dict[str, str] = {}
    for capsule, queues in capsules:
        for queue, _ in queues:
            if queue in owners:
                raise ConfigurationError(
                    f"the queue {queue!r} is served by two capsules, {owners[queue]!r} and {capsule!r}: leave it out"
                    " of one (the capsule 'default' serves what `queues` or -q names)"
                )
            owners[queue] = capsule


def _queue_and_weight(queue: Any) -> tuple[str, int | None]:
    if isinstance(queue, str):
        name, comma, text = queue.partition(",")
        if not comma:
            return check_queue_name(name), None
        if not text.strip().isdecimal():
            raise ConfigurationError(f"{queue!r}: the weight of a queue must be a whole number")
        return check_queue_name(name.strip()), int(text)
    if isinstance(queue, tuple | list) and len(queue) == 2 and type(queue[1]) is int and queue[1] >= 0:
        return check_queue_name(queue[0]), queue[1]
    raise ConfigurationError(f'{queue!r} is no queue: write "name", "name,weight" or ("name", weight)')
