"""What the workers have taken and not settled yet, as anybody sees it from outside."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import ask
from sidelong.store.link import Link


@dataclass(frozen=True, slots=True)
class Held:
    """One entry of a private list.

    Attributes:
        identity: whose list it is.
        queue: the queue it was taken from.
        raw: the payload.
        is_owner_alive: whether the owner's lease holds; if not, the entry goes back to its queue soon.
    """

    identity: str
    queue: str
    raw: bytes
    is_owner_alive: bool


async def held_entries(link: Link) -> AsyncIterator[Held]:
    """Iterate over the private lists of all owners; a key that cannot be read counts as empty.

    Raises:
        Unavailable, ReplyLost: as `Link.call`.
    """
    for identity in sorted(await _members(link, keys.OWNERS)):
        owner = names.read_name(identity)
        is_alive = await _has_lease(link, owner)
        for queue in sorted(await _members(link, keys.owner_queues(owner))):
            name = names.read_name(queue)
            for raw in await _entries(link, names.written(keys.inflight(owner, name))):
                yield Held(owner, name, raw, is_alive)


async def _has_lease(link: Link, owner: str) -> bool:
    try:
        return await ask(link, "GET", names.written(keys.lease(owner))) is not None
    except Refused:
        return True


async def _members(link: Link, key: str) -> list[bytes]:
    try:
        members: list[bytes] = await ask(link, "SMEMBERS", names.written(key))
    except Refused:
        return []
    return members


async def _entries(link: Link, key: bytes) -> list[bytes]:
    # At once, and not in pages: what leaves between two pages would hide as many others.
    try:
        entries: list[bytes] = await ask(link, "LRANGE", key, 0, -1)
    except Refused:
        return []
    return entries
