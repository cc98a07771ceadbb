"""The stored backtrace of a failed job, in each of the ways in which Sidekiq has written it."""

import binascii
import re
import zlib
from typing import Any, Final

from sidelong.core import serialization
from sidelong.errors import InvalidPayloadError

TRUNCATED: Final = "(truncated)"
"""Stands as the last frame where there are more."""

_MOST_BYTES: Final = 256 * 1024
"""A few bytes can inflate to gigabytes; hardly a backtrace is that long."""
_WHOLE_FRAMES: Final = re.compile(rb'\[\s*((?:"(?:[^"\\]|\\.)*"\s*,\s*)*)(?="|\Z)', re.DOTALL)


def read_backtrace(value: Any) -> list[str] | None:
    """Return the frames of `error_backtrace`, innermost first; None if there are none that can be read.

    It is JSON, deflated, in Base64 on one line or on many; or a plain array (wire-format §3.3). Of what inflates to
    more than 256 KiB the rest is left out, and the last frame is `(truncated)`.

    Args:
        value: what the payload holds.
    """
    frames = _inflated(value) if type(value) is str else value
    if type(frames) is not list or not all(type(frame) is str for frame in frames):
        return None
    return frames


def _inflated(text: str) -> Any:
    try:
        # Ruby leaves out what is not of the alphabet, and does not insist on the padding.
        data = binascii.a2b_base64(text.rstrip().rstrip("=") + "==")
        inflating = zlib.decompressobj()
        plain = inflating.decompress(data, _MOST_BYTES)
        if inflating.eof:
            return serialization.loads(plain)
        return _first_frames(plain) if len(plain) == _MOST_BYTES else None
    except (ValueError, zlib.error, InvalidPayloadError):
        return None


def _first_frames(plain: bytes) -> Any:
    """Return the frames that are whole in the begin of a JSON array of texts."""
    whole = _WHOLE_FRAMES.match(plain)
    if whole is None:
        return None
    return [*serialization.loads(b"[" + whole[1].rstrip(b", \t\r\n") + b"]"), TRUNCATED]
