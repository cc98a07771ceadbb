"""Find work that was only prepared: what the caller has in hand, and has neither awaited, called nor gone through."""

import inspect
from functools import partial
from types import AsyncGeneratorType, BuiltinFunctionType, FunctionType, GeneratorType, MethodType
from typing import Any, Final

# No other iterators and callables: a cursor of a database is one, and has done its work.
_LAZY: Final = (GeneratorType, AsyncGeneratorType, map, filter)
_CALLABLE: Final = (FunctionType, MethodType, BuiltinFunctionType, partial)


def unperformed(value: Any, room: int) -> str:
    """Say what in a value is work that has not been done; empty if nothing is.

    A coroutine that is found is closed: nobody will await it.

    Args:
        value: the value, with what its lists, tuples, sets and dicts hold.
        room: how deeply to look.
    """
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        return "something that was not awaited: await it first"
    if isinstance(value, _LAZY):
        return "a generator or the like, which does nothing until somebody goes through it: do so first"
    if isinstance(value, _CALLABLE):
        return "a function that was not called: call it first"
    if room and isinstance(value, list | tuple | set | frozenset | dict):
        found = [unperformed(each, room - 1) for each in (value.values() if isinstance(value, dict) else value)]
        return next(filter(None, found), "")
    return ""
