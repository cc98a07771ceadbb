"""How much memory Redis has taken, and how much it may take."""

from dataclasses import dataclass

from sidelong.store.link import Link
from sidelong.store.server_info import number, read_info


@dataclass(frozen=True, slots=True)
class Memory:
    """What Redis tells of its memory, in bytes.

    Attributes:
        used: what its data takes.
        limit: its `maxmemory`; where it has none, the memory of its machine, and 0 if that is not told either.
    """

    used: int
    limit: int


async def read_memory(link: Link) -> Memory:
    """Return what INFO tells.

    Raises:
        Refused: the user may not ask.
        Unavailable, ReplyLost: as `Link.call`.
    """
    answer: bytes = await link.call("INFO", "memory")
    facts = read_info(answer)
    limit = number(facts, "maxmemory") or number(facts, "total_system_memory") or 0
    return Memory(number(facts, "used_memory") or 0, limit)
