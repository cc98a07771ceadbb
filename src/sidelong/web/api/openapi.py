"""The JSON API as OpenAPI 3.1 describes it, made of the declarations of its addresses."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

from sidelong.web.api.descriptions import described, fields_of
from sidelong.web.api.endpoint import Endpoint
from sidelong.web.api.problems import MEDIA_TYPE as PROBLEM_TYPE
from sidelong.web.api.problems import Problem

_REFERENCE: Final = "#/components/schemas/{name}"
_NAME: Final = re.compile(r"\{(\w+)\}")
_SEGMENT: Final = r"^(~[A-Za-z0-9_-]*|(?!\.+$)[A-Za-z0-9_.:-]{1,200})$"
_ALWAYS: Final = (400, 401, 403, 404, 500, 503)
_WITH_BODY: Final = (408, 413, 415)

_ABOUT: Final = (
    "Everything that the pages show and do. A name in a path that has other characters than letters, digits and"
    " `_.:-`, or is longer than 200 characters, is written as `~` and its base64url form without padding; every answer"
    " holds the addresses that lead on. What changes something is sent by POST, with `Content-Type: application/json`"
    " if it has a body, and brings its credentials with the request, or comes from a page of the same origin."
)
_PARTS: Final = {
    "queue": "The name of a queue.",
    "job": "The key of a job in its queue.",
    "entry": "The key of a job in its list.",
    "process": "The identity of a process.",
    "jid": "The id of a job.",
    "class": "The class of a job.",
    "key": "The name of a key of Redis.",
}


def describe(endpoints: Sequence[Endpoint], *, title: str, version: str, has_basic_auth: bool) -> dict[str, Any]:
    """Return the description, but for where the server is.

    Args:
        endpoints: all addresses.
        title: what the pages are called.
        version: of the product.
        has_basic_auth: whether credentials are asked for as HTTP Basic.
    """
    kinds: list[Any] = [Problem, *(each.answer for each in endpoints if not _is_free(each))]
    kinds += [each.body for each in endpoints if each.body is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    references = dict(zip(kinds, schemas, strict=True))
    # Two of one name are called by their modules too.
    structures = {name: each for each in _structures(kinds) for name in (each.__name__, _whole_name(each))}
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, references)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {name: described(schema, structures[name]) for name, schema in components.items()},
        },
    }
    if has_basic_auth:
        document["components"]["securitySchemes"] = {"basic": {"type": "http", "scheme": "basic"}}
        document["security"] = [{"basic": []}]
    return document


def _operation(each: Endpoint, references: Mapping[Any, Any]) -> dict[str, Any]:
    faults = sorted({*_ALWAYS, *each.faults, *(_WITH_BODY if each.body is not None else ())})
    content = {} if _is_free(each) else {"schema": references[each.answer]}
    operation: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "tags": [each.path.split("/")[1]],
        "parameters": [*_parts(each.path), *_query(each.query)],
        "responses": {
            "200": {"description": "Done.", "content": {each.media_type: content}},
            **{str(status): _fault(status, references) for status in faults},
        },
    }
    if each.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[each.body]}},
        }
    return operation


def _fault(status: int, references: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_TYPE: {"schema": references[Problem]}},
    }


def _parts(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PARTS.get(name, f"The {name}."),
            "schema": {"type": "string", "pattern": _SEGMENT},
        }
        for name in _NAME.findall(path)
    ]


def _query(kind: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    _, components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    meanings = fields_of(kind)
    return [
        {"name": name, "in": "query", "description": meanings.get(name, f"The {name}."), "schema": schema}
        for name, schema in components[kind.__name__]["properties"].items()
    ]


def _whole_name(kind: type) -> str:
    """Return the name that msgspec gives a structure where there is another one of its name."""
    return re.sub(r"[^A-Za-z0-9.\-_]", "_", f"{kind.__module__}.{kind.__qualname__}")


def _is_free(each: Endpoint) -> bool:
    """Tell whether an address makes its answer itself."""
    return isinstance(each.answer, type) and issubclass(each.answer, Response)


def _structures(kinds: Iterable[Any]) -> Iterable[type[msgspec.Struct]]:
    """Return the structures, and those in their fields."""
    met: dict[Any, None] = {}
    waiting = list(msgspec.inspect.multi_type_info(list(kinds)))
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in met:
                continue
            met[info.cls] = None
            waiting += [field.type for field in info.fields]
        for name in ("item_type", "type", "value_type"):
            inner = getattr(info, name, None)
            if isinstance(inner, msgspec.inspect.Type):
                waiting.append(inner)
        waiting += getattr(info, "types", ())
    return met
