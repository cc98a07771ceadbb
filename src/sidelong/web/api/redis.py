"""Redis itself in the JSON API."""

from dataclasses import asdict
from typing import Final

from msgspec import Struct

from sidelong.api.server import redis_facts, redis_troubles
from sidelong.web.api.endpoint import endpoint
from sidelong.web.visit import Visit


class RedisFacts(Struct, kw_only=True):
    """What Redis tells of itself; null for what it does not.

    Attributes:
        address: where it is, without credentials.
        product: `Redis`, `Valkey` or `Dragonfly`.
        version: of the product.
        role: `master` or `slave`.
        uptime: seconds since it was started.
        clients: connections.
        most_clients: the most that it takes.
        operations: commands a second.
        memory: bytes that its data takes.
        peak_memory: the most that it took since it was started.
        resident_memory: bytes that the system has given it.
        memory_limit: the most that its data may take; 0 for no limit.
        machine_memory: bytes of the machine.
        policy: what it does at the limit.
        evicted: keys that it has dropped for want of memory.
        saved_at: when it last wrote a snapshot, in epoch seconds.
        is_saving: whether the last snapshot could be written.
        has_log: whether it keeps an append-only file.
        is_logging: whether the last write to that file worked.
        replicas: how many replicas are connected.
        round_trip: seconds from a question to the answer.
        troubles: what of this may lose or refuse jobs, the worst first: `replica`, `evicts`, `evicted`, `nearly_full`,
            `not_saved`, `not_logged`.
    """

    address: str
    product: str | None
    version: str | None
    role: str | None
    uptime: int | None
    clients: int | None
    most_clients: int | None
    operations: int | None
    memory: int | None
    peak_memory: int | None
    resident_memory: int | None
    memory_limit: int | None
    machine_memory: int | None
    policy: str | None
    evicted: int | None
    saved_at: int | None
    is_saving: bool | None
    has_log: bool | None
    is_logging: bool | None
    replicas: int | None
    round_trip: float
    troubles: list[str]


async def get_redis(visit: Visit) -> RedisFacts:
    """Tell what Redis tells of itself, and what of it is no good for jobs."""
    facts = await redis_facts(visit.site.app)
    return RedisFacts(**asdict(facts), troubles=redis_troubles(facts))


ENDPOINTS: Final = (endpoint("GET", "/redis", "redis", get_redis),)
