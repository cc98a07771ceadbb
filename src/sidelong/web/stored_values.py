"""The values of any key as text: JSON in lines, other text as it is, and secrets not at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sidelong.api import Elements, Keyspace, Part, StoredKey
from sidelong.api.display import is_secret
from sidelong.core.redaction import HIDDEN
from sidelong.web.redaction import looks_like_json, shown_json
from sidelong.web.site import Site

BEGIN: Final = "0"
"""Where a key begins."""
START: Final = r"\d{1,20}(-\d{1,20})?"
"""How a place in a key is written."""

_BEGIN_BYTES: Final = 100
_LONGEST: Final = 4_000
"""Characters that are shown of one of several values."""
_LONGEST_STRING: Final = 70_000


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value.

    Attributes:
        text: what is shown; it may hold anything.
        size: bytes that are stored.
        is_whole: whether it is all.
        is_withheld: whether nothing is shown: of JSON that was cut nobody knows what is secret.
    """

    text: str
    size: int
    is_whole: bool = True
    is_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One element.

    Attributes:
        label: what stands before it: the field of a hash, the score of a sorted set, the id of a stream.
        values: the value; of a stream fields and values by turns.
    """

    label: str
    values: list[ShownValue]


async def read_elements(keyspace: Keyspace, name: str, start: str) -> Elements:
    """Return what is shown of a key; of a string that is JSON no part, for nobody knows what in a part is secret.

    Args:
        keyspace: all keys.
        name: of the key.
        start: where to go on, as the elements before say; `BEGIN` to begin.

    Raises:
        StoreError: Redis cannot be reached, or refuses.
    """
    found = await keyspace.read(name, start)
    if found.type == "string" and (start != BEGIN or found.next):
        begin = await keyspace.read(name, most_bytes=_BEGIN_BYTES)
        if any(looks_like_json(part.begin) for parts in begin.items for part in parts):
            return replace(begin, next="")
    return found


def shown_rows(site: Site, found: Elements, key: StoredKey) -> list[Row]:
    """Return the elements of a key as people may see them.

    Keys that Sidekiq and we write hold no secrets but those in payloads, whatever a queue or a job is called.
    """
    is_foreign = key.kind is None
    is_hidden = is_foreign and is_secret(key.name)
    return [_row(site, found.type, parts, is_hidden=is_hidden, is_foreign=is_foreign) for parts in found.items]


def _row(site: Site, kind: str, parts: Sequence[Part], *, is_hidden: bool, is_foreign: bool) -> Row:
    label, values = "", list(parts)
    if kind in ("hash", "zset", "stream"):
        label, *values = _text(parts[0]), *parts[1:]
    names = [label if kind == "hash" else ""] * len(values)
    if kind == "stream":
        names = ["" if place % 2 == 0 else _text(values[place - 1]) for place in range(len(values))]
    return Row(
        label,
        [
            _shown_value(
                site,
                part,
                is_hidden=is_hidden or (is_foreign and is_secret(name)),
                longest=_LONGEST_STRING if kind == "string" else _LONGEST,
            )
            for part, name in zip(values, names, strict=True)
        ],
    )


def _shown_value(site: Site, part: Part, *, is_hidden: bool, longest: int) -> ShownValue:
    if is_hidden:
        return ShownValue(HIDDEN, part.size)
    if not part.is_whole and looks_like_json(part.begin):
        return ShownValue("", part.size, is_whole=False, is_withheld=True)
    found = shown_json(site, part.begin) if part.is_whole else None
    text = _text(part) if found is None else json.dumps(found, ensure_ascii=False, indent=2)
    return ShownValue(text[:longest], part.size, is_whole=part.is_whole and len(text) <= longest)


def _text(part: Part) -> str:
    return part.begin.decode("utf-8", "backslashreplace")
