"""What came out of Redis, or out of user code, as something a log may hold."""

from typing import Any

_SHOWN = 200
"""Bytes, not characters: logs have limits for lines, and an emoji has four."""


def shown(value: Any) -> str:
    """Return a value as one short line without control characters: it may hold anything."""
    if type(value) is str and len(value) <= _SHOWN and value.isprintable() and size(value) <= _SHOWN:
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    line = escaped(text[:_SHOWN])
    if len(text) > _SHOWN or size(line) > _SHOWN:
        line = f"{line.encode()[:_SHOWN].decode('utf-8', 'ignore')}..."
    return line


def size(line: str) -> int:
    """Return how many bytes a printable text has in a log."""
    return len(line) if line.isascii() else len(line.encode())


def escaped(text: str) -> str:
    r"""Return `text` as one line, with an escape such as `\x1b` for whatever a terminal would not print as it is.

    These are line ends and other control characters, marks that turn the direction of writing, invisible and
    unassigned characters, and halves of surrogate pairs, which no encoding can write.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
