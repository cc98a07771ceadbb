"""The key-leak checker: whatever a test leaves in Redis is declared, and what should expire does."""

import importlib
import re
from collections.abc import Iterable
from typing import Protocol, cast

import redis

from tests.support.redis_state import State


class DeclaredKey(Protocol):
    """One row of `sidelong.store.keys.CATALOGUE`.

    Attributes:
        pattern: regular expression that matches the whole key.
        type: as Redis' TYPE names it.
        ttl: the longest expiry in seconds; None if no expiry is demanded.
    """

    @property
    def pattern(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def ttl(self) -> float | None: ...


_FIGURE = re.compile(r"sidelong:(jobs|drained|durations|flushed):.*|[jh]\|.*|.*-\d\d-\d\d:\d{1,2}")
"""Execution metrics, which outlive the worker that wrote them by hours."""


def is_figure(name: str) -> bool:
    """Tell whether a key holds execution metrics."""
    return _FIGURE.fullmatch(name) is not None


def catalogue() -> tuple[DeclaredKey, ...]:
    """Return every key that the product declares."""
    return tuple(importlib.import_module("sidelong.store.keys").CATALOGUE)


def leaks(client: redis.Redis, declared: Iterable[DeclaredKey]) -> list[str]:
    """Return one line for each key in the client's database that no row of `declared` allows."""
    rows = tuple(declared)
    lines = []
    for key in sorted(cast("Iterable[bytes]", client.scan_iter(count=1000))):
        name = key.decode("utf-8", "surrogateescape")
        # The expiry first: a key that ends between the two looks is no leak.
        remaining = client.pttl(key)
        kind = cast("bytes", client.type(key)).decode()
        if kind != "none" and (complaint := _complaint(name, kind, remaining, rows)):
            lines.append(f"{name!r}: {complaint}")
    return lines


def undeclared(state: State, declared: Iterable[DeclaredKey]) -> list[str]:
    """Return one line for each key of a dump that no row of `declared` allows."""
    rows = tuple(declared)
    lines = []
    for name, entry in sorted(state.items()):
        remaining = -1 if entry.ttl is None else int(entry.ttl * 1000)
        if complaint := _complaint(name, entry.type, remaining, rows):
            lines.append(f"{name!r}: {complaint}")
    return lines


def _complaint(name: str, kind: str, remaining: int, rows: Iterable[DeclaredKey]) -> str:
    """Say what is wrong with a key; empty if one of the rows that match its name allows it."""
    complaints = []
    for row in rows:
        if not re.fullmatch(row.pattern, name, re.DOTALL):
            continue
        if kind != row.type:
            complaints.append(f"is a {kind}, declared as a {row.type}")
        elif row.ttl is not None and remaining < 0:
            complaints.append(f"never expires, declared to do so within {row.ttl:g} s")
        elif row.ttl is not None and remaining > row.ttl * 1000:
            complaints.append(f"expires in {remaining / 1000:g} s, declared {row.ttl:g} s")
        else:
            return ""
    return "; ".join(complaints) or f"is a {kind} that the catalogue does not know"
