"""Fetching that is not watched, or not looked after."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.broken.patches import replace, wrap

_NEVER = 1e9


def look_for_nothing_lost() -> None:
    """Never look for jobs that were taken while the reply which named them was lost."""

    async def audit(fetcher: Any, in_memory: Callable[[], Sequence[Any]]) -> list[Any]:
        return []

    replace("sidelong.worker.fetcher:Fetcher.audit", audit)


def block_for_ever() -> None:
    """Wait for jobs without end, and take a connection that has gone silent for one that has no jobs."""

    async def park(queues: Any, link: Any, place: int, seconds: float) -> bytes | None:
        queue, inflight = queues.lists[place]
        raw: bytes | None = await link.call("BLMOVE", queue, inflight, "RIGHT", "LEFT", 0)
        return raw

    def unwatched(make: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(make)
        def link(store: Any, name: str, *, answer_within: float | None = None, **options: Any) -> Any:
            return make(store, name, answer_within=_NEVER if "-park-" in name else answer_within, **options)

        return link

    replace("sidelong.store.queues:CapsuleQueues.park", park)
    wrap("sidelong.store.store:Store.link", unwatched)
