"""What a worker should be able to read, told by Python's own JSON reader and not by the one that is under test."""

import json
from typing import Any, Never

from sidelong.core.serialization import MAX_NESTING

_MOST_DIGITS = 4300


def readable(raw: bytes) -> dict[str, Any] | None:
    """Return the job that stands in `raw`, None if it is no JSON object in UTF-8 that Ruby would read as well."""
    try:
        item = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_without_surrogates
        )
    except (ValueError, RecursionError):
        return None
    return item if type(item) is dict and _depth(item) <= MAX_NESTING else None


def usable_jid(item: dict[str, Any]) -> str | None:
    """Return the jid of a job that keeps it, None for one that gets another."""
    jid = item.get("jid")
    return jid if isinstance(jid, str) and jid else None


def crashes(item: dict[str, Any], now: float, window: float) -> int:
    """Return how many crashes within so many seconds before or after `now` a job has recorded."""
    times = item.get("crashed_at")
    if not isinstance(times, list):
        return 0
    return sum(type(at) in (int, float) and now - window < at <= now + window for at in times)


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


def _without_surrogates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Also in what a key of the same name hides.
    for key, value in pairs:
        for text in (key, value) if isinstance(value, str) else (key, *_texts(value)):
            text.encode("utf-8")
    return dict(pairs)


def _texts(value: Any) -> list[str]:
    """Return the texts in lists; those in objects have been looked at."""
    found: list[str] = []
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left += each
        elif isinstance(each, str):
            found.append(each)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _depth(value: Any) -> int:
    deepest, left = 0, [(value, 1)]
    while left:
        each, depth = left.pop()
        if isinstance(each, dict | list):
            deepest = max(deepest, depth)
            left += [(inner, depth + 1) for inner in (each.values() if isinstance(each, dict) else each)]
    return deepest
