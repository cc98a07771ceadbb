"""Compare a value with what would arrive of it, so that nothing changes unseen on its way through JSON."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sidelong.core.serialization import check_arguments
from sidelong.errors import ArgumentError

_JSON_KINDS: Final = (type(None), bool, int, float, str, list, dict)
# Libraries hand out subclasses of these, such as asyncpg's UUID; what arrives is the plain one.
_PLAIN: Final = (datetime, date, time, timedelta, Decimal, UUID)
_SCALARS: Final = frozenset({type(None), bool, int, float, str, *_PLAIN})


def changes(given: Any, arrived: Any, path: str) -> Iterator[str]:
    """Yield what a job would get otherwise than it was given; nothing if it is faithful.

    A value that is JSON already may arrive as what it stands for: the text of a date as a date.

    Args:
        given: the argument as the caller has it.
        arrived: what the job would be called with.
        path: what messages call the value, as in `order.items[0]`.
    """
    kind = type(given)
    if kind is not type(arrived):
        if not _stands_for(given, arrived):
            yield f"{path} is of type {kind.__qualname__} and would arrive as {type(arrived).__qualname__}"
    elif kind in _SCALARS:
        if not _are_equal(given, arrived):
            yield f"{path} would arrive as another {kind.__qualname__}"
    elif isinstance(given, list | tuple):
        if len(given) != len(arrived):
            yield f"{path} would arrive with {len(arrived)} elements in place of {len(given)}"
        for index, (mine, other) in enumerate(zip(given, arrived, strict=False)):
            yield from changes(mine, other, f"{path}[{index}]")
    elif kind is dict:
        if len(given) != len(arrived):
            yield f"{path} would arrive with {len(arrived)} keys in place of {len(given)}"
        for (key, mine), (other_key, other) in zip(given.items(), arrived.items(), strict=False):
            # Any key has the form of a string in JSON.
            if type(key) is not str or type(other_key) is str:
                yield from changes(key, other_key, f"a key of {path}")
            yield from changes(mine, other, f"{path}[...]")
    elif names := _field_names(kind):
        for name in names:
            yield from changes(getattr(given, name, None), getattr(arrived, name, None), f"{path}.{name}")
    elif not _are_equal(given, arrived):
        yield f"{path} would arrive as another {kind.__qualname__}"


def _stands_for(given: Any, arrived: Any) -> bool:
    if type(arrived) in _JSON_KINDS:
        return type(given) is int and type(arrived) is float and given == arrived
    if isinstance(given, _PLAIN) and isinstance(given, type(arrived)):
        return _are_equal(given, arrived)
    try:
        check_arguments([given])
    except ArgumentError:
        return False
    return True


def _are_equal(given: Any, arrived: Any) -> bool:
    try:
        # The second holds for NaN alone.
        return bool(given == arrived or (given != given and arrived != arrived) or _are_one_instant(given, arrived))
    except Exception:
        return False


def _are_one_instant(given: Any, arrived: Any) -> bool:
    # Python calls times of two zones unequal, whatever they are, within the hour that a zone has twice.
    if not isinstance(given, datetime) or given.tzinfo is None or arrived.tzinfo is None:
        return False
    return bool(given.astimezone(UTC) == arrived.astimezone(UTC))


def _read_field_names(kind: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind))
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(each.name for each in kind.__attrs_attrs__)
    return tuple(getattr(kind, "__struct_fields__", ()))


# Reading them costs more than all the rest; a program has few such classes.
_field_names: Callable[[Any], tuple[str, ...]] = functools.lru_cache(maxsize=256)(_read_field_names)
