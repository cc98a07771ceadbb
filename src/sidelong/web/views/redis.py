"""Redis: what it tells of itself, and every key that it holds."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from sidelong.api import KeyPage, Keyspace, StoredKey
from sidelong.api.keyspace import BEGINNINGS
from sidelong.api.server import redis_facts, redis_troubles
from sidelong.errors import Refused
from sidelong.web.places import write_segment
from sidelong.web.stored_values import BEGIN, START, Row, read_elements, shown_rows
from sidelong.web.visit import Visit, not_found

_WITHIN: Final = 0.6
"""Seconds for which keys are looked for."""
_LONGEST_TEXT: Final = 500
_LONGEST_SEGMENT: Final = 1_900
_LAST_CURSOR: Final = 2**64 - 1
_START: Final = re.compile(START)


async def redis(visit: Visit) -> Response:
    """Return the page of the server, and of some of its keys."""
    text, cursor = visit.query.get("text", "")[:_LONGEST_TEXT], _cursor(visit.query.get("from", ""))
    facts = await redis_facts(visit.site.app)
    keyspace = Keyspace(visit.site.app)
    known: list[StoredKey] = []
    page, size, refusal = KeyPage([], 0), None, ""
    try:
        known = await keyspace.known() if not text and not cursor else []
        size = await keyspace.size()
        page = await keyspace.scan(cursor, text=text or None, within=_WITHIN)
    except Refused as error:
        refusal = str(error)
    return await visit.page(
        "redis.html",
        facts=facts,
        troubles=redis_troubles(facts),
        text=text,
        size=size,
        rows=[(key, _segment(key)) for key in _in_order(known, page.keys)],
        beginnings=BEGINNINGS,
        is_begun=bool(cursor),
        goes_on=page.next,
        refusal=refusal,
    )


async def key(visit: Visit) -> Response:
    """Return the page of one key."""
    start = visit.query.get("from", "")
    start = start if _START.fullmatch(start) else BEGIN
    keyspace = Keyspace(visit.site.app)
    about = await keyspace.get(visit.names["key"]) or not_found()
    rows: list[Row] = []
    goes_on, refusal = "", about.error or ""
    try:
        found = await read_elements(keyspace, about.name, start)
    except Refused as error:
        refusal = str(error)
    else:
        if found.type == "none":
            not_found()
        rows, goes_on = shown_rows(visit.site, found, about), found.next
    return await visit.page("key.html", key=about, rows=rows, is_begun=start != BEGIN, goes_on=goes_on, refusal=refusal)


def _in_order(known: Sequence[StoredKey], others: Sequence[StoredKey]) -> list[StoredKey]:
    """Return the keys that people look for first, and then the others by name."""
    names = {key.name for key in known}
    return [*known, *sorted((key for key in others if key.name not in names), key=lambda key: key.name)]


def _cursor(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 20:
        return 0
    return min(int(text), _LAST_CURSOR)


def _segment(key: StoredKey) -> str | None:
    """Return how an address names a key; None if it would be too long."""
    segment = write_segment(key.name)
    return segment if len(segment) <= _LONGEST_SEGMENT else None
