"""JSON as Sidekiq writes it, and the strict check of what may be sent.

Redis finds the members of lists and sets by their bytes, so a payload must have the bytes that Ruby gives it:
where they differ, Ruby's *reschedule* leaves two jobs in the place of one. What `dumps` accepts, `loads`
gives back equal.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sidelong.errors import ArgumentError, InvalidPayloadError

MAX_NESTING = 100
"""Levels of lists and dicts that Ruby's parser and generator accept."""

_ARGUMENT_NESTING = MAX_NESTING - 2  # the payload and its `args` are two of them
_MAX_DIGITS = 4300  # msgspec decodes no longer integer
_LARGEST_INT = 10**_MAX_DIGITS - 1
_SMALLEST_INT = -_LARGEST_INT

_SAFE_INTEGER = 2**53

TYPES_ADVICE = "; a job's parameter may be annotated with another type"
"""The end of what is said of a value of another type."""

# What a survey of some values found; all may hold at once.
_RUBY_FLOATS = 1
_UNFIT = 2
_LARGE_INTEGERS = 4

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def dumps(item: Any) -> bytes:
    """Write a value as compact JSON, byte for byte as Ruby does.

    Args:
        item: exact JSON types only: None, bool, int, float, str, list, and dict with str keys.

    Raises:
        InvalidPayloadError: JSON, or Ruby's parser, cannot carry it; the message names the place.
    """
    findings = _survey((item,), MAX_NESTING)
    if findings & _UNFIT:
        raise InvalidPayloadError(next(_faults(item, "payload", MAX_NESTING)))
    return _encode(_spell_floats(item) if findings & _RUBY_FLOATS else item)


def dump_payload(item: dict[str, Any], *, is_plain: bool = False) -> tuple[bytes, bool]:
    """Write a payload as `dumps` does, and tell whether its arguments hold an integer beyond 2**53.

    What a double holds exactly ends there: Lua, browsers and many languages read no larger integer unchanged.

    Args:
        item: the payload.
        is_plain: whether all but its arguments is known to be plain; see `is_plain`.

    Raises:
        ArgumentError: an argument cannot travel; see `check_arguments`.
        InvalidPayloadError: something else cannot.
    """
    findings = _survey(item["args"], _ARGUMENT_NESTING) if is_plain else _survey((item,), MAX_NESTING)
    if findings & _UNFIT:
        # Bad arguments are by far the likeliest cause, and have an error of their own.
        check_arguments(item["args"])
        raise InvalidPayloadError(next(_faults(item, "payload", MAX_NESTING)))
    if not is_plain and findings & _LARGE_INTEGERS:
        # It may be an option of the caller's own that is so large.
        findings ^= _LARGE_INTEGERS & ~_survey(item["args"], _ARGUMENT_NESTING)
    return _encode(_spell_floats(item) if findings & _RUBY_FLOATS else item), bool(findings & _LARGE_INTEGERS)


def dump_arguments(args: Sequence[Any]) -> tuple[bytes, bool]:
    """Write the positional arguments of a job as they stand in its payload; see `dump_payload`.

    Raises:
        ArgumentError: as `check_arguments`.
    """
    findings = _survey(args, _ARGUMENT_NESTING)
    if findings & _UNFIT:
        check_arguments(args)
    return _encode(_spell_floats(args) if findings & _RUBY_FLOATS else args), bool(findings & _LARGE_INTEGERS)


def plain_text(text: str) -> str:
    """Return a text itself of what may be a member of an enum, or of another subclass that JSON cannot carry."""
    return str.__str__(text)


def is_plain(item: Any) -> bool:
    """Tell whether a value can be written as it is: JSON carries it, and Ruby spells its numbers as we do."""
    return _survey((item,), MAX_NESTING) == 0


def loads(raw: bytes) -> Any:
    """Read JSON that any writer stored.

    Raises:
        InvalidPayloadError: it is not JSON in UTF-8, nests deeper than Ruby reads, or holds NaN, an infinity,
            a lone surrogate or a number out of range.
    """
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidPayloadError(f"not valid JSON: {error}") from error

    # What is short, or has few brackets, cannot nest deeply: this spares nearly every payload the walk.
    if len(raw) > 2 * MAX_NESTING and raw.count(b"[") + raw.count(b"{") > MAX_NESTING and _is_too_deep(value):
        raise InvalidPayloadError(f"not valid JSON: nested deeper than {MAX_NESTING} levels")
    return value


def _is_too_deep(value: Any) -> bool:
    return bool(_survey((value,), MAX_NESTING) & _UNFIT)


