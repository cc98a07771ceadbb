"""Settings written as text, in variables and in placeholders, become values of the setting's type."""

import functools
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from sidelong.core.queue_names import Queues
from sidelong.errors import ConfigurationError

_TRUE: Final = frozenset({"true", "yes", "on"})
_FALSE: Final = frozenset({"false", "no", "off"})


def from_text(name: str, kind: Any, text: str, *, shown: str) -> Any:
    """Return what `text` says, as a value of the type `kind`.

    Lists are parted by commas; queues by spaces, for a comma stands before the weight; a table is a JSON object.

    Args:
        name: the setting, for the message.
        kind: the type of its field, such as `int` or `float | None`.
        text: what is written.
        shown: what the message shows in its place, for it may hold a secret.

    Raises:
        ConfigurationError: it says nothing of the kind, or text cannot.
    """
    parser = _PARSERS.get(_without_none(kind))
    if parser is None:
        raise ConfigurationError(f"{name} cannot be given as text: it belongs in code or in the settings file")
    expected, parse = parser
    try:
        return parse(text.strip())
    except ValueError:
        raise ConfigurationError(f"{name} must be {expected}, not {shown}") from None


def _without_none(kind: Any) -> Any:
    """Return `int` for `int | None`."""
    parts = [part for part in get_args(kind) if part is not type(None)]
    return functools.reduce(operator.or_, parts) if type(None) in get_args(kind) else kind


def _truth(text: str) -> bool:
    word = text.lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError


def _truth_or_digit(text: str) -> bool:
    return bool(int(text)) if text in ("0", "1") else _truth(text)


def _truth_or_number(text: str) -> bool | int:
    return int(text) if text.isdecimal() else _truth(text)


def _texts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if isinstance(value, dict):
        return value
    raise ValueError


_PARSERS: Final[Mapping[Any, tuple[str, Callable[[str], Any]]]] = {
    str: ("text", str),
    int: ("a whole number", int),
    float: ("a number", float),
    bool: ("true or false", _truth_or_digit),
    bool | int: ("true, false or a whole number", _truth_or_number),
    tuple[str, ...]: ("words, parted by commas", _texts),
    Queues: ("names of queues, parted by spaces", str.split),
    Mapping[str, Any]: ("a JSON object", _json_object),
}
