"""What steps are called, and the keys that third parties are given: both are made of parts that stay apart."""

import hashlib
from collections.abc import Sequence
from typing import Final

from sidelong.core import serialization
from sidelong.core.display import shown
from sidelong.errors import ArgumentError, InvalidPayloadError

LONGEST_NAME: Final = 512
"""Bytes of a step's name as JSON."""


def step_name(parts: Sequence[str | int]) -> bytes:
    """Return the name of a step as it is stored: its parts as a JSON array.

    Raises:
        ArgumentError: there are no parts, one is empty or neither text nor a whole number, or all are too long.
    """
    if not parts or "" in parts:
        raise ArgumentError("a step has a name, which is not empty, as in once('charge')")
    name = _written(parts, "a part of a step's name")
    if len(name) > LONGEST_NAME:
        raise ArgumentError(f"the name of a step has {len(name):,} bytes, more than {LONGEST_NAME}: {shown(name)}")
    return name


def shown_name(parts: Sequence[str | int]) -> str:
    """Return the name of a step as messages show it, which is how it was given."""
    return shown(", ".join(map(repr, parts)))


def idempotency_key(jid: str, parts: Sequence[str | int]) -> str:
    """Return the key of a job and some parts: the SHA-256 of the JSON array `[jid, *parts]`, as 64 hexadecimal digits.

    The same in every version, and what any language makes of the same JSON.

    Raises:
        ArgumentError: a part is neither text nor a whole number.
    """
    return hashlib.sha256(_written((jid, *parts), "a part of an idempotency key")).hexdigest()


def _written(parts: Sequence[str | int], what: str) -> bytes:
    for part in parts:
        # True would be told from 1 here, and not by the reader; None is mostly an id that is missing.
        if type(part) is not str and type(part) is not int:
            raise ArgumentError(f"{what} is {shown(repr(part))}, and must be a str or an int")
    try:
        return serialization.dumps(list(parts))
    except InvalidPayloadError as error:
        raise ArgumentError(f"{what} cannot be written: {error}") from None
