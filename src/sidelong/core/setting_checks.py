"""Checks of single settings: each returns the value as it is kept, or says what it must be.

A check is called with the name of the setting and the value given, and raises ConfigurationError.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sidelong.core.address import parse_address
from sidelong.errors import ConfigurationError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the known one it looks like, or nothing."""
    alike = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def whole_number(least: int) -> Callable[[str, Any], int]:
    """Return a check for a whole number that is not less than `least`."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise ConfigurationError(f"{name} must be a whole number of at least {least}, not {value!r}")

    return check


def seconds(least: float) -> Callable[[str, Any], float]:
    """Return a check for a finite number of seconds that is not less than `least`."""

    def check(name: str, value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and math.isfinite(value) and value >= least:
            return float(value)
        raise ConfigurationError(f"{name} must be a number of seconds, at least {least:g}, not {value!r}")

    return check


def one_of(words: Sequence[str]) -> Callable[[str, Any], str]:
    """Return a check for one of `words`."""

    def check(name: str, value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ConfigurationError(f"{name} must be one of {', '.join(words)}, not {value!r}")

    return check


def true_or_false(name: str, value: Any) -> bool:
    """Return a boolean."""
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} must be True or False, not {value!r}")


def text(name: str, value: Any) -> str:
    """Return a string."""
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"{name} must be a string, not {value!r}")


def text_or_none(name: str, value: Any) -> str | None:
    """Return a string or None."""
    return None if value is None else text(name, value)


def address_or_nothing(name: str, value: Any) -> str:
    """Return HOST:PORT, or an empty string."""
    if text(name, value):
        parse_address(value, called=name)
    return str(value)


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a list of strings as a tuple."""
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ConfigurationError(f"{name} must be a list of strings, not {value!r}")


def exception_classes(name: str, value: Any) -> tuple[type[Exception], ...]:
    """Return a list of exception classes as a tuple."""
    if isinstance(value, list | tuple) and all(map(_is_exception_class, value)):
        return tuple(value)
    raise ConfigurationError(
        f"{name} must be a list of exception classes, given in code, as in [TimeoutError], not {value!r}"
    )


def options(name: str, value: Any) -> Mapping[str, Any]:
    """Return a copy of a mapping that nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType(dict(value))
    raise ConfigurationError(f"{name} must be a dict of options, not {value!r}")


def _is_exception_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
