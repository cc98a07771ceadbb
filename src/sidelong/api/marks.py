"""Where to go on with what was broken off: written for whoever asks again, who may be another process.

A mark is a place in a list, and nothing more: a forged one leads to another place of the same list.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

LONGEST: Final = 2_000
"""Characters of a mark."""


class MarkError(ValueError):
    """What was given as a mark is none."""


def write_mark(place: Any) -> str:
    """Return a place, made of numbers, bytes and tuples of them, as text that an address or a form can hold."""
    return urlsafe_b64encode(msgspec.msgpack.encode(place)).decode("ascii").rstrip("=")


def read_mark(mark: str, kind: type[T]) -> T:
    """Return the place that a mark stands for.

    Raises:
        MarkError: it is no mark of this kind.
    """
    try:
        if len(mark) > LONGEST:
            raise ValueError("it is too long")
        packed = urlsafe_b64decode(mark.encode("ascii") + b"=" * (-len(mark) % 4))
        return msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise MarkError(f"this is no place where a list could be gone on with: {error}") from None
