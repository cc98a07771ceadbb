"""What came out of Redis, or out of user code, as something a log may hold."""

from typing import Any

_SHOWN = 200


def shown(value: Any) -> str:
    """Return a value as one short line without control characters: it may hold anything."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    line = text[:_SHOWN]
    if not line.isprintable():
        line = line.encode("unicode_escape").decode("ascii")
    if len(text) > _SHOWN or len(line) > _SHOWN:
        line = f"{line[:_SHOWN]}..."
    return line
