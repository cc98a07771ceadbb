"""The names that a job may have."""

from typing import Any

from sidelong.core.serialization import is_plain, plain_text
from sidelong.errors import JobDefinitionError


def checked_name(name: Any) -> str:
    """Return the name of a job as text that payloads can carry.

    Raises:
        JobDefinitionError: it is no text, empty, or UTF-8 cannot carry it.
    """
    if not isinstance(name, str) or not name:
        raise JobDefinitionError(f"a job's name must be a non-empty string, not {name!r}")
    text = plain_text(name)
    if not is_plain(text):
        raise JobDefinitionError(f"UTF-8 cannot carry the job's name {text!r}")
    return text


def checked_aliases(aliases: Any) -> tuple[str, ...]:
    """Return further names of a job.

    Raises:
        JobDefinitionError: they are no list, or one of them is no name.
    """
    if isinstance(aliases, str):
        raise JobDefinitionError(f"aliases must be a list of names, not the string {aliases!r}")
    return tuple(checked_name(alias) for alias in aliases)
