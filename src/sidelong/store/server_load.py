"""How busy Redis itself is."""

from contextlib import suppress
from dataclasses import dataclass

from sidelong.core.clock import Clock
from sidelong.errors import Refused, ReplyLost
from sidelong.store.link import Link
from sidelong.store.server_info import number, read_info


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """What Redis tells of itself; None for what it does not tell, such as where the user may not ask.

    Attributes:
        memory_used: bytes that its data takes.
        memory_limit: its `maxmemory` in bytes, 0 for none.
        connections: how many clients are connected.
        round_trip: seconds from a question to the answer, as seen from here.
    """

    memory_used: int | None
    memory_limit: int | None
    connections: int | None
    round_trip: float


async def read_load(link: Link, clock: Clock) -> ServerLoad:
    """Return how busy Redis is.

    Raises:
        Unavailable, ReplyLost: as `Link.call`.
    """
    # What comes first may have to open the connection.
    answers = await link.pipeline([("INFO", "memory"), ("INFO", "clients")])
    facts: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, ReplyLost):
            raise answer
        if isinstance(answer, bytes):
            facts |= read_info(answer)
    asked_at = clock.monotonic()
    # A refusal is an answer as well.
    with suppress(Refused):
        await link.call("PING")
    round_trip = clock.monotonic() - asked_at
    return ServerLoad(
        number(facts, "used_memory"), number(facts, "maxmemory"), number(facts, "connected_clients"), round_trip
    )
