"""What Redis tells of itself, and what of it is no good for jobs."""

from typing import Final

from sidelong.app import Sidelong
from sidelong.store.server_facts import ServerFacts, read_facts

_NEARLY_FULL: Final = 0.9


async def redis_facts(app: Sidelong) -> ServerFacts:
    """Return what Redis tells of itself; what it does not tell, or may not be asked, is None.

    Redis: INFO and PING, O(1).

    Raises:
        StoreError: Redis cannot be reached.
    """
    return await read_facts(app.store.admin, app.store.address, app.store.clock)


def redis_troubles(facts: ServerFacts) -> list[str]:
    """Return what of these facts may lose or refuse jobs, the worst first.

    Returns:
        Some of `replica` (it takes no jobs), `evicts` (its policy drops jobs), `evicted` (it has dropped keys),
        `nearly_full` (90 % of its limit are taken), `not_saved` and `not_logged` (it cannot write to its disk).
    """
    is_nearly_full = bool(facts.memory_limit) and (facts.memory_share or 0.0) >= _NEARLY_FULL
    found = {
        "replica": facts.role == "slave",
        "evicts": facts.policy not in (None, "noeviction"),
        "evicted": bool(facts.evicted),
        "nearly_full": is_nearly_full,
        "not_saved": facts.is_saving is False,
        "not_logged": facts.is_logging is False,
    }
    return [trouble for trouble, is_so in found.items() if is_so]
