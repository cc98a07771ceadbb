"""What Redis tells of itself: which it is, how full it is, and whether it keeps what it is given."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sidelong.core.clock import Clock
from sidelong.errors import Refused
from sidelong.store.link import Link
from sidelong.store.server_info import number, read_info

_PRODUCTS: Final = {"valkey_version": "Valkey", "dragonfly_version": "Dragonfly", "redis_version": "Redis"}
"""By the field that holds the version; Valkey tells one of Redis as well."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What INFO tells; None for what it does not, for instance where the user may not ask.

    Attributes:
        address: where it is, without credentials.
        product: `Redis`, `Valkey` or `Dragonfly`.
        version: of the product.
        role: `master` or `slave`.
        uptime: seconds since it was started.
        clients: connections.
        most_clients: its `maxclients`.
        operations: commands a second.
        memory: bytes that its data takes.
        peak_memory: the most that it took since it was started.
        resident_memory: bytes that the system has given it.
        memory_limit: its `maxmemory` in bytes; 0 for none.
        machine_memory: bytes of the machine.
        policy: its `maxmemory-policy`.
        evicted: keys that it has dropped for want of memory since it was started.
        saved_at: when it last wrote a snapshot, in epoch seconds.
        is_saving: whether the last snapshot could be written.
        has_log: whether it keeps an append-only file.
        is_logging: whether the last write to that file worked.
        replicas: how many replicas are connected.
        round_trip: seconds from a question to the answer, as seen from here.
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

    @property
    def memory_share(self) -> float | None:
        """How much of its memory is taken, from 0 to 1: of its limit, else of the machine; None if it does not tell."""
        most = self.memory_limit or self.machine_memory
        return None if self.memory is None or not most else self.memory / most


async def read_facts(link: Link, address: str, clock: Clock) -> ServerFacts:
    """Return what Redis tells of itself.

    Raises:
        Unavailable, ReplyLost: as `Link.call`.
    """
    facts: dict[str, str] = {}
    with suppress(Refused):
        facts = read_info(await link.call("INFO"))
    asked_at = clock.monotonic()
    # A refusal is an answer as well. INFO came first: it may have opened the connection.
    with suppress(Refused):
        await link.call("PING")
    round_trip = clock.monotonic() - asked_at
    field = next((field for field in _PRODUCTS if field in facts), "")
    return ServerFacts(
        address=address,
        product=_PRODUCTS.get(field),
        version=facts.get(field),
        role=facts.get("role"),
        uptime=number(facts, "uptime_in_seconds"),
        clients=number(facts, "connected_clients"),
        most_clients=number(facts, "maxclients"),
        operations=number(facts, "instantaneous_ops_per_sec"),
        memory=number(facts, "used_memory"),
        peak_memory=number(facts, "used_memory_peak"),
        resident_memory=number(facts, "used_memory_rss"),
        memory_limit=number(facts, "maxmemory"),
        machine_memory=number(facts, "total_system_memory"),
        policy=facts.get("maxmemory_policy"),
        evicted=number(facts, "evicted_keys"),
        saved_at=number(facts, "rdb_last_save_time"),
        is_saving=_is(facts, "rdb_last_bgsave_status", "ok"),
        has_log=_is(facts, "aof_enabled", "1"),
        is_logging=_is(facts, "aof_last_write_status", "ok"),
        replicas=number(facts, "connected_slaves"),
        round_trip=round_trip,
    )


def _is(facts: Mapping[str, str], name: str, value: str) -> bool | None:
    return facts[name] == value if name in facts else None
