"""Find out what a job's parameters are annotated with, and whether JSON can become that."""

import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any, Final, ParamSpecArgs, TypeVarTuple, Unpack, get_origin, get_type_hints

from msgspec import inspect as types

from sidelong.errors import JobDefinitionError

_JSON_KINDS: Final = (type(None), bool, int, float, str, list, dict)
# What Python code holds in the form that JSON gives it; of these only a float may differ, which JSON writes as 1.
_NATIVE: Final = (
    types.AnyType,
    types.NoneType,
    types.BoolType,
    types.IntType,
    types.FloatType,
    types.StrType,
    types.LiteralType,
    types.ListType,
    types.DictType,
    types.UnionType,
    types.CustomType,
    types.Metadata,
)


class UnresolvedError(Exception):
    """An annotation names what is not there, or not yet."""


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """What the arguments of one parameter become.

    Attributes:
        target: what `msgspec.convert` is told; `Any` leaves an argument as JSON gives it.
        is_native: whether its values are JSON before they are sent.
        has_other_keys: whether there are dicts in it whose keys are strings on their way only.
    """

    target: Any = Any
    is_native: bool = True
    has_other_keys: bool = False


RAW: Final = ArgumentType()


def scope_of(function: Any) -> dict[str, Any]:
    """Return the names that the annotations of `function` may use: those of the module where it was written."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "__globals__") or not inspect.isfunction(type(function).__call__):
            return getattr(function, "__globals__", {})
        else:
            function = type(function).__call__


def argument_type(parameter: inspect.Parameter, scope: dict[str, Any], job: str) -> ArgumentType:
    """Return what the arguments of `parameter` become.

    Args:
        parameter: as `inspect.signature` gives it.
        scope: the names that its annotation may use.
        job: the name of the job, for messages.

    Raises:
        UnresolvedError: the annotation names what is not there.
        JobDefinitionError: no JSON, or no single reading of it, can become what the annotation says.
    """
    if any(parameter.annotation is each for each in (inspect.Parameter.empty, Any, object)):
        return RAW
    annotation = _resolved(parameter.annotation, scope)
    if isinstance(annotation, ParamSpecArgs | TypeVarTuple) or get_origin(annotation) is Unpack:
        return RAW
    try:
        if parameter.default is None:
            # `name: str = None` is wrong and common.
            annotation = annotation | None
        nodes = list(_nodes(types.type_info(annotation), set()))
    except (NameError, AttributeError) as error:
        raise UnresolvedError(str(error)) from error
    except TypeError as error:
        raise JobDefinitionError(_refusal(parameter, job, str(error))) from None
    for node in nodes:
        if isinstance(node, types.CustomType):
            match _may_be_json(node.cls):
                case None:
                    return RAW
                case False if parameter.default is not inspect.Parameter.empty:
                    return RAW  # given by direct calls only
                case False:
                    reason = f"nothing in JSON stands for {node.cls.__qualname__}"
                    raise JobDefinitionError(_refusal(parameter, job, reason))
    has_other_keys = any(map(_has_other_keys, nodes))
    return ArgumentType(annotation, not has_other_keys and all(map(_is_native, nodes)), has_other_keys)


def shown_annotation(parameter: inspect.Parameter) -> str:
    """Return an annotation as its author wrote it, or nearly so."""
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _resolved(annotation: Any, scope: dict[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    try:
        return get_type_hints(holder, globalns=scope, include_extras=True)["it"]
    except Exception as error:
        raise UnresolvedError(str(error)) from error


def _refusal(parameter: inspect.Parameter, job: str, reason: str) -> str:
    return (
        f"{job}: arguments cannot be converted to {shown_annotation(parameter)}, as the parameter {parameter.name!r} "
        f"is annotated: {reason}; annotate it with a dataclass, a msgspec.Struct or Any, or define the job with "
        "typed=False"
    )


def _nodes(value: Any, seen: set[int]) -> Iterator[types.Type]:
    """Yield a type and all types within it; those of classes that hold themselves only once."""
    if isinstance(value, tuple):
        for each in value:
            yield from _nodes(each, seen)
    elif isinstance(value, types.Type | types.Field) and id(value) not in seen:
        seen.add(id(value))
        if isinstance(value, types.Type):
            yield value
        for name in value.__struct_fields__:
            yield from _nodes(getattr(value, name), seen)


def _has_other_keys(node: types.Type) -> bool:
    return isinstance(node, types.DictType) and not isinstance(node.key_type, types.StrType | types.AnyType)


def _is_native(node: types.Type) -> bool:
    return isinstance(node, _NATIVE)


def _may_be_json(cls: type) -> bool | None:
    """Tell whether some JSON value is an instance of `cls`; None if the class cannot be asked."""
    try:
        return any(issubclass(kind, cls) for kind in _JSON_KINDS)
    except TypeError:
        return None
