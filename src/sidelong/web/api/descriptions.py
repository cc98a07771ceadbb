"""What the fields of a structure mean, as its docstring says."""

import inspect
import re
from typing import Any

import msgspec

_FIELD = re.compile(r"^    (\w+): ", re.MULTILINE)


def summary_of(kind: type) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return _line(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0])


def fields_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return by the name under which it travels what each field means, as the class or one above it says."""
    meanings: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, told = inspect.cleandoc(each.__dict__.get("__doc__") or "").partition("Attributes:\n")
        parts = _FIELD.split(told)[1:]
        meanings |= {name: _sentence(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return {field.encode_name: meanings[field.name] for field in msgspec.structs.fields(kind) if field.name in meanings}


def described(schema: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a structure with what it and its fields mean."""
    meanings = fields_of(kind)
    properties = {
        name: {**value, "description": meanings[name]} if name in meanings else value
        for name, value in schema.get("properties", {}).items()
    }
    return {**schema, "description": summary_of(kind), "properties": properties}


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    line = _line(text)
    return line[:1].upper() + line[1:]