def check_arguments(args: Sequence[Any], *, root: str = "args") -> None:
    """Refuse arguments that would not come back equal from JSON.

    Args:
        args: the positional arguments of a job.
        root: what the message calls them.

    Raises:
        ArgumentError: an argument is not of an exact JSON type, is NaN or infinite, holds a lone surrogate,
            or nests too deeply; the message names its path, as in `args[0]["when"]`.
    """
    if _survey(args, _ARGUMENT_NESTING) & _UNFIT:
        raise ArgumentError(next(_faults(list(args), root, _ARGUMENT_NESTING + 1)))


def check_value(value: Any, *, root: str) -> None:
    """Refuse a value that stands as deep in a payload as an argument does; see `check_arguments`.

    Args:
        value: the value.
        root: what the message calls it.

    Raises:
        ArgumentError: it would not come back equal from JSON.
    """
    if _survey((value,), _ARGUMENT_NESTING) & _UNFIT:
        raise ArgumentError(next(_faults(value, root, _ARGUMENT_NESTING)))


def _survey(values: Iterable[Any], room: int) -> int:
    # Runs over every value pushed: one flat loop on exact types, no path kept. `_faults` finds the words.
    findings = 0
    for value in values:
        kind = type(value)
        if kind is str:
            if value.isascii() or _is_utf8(value):
                continue
            return _UNFIT
        if kind is int:
            if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
                continue
            if not _SMALLEST_INT <= value <= _LARGEST_INT:
                return _UNFIT
            findings |= _LARGE_INTEGERS
        elif kind is float:
            if 1e-4 <= value < 1e15:
                continue
            if not math.isfinite(value):
                return _UNFIT
            if _is_spelled_apart(value):
                findings |= _RUBY_FLOATS
        elif kind is list:
            if room == 0:
                return _UNFIT
            findings |= _survey(value, room - 1)
        elif kind is dict:
            if room == 0 or not _are_keys(value):
                return _UNFIT
            findings |= _survey(value.values(), room - 1)
        elif value is not None and kind is not bool:
            return _UNFIT
    return findings


def _are_keys(keys: Iterable[Any]) -> bool:
    for key in keys:  # noqa: SIM110 - twice as fast as all() with a generator
        if type(key) is not str or not (key.isascii() or _is_utf8(key)):
            return False
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_spelled_apart(value: float) -> bool:
    # Out there Ruby may use an exponent where msgspec does not, or write the exponent in another way.
    return value != 0 and not 1e-4 <= abs(value) < 1e15


def _spell_floats(value: Any) -> Any:
    match value:
        case float() if _is_spelled_apart(value):
            return msgspec.Raw(_ruby_text(value).encode())
        case list():
            return [_spell_floats(element) for element in value]
        case dict():
            return {key: _spell_floats(element) for key, element in value.items()}
        case _:
            return value


def _ruby_text(value: float) -> str:
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if mark:
        return text if "." in mantissa else f"{mantissa}.0e{exponent}"
    if text.endswith(".0"):
        # From 1e15 to 1e16 only Ruby uses an exponent, and only for whole numbers.
        sign = "-" if value < 0 else ""
        digits = text.removeprefix("-").removesuffix(".0").rstrip("0")
        return f"{sign}{digits[0]}.{digits[1:] or '0'}e+15"
    return text


def _faults(value: Any, path: str, room: int) -> Iterator[str]:
    kind = type(value)
    if kind in (list, dict) and room == 0:
        yield f"{path} nests too deeply: Ruby reads at most {MAX_NESTING} levels, payload and args included"
    elif kind is list:
        for index, element in enumerate(value):
            yield from _faults(element, f"{path}[{index}]", room - 1)
    elif kind is dict:
        for key, element in value.items():
            if type(key) is not str:
                yield f"{path} has the key {key!r}, a {type(key).__qualname__}: keys must be str"
            elif not _is_utf8(key):
                yield f"{path} has the key {key!r} with a lone surrogate, which UTF-8 cannot carry"
            else:
                yield from _faults(element, f"{path}[{json.dumps(key, ensure_ascii=False)}]", room - 1)
    elif kind is str:
        if not _is_utf8(value):
            yield f"{path} holds a lone surrogate, which UTF-8 cannot carry"
    elif kind is int:
        if not _SMALLEST_INT <= value <= _LARGEST_INT:
            yield f"{path} is an int of more than {_MAX_DIGITS} digits, which no worker would read"
    elif kind is float:
        if not math.isfinite(value):
            yield f"{path} is {value}, which JSON cannot carry"
    elif value is not None and kind is not bool:
        yield (
            f"{path} is of type {kind.__qualname__}: only None, bool, int, float, str, list and dict survive JSON,"
            f" and subclasses of them do not{TYPES_ADVICE}"
        )
