"""The `paused` set: queues from which nothing is to be fetched, whoever said so."""

from collections.abc import Sequence
from typing import Any

from sidelong.errors import Refused
from sidelong.store import keys
from sidelong.store.link import Link

Paused = frozenset[str] | Refused
"""Those of some queues that are paused, or why nobody can tell."""


async def read_paused(link: Link, names: Sequence[str]) -> Paused:
    """Return those of the queues that are paused: SMISMEMBER, O(number of `names`).

    Raises:
        Unavailable, ReplyLost: as `Link.call`.
    """
    try:
        return paused_of(names, await link.call("SMISMEMBER", keys.PAUSED, *names))
    except Refused as error:
        return error


def paused_of(names: Sequence[str], answer: Any) -> Paused:
    """Return what an answer says of these queues; an error text stands for itself."""
    if isinstance(answer, bytes):
        return Refused(answer.decode("utf-8", "replace"))
    return frozenset(name for name, is_paused in zip(names, answer, strict=True) if is_paused)
