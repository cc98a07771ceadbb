"""Every key of Redis in the JSON API: looked at, and never changed."""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from sidelong.api import Keyspace, StoredKey
from sidelong.web.api.endpoint import PREFIX, endpoint
from sidelong.web.api.jobs import cut
from sidelong.web.api.parameters import Text
from sidelong.web.places import write_segment
from sidelong.web.stored_values import BEGIN, START, read_elements, shown_rows
from sidelong.web.visit import Visit, not_found

_WITHIN: Final = 0.6
"""Seconds for which keys are looked for."""
_LONGEST_SEGMENT: Final = 1_900


class WantedKeys(Struct, kw_only=True, forbid_unknown_fields=True, rename={"cursor": "from"}):
    """Which keys are wanted.

    Attributes:
        text: what their names contain.
        cursor: where to go on; `next` of an answer says it.
    """

    text: Text | UnsetType = UNSET
    cursor: Annotated[str, Meta(pattern=r"^\d{1,19}$")] = BEGIN


class WantedValues(Struct, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """Which values of a key are wanted.

    Attributes:
        start: where to go on; `next` of an answer says it.
    """

    start: Annotated[str, Meta(pattern=f"^{START}$")] = BEGIN


class RedisKey(Struct, kw_only=True):
    """A key of Redis.

    Attributes:
        name: its name.
        url: where its values are told; null where its name is too long for that.
        type: as Redis calls it.
        size: bytes of a string, elements of all others; null where that is not told.
        ttl: seconds until it goes by itself; null if it stays.
        kind: what it is to Sidekiq or Sidelong, in a word; null for keys of others.
        error: what Redis said if it may not be looked at.
    """

    name: str
    url: str | None
    type: str
    size: int | None
    ttl: float | None
    kind: str | None
    error: str | None


class RedisKeys(Struct, kw_only=True):
    """Some keys of Redis, in no order.

    Attributes:
        keys: the keys.
        size: how many there are in all.
        next: where the list goes on; null at its end.
    """

    keys: list[RedisKey]
    size: int
    next: str | None


class KnownKeys(Struct, kw_only=True):
    """The keys that every Sidekiq has, as far as they are there.

    Attributes:
        keys: the keys.
    """

    keys: list[RedisKey]


class Value(Struct, kw_only=True):
    """One value.

    Attributes:
        text: what it is, as text; without what looks like a secret.
        size: bytes that are stored.
        is_whole: whether that is all of it.
        is_withheld: whether nothing is told: of JSON that was cut nobody knows what is secret.
    """

    text: str
    size: int
    is_whole: bool
    is_withheld: bool


class Element(Struct, kw_only=True):
    """One element of a key.

    Attributes:
        label: the field of a hash, the score of a sorted set, the id of a stream; else empty.
        values: the value; of a stream fields and values by turns.
    """

    label: str
    values: list[Value]


class RedisValues(Struct, kw_only=True):
    """Some of what a key holds.

    Attributes:
        key: the key.
        elements: its elements.
        next: where it goes on; null at its end.
    """

    key: RedisKey
    elements: list[Element]
    next: str | None


async def list_keys(visit: Visit, query: WantedKeys) -> RedisKeys:
    """List some keys of Redis."""
    keyspace = Keyspace(visit.site.app)
    text = query.text if isinstance(query.text, str) else None
    size = await keyspace.size()
    page = await keyspace.scan(int(query.cursor), text=text, within=_WITHIN)
    goes_on = visit.place.url(f"{PREFIX}/redis/keys", text=text, **{"from": page.next}) if page.next else None
    return RedisKeys(keys=[_key(visit, each) for each in page.keys], size=size, next=goes_on)


async def list_known_keys(visit: Visit) -> KnownKeys:
    """List those keys of Redis that every Sidekiq has, as far as they are there."""
    known = await Keyspace(visit.site.app).known()
    return KnownKeys(keys=[_key(visit, each) for each in known])


async def get_key(visit: Visit, query: WantedValues) -> RedisValues:
    """Tell what a key of Redis holds, a part at a time."""
    keyspace = Keyspace(visit.site.app)
    about = await keyspace.get(visit.names["key"]) or not_found()
    found = await read_elements(keyspace, about.name, query.start)
    if found.type == "none":
        not_found()
    key = _key(visit, about)
    return RedisValues(
        key=key,
        elements=[
            Element(
                label=cut(row.label),
                values=[
                    Value(text=each.text, size=each.size, is_whole=each.is_whole, is_withheld=each.is_withheld)
                    for each in row.values
                ],
            )
            for row in shown_rows(visit.site, found, about)
        ],
        next=visit.place.url(_path(about), **{"from": found.next}) if found.next else None,
    )


def _key(visit: Visit, key: StoredKey) -> RedisKey:
    return RedisKey(
        name=cut(key.name),
        url=visit.place.url(_path(key)) if len(write_segment(key.name)) <= _LONGEST_SEGMENT else None,
        type=key.type,
        size=key.size,
        ttl=key.ttl,
        kind=key.kind,
        error=key.error,
    )


def _path(key: StoredKey) -> str:
    return f"{PREFIX}/redis/keys/{write_segment(key.name)}"


ENDPOINTS: Final = (
    endpoint("GET", "/redis/keys", "redis", list_keys),
    endpoint("GET", "/redis/known-keys", "redis", list_known_keys),
    endpoint("GET", "/redis/keys/{key}", "redis", get_key, faults=[404]),
)
